"""The gateway client for asyncio: the same flows, stages and errors as `client.Gateway`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fedpact.gateway import offline, settlement
from fedpact.gateway.async_connection import AsyncCommit, AsyncConnection, AsyncProposal, AsyncTransaction
from fedpact.gateway.async_events import AsyncEvents, AsyncEventsRequest
from fedpact.gateway.caller import Caller, place_of
from fedpact.gateway.checkpoints import Checkpointer
from fedpact.gateway.commit import Result
from fedpact.gateway.connection import Actor, Deadlines, Retries
from fedpact.gateway.event_kinds import (
    BLOCKS,
    BLOCKS_AND_PRIVATE_DATA,
    CHAINCODE_EVENTS,
    FILTERED_BLOCKS,
    Block,
    BlockAndPrivateData,
    ChaincodeEvent,
    EventKind,
    FilteredBlock,
)
from fedpact.gateway.event_requests import read_request
from fedpact.gateway.transport import AsyncTransport
from fedpact.wire.proposals import NO_TRANSIENT

E = TypeVar("E")


class AsyncGateway(Caller):
    """A client of one chaincode on one channel, acting for one identity, for the tasks of one event loop.

    Parameters
    ----------
    transport : a gateway. The caller closes it.
    identity : who signs.
    channel_id, chaincode : what is called.
    clock : time of the proposals, nanoseconds since 1970.
    deadlines : longest wait for each call.
    retries : how often conflicts and unknown outcomes are tried again.
    tls_certificate_hash : SHA-256 of the client's TLS certificate, for nodes that bind requests to it.
    """

    def __init__(  # noqa: PLR0913 (independent settings, each named at the call)
        self,
        transport: AsyncTransport,
        identity: Actor,
        *,
        channel_id: str = "consortium",
        chaincode: str = "fedpact",
        clock: Callable[[], int] = time.time_ns,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
        tls_certificate_hash: bytes = b"",
    ) -> None:
        self._connection = AsyncConnection(
            identity,
            channel_id,
            deadlines or Deadlines(),
            retries or Retries(),
            tls_certificate_hash,
            transport,
        )
        super().__init__(self._connection, chaincode, clock)

    async def evaluate(self, function: str, message: bytes = b"") -> bytes:
        """Execute a function without changing anything; as `Gateway.evaluate`."""
        return await self._connection.run(self._evaluating(function, message))

    async def submit(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Result:
        """Execute a function and wait until it is committed; as `Gateway.submit`."""
        return await self._connection.run(self._committing(function, message, transient))

    async def submit_async(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> AsyncCommit:
        """Execute a function and hand it to the orderer; as `Gateway.submit_async`."""
        transaction = await self._connection.run(self._handing_over(function, message, transient))
        return AsyncCommit(self._connection, transaction.transaction_id, transaction.payload)

    async def resume(self, transaction: bytes) -> Result:
        """Go on with a transaction whose outcome is unknown; as `Gateway.resume`."""
        return await self._connection.run(settlement.resume(self._terms, self._endorsed(transaction)))

    def new_proposal(
        self,
        function: str,
        message: bytes = b"",
        *,
        transient: Mapping[str, bytes] = NO_TRANSIENT,
        organisations: Sequence[str] = (),
    ) -> AsyncProposal:
        """Make the first stage; as `Gateway.new_proposal`."""
        return AsyncProposal(self._connection, self._unsigned(function, message, transient, organisations))

    def signed_proposal(self, proposal: bytes, signature: bytes) -> AsyncProposal:
        """Take up a proposal signed elsewhere; WireError if malformed."""
        return AsyncProposal(self._connection, offline.read_proposal(proposal, signature))

    def signed_transaction(self, transaction: bytes, signature: bytes) -> AsyncTransaction:
        """Take up a transaction signed elsewhere; WireError if malformed."""
        return AsyncTransaction(self._connection, offline.read_transaction(transaction), signature=signature)

    def signed_commit(self, commit: bytes, signature: bytes) -> AsyncCommit:
        """Take up a status request signed elsewhere; WireError if malformed."""
        return AsyncCommit(self._connection, offline.read_transaction_id(commit), signature=signature)

    def chaincode_events(
        self,
        start_block: int | None = None,
        *,
        after: str = "",
        checkpointer: Checkpointer | None = None,
    ) -> AsyncEvents[ChaincodeEvent]:
        """Follow what the chaincode announces in valid transactions; as `Gateway.chaincode_events`."""
        return self._events(CHAINCODE_EVENTS, start_block, after, checkpointer)

    def block_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> AsyncEvents[Block]:
        """Follow the blocks."""
        return self._events(BLOCKS, start_block, "", checkpointer)

    def filtered_block_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> AsyncEvents[FilteredBlock]:
        """Follow the blocks without their content."""
        return self._events(FILTERED_BLOCKS, start_block, "", checkpointer)

    def block_and_private_data_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> AsyncEvents[BlockAndPrivateData]:
        """Follow the blocks with the private data of the own organisation."""
        return self._events(BLOCKS_AND_PRIVATE_DATA, start_block, "", checkpointer)

    def new_events_request(
        self,
        kind: EventKind[E],
        start_block: int | None = None,
        *,
        after: str = "",
        checkpointer: Checkpointer | None = None,
    ) -> AsyncEventsRequest[E]:
        """Make a request for events to be signed elsewhere; as `Gateway.new_events_request`."""
        message = self._events_message(kind, place_of(start_block, after, checkpointer))
        return AsyncEventsRequest(self._connection, kind, message)

    def signed_events_request(
        self, kind: EventKind[E], request: bytes, signature: bytes
    ) -> AsyncEventsRequest[E]:
        """Take up a request for events signed elsewhere; WireError if malformed."""
        message = read_request(kind.deliver, request)
        return AsyncEventsRequest(self._connection, kind, message, signature=signature)

    def _events(
        self, kind: EventKind[E], start_block: int | None, after: str, checkpointer: Checkpointer | None
    ) -> AsyncEvents[E]:
        return AsyncEvents(self._connection, self._cursor(kind, place_of(start_block, after, checkpointer)))
