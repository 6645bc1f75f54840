"""The gateway client: from a function and its message to a committed result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from fedpact.gateway import offline, settlement
from fedpact.gateway.caller import Caller, place_of
from fedpact.gateway.checkpoints import Checkpointer
from fedpact.gateway.commit import Commit, Result
from fedpact.gateway.connection import Actor, Connection, Deadlines, Retries
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
from fedpact.gateway.events import Events, EventsRequest
from fedpact.gateway.proposal import Proposal
from fedpact.gateway.transaction import Transaction, TransactionStage
from fedpact.gateway.transport import Transport
from fedpact.wire.proposals import NO_TRANSIENT

if TYPE_CHECKING:
    from fedpact.wire.bundle import Bundle

E = TypeVar("E")


class Gateway(Caller):
    """A client of one chaincode on one channel, acting for one identity; may be used by many threads.

    Parameters
    ----------
    transport : a gateway: in-process, a local socket, gRPC. The caller closes it.
    identity : who signs.
    channel_id, chaincode : what is called.
    clock : time of the proposals, nanoseconds since 1970.
    deadlines : longest wait for each call.
    retries : how often conflicts and unknown outcomes are tried again.
    tls_certificate_hash : SHA-256 of the client's TLS certificate, for nodes that bind requests to it.

    Examples
    --------
    >>> result = gateway.submit("catalog:publish", b'{"dataset": "..."}')  # doctest: +SKIP
    >>> result.block_number  # doctest: +SKIP
    7
    """

    def __init__(  # noqa: PLR0913 (independent settings, each named at the call)
        self,
        transport: Transport,
        identity: Actor,
        *,
        channel_id: str = "consortium",
        chaincode: str = "fedpact",
        clock: Callable[[], int] = time.time_ns,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
        tls_certificate_hash: bytes = b"",
    ) -> None:
        self._connection = Connection(
            identity,
            channel_id,
            deadlines or Deadlines(),
            retries or Retries(),
            tls_certificate_hash,
            transport,
        )
        super().__init__(self._connection, chaincode, clock)

    def evaluate(self, function: str, message: bytes = b"") -> bytes:
        """Execute a function without changing anything; return its result.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.

        Raises
        ------
        Rejected
            The contract refused.
        EvaluateError
            It was not executed.
        """
        return self._connection.run(self._evaluating(function, message))

    def submit(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Result:
        """Execute a function and wait until it is committed.

        A conflict (MVCC, phantom) leads to a new proposal after a jittered wait, an unknown outcome to
        looking the transaction up and sending the same envelope again.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.
        transient : data for the endorsers only.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError, SubmitError
            Nothing was changed.
        CommitError
            The transaction is invalid, or still conflicted after all retries; nothing was changed.
        OutcomeUnknown
            It may be committed or not; see `resume`.
        """
        return self._connection.run(self._committing(function, message, transient))

    def submit_async(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Commit:
        """Execute a function and hand it to the orderer; do not wait for the verdict, retry no conflict.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError, SubmitError
            Nothing was changed.
        OutcomeUnknown
            It may have been submitted or not; see `resume`.
        """
        transaction = self._connection.run(self._handing_over(function, message, transient))
        return Commit(self._connection, transaction.transaction_id, transaction.payload)

    def resume(self, transaction: bytes) -> Result:
        """Go on with a transaction whose outcome is unknown: look it up, else send the same envelope again.

        Parameters
        ----------
        transaction : `OutcomeUnknown.transaction`.

        Raises
        ------
        CommitError
            The transaction is invalid; nothing was changed.
        OutcomeUnknown
            Still unknown.
        WireError
            These are not a transaction's bytes.
        """
        return self._connection.run(settlement.resume(self._terms, self._endorsed(transaction)))

    def configuration(self) -> Bundle:
        """Return the channel's configuration in force, as the node delivers it.

        Raises
        ------
        EventsError
            The gateway cannot be reached or refuses; UNIMPLEMENTED over the local socket.
        """
        from fedpact.gateway.configuration import last_configuration

        return last_configuration(self._connection, self.clock)

    def update_configuration(self, envelope: bytes) -> Result:
        """Submit an update of the channel's configuration and wait until it is in force.

        Parameters
        ----------
        envelope : signed, of type CONFIG_UPDATE (`fedpact.wire.config_update.update_envelope`). It goes the
            way of every envelope: a Fabric gateway hands any of them to an orderer.

        Raises
        ------
        SubmitError
            The orderer refused it; nothing was changed.
        CommitError
            Another update came first; nothing was changed.
        OutcomeUnknown
            It may be in force or not; see `resume`.
        WireError
            These are not an update's bytes.
        """
        prepared = offline.prepared_update(envelope)
        stage = TransactionStage(self._terms, prepared, signature=prepared.signature)
        return self._connection.run(settlement.settle(self._terms, stage))

    def new_proposal(
        self,
        function: str,
        message: bytes = b"",
        *,
        transient: Mapping[str, bytes] = NO_TRANSIENT,
        organisations: Sequence[str] = (),
    ) -> Proposal:
        """Make the first stage: a proposal, to be evaluated or endorsed.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.
        transient : data for the endorsers only.
        organisations : MSP ids of those who must execute it; empty leaves the choice to the gateway.
        """
        return Proposal(self._connection, self._unsigned(function, message, transient, organisations))

    def signed_proposal(self, proposal: bytes, signature: bytes) -> Proposal:
        """Take up a proposal (`Proposal.to_bytes`) signed elsewhere; WireError if malformed."""
        return Proposal(self._connection, offline.read_proposal(proposal, signature))

    def signed_transaction(self, transaction: bytes, signature: bytes) -> Transaction:
        """Take up a transaction (`Transaction.to_bytes`) signed elsewhere; WireError if malformed."""
        return Transaction(self._connection, offline.read_transaction(transaction), signature=signature)

    def signed_commit(self, commit: bytes, signature: bytes) -> Commit:
        """Take up a status request (`Commit.to_bytes`) signed elsewhere; WireError if malformed."""
        return Commit(self._connection, offline.read_transaction_id(commit), signature=signature)

    def chaincode_events(
        self,
        start_block: int | None = None,
        *,
        after: str = "",
        checkpointer: Checkpointer | None = None,
    ) -> Events[ChaincodeEvent]:
        """Follow what the chaincode announces in valid transactions, in the ledger's order.

        A stream that breaks is resumed after the last event, on another address if there are several.

        Parameters
        ----------
        start_block : the first block, from 0; None: the next one to be committed after this call.
        after : a transaction of the first block; its events and those before are left out.
        checkpointer : where to go on; stands above the others if something was noted in it. It is read here
            and never written: note what was processed with its methods.

        Raises
        ------
        EventsError
            The gateway cannot be reached or refuses.
        ValueError
            There is no such place to start.
        """
        return self._events(CHAINCODE_EVENTS, start_block, after, checkpointer)

    def block_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> Events[Block]:
        """Follow the blocks; parameters and errors as of `chaincode_events`."""
        return self._events(BLOCKS, start_block, "", checkpointer)

    def filtered_block_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> Events[FilteredBlock]:
        """Follow the blocks without their content; parameters and errors as of `chaincode_events`."""
        return self._events(FILTERED_BLOCKS, start_block, "", checkpointer)

    def block_and_private_data_events(
        self, start_block: int | None = None, *, checkpointer: Checkpointer | None = None
    ) -> Events[BlockAndPrivateData]:
        """Follow the blocks with the private data of the own organisation; else as `chaincode_events`."""
        return self._events(BLOCKS_AND_PRIVATE_DATA, start_block, "", checkpointer)

    def new_events_request(
        self,
        kind: EventKind[E],
        start_block: int | None = None,
        *,
        after: str = "",
        checkpointer: Checkpointer | None = None,
    ) -> EventsRequest[E]:
        """Make a request for events to be signed elsewhere; else as `chaincode_events`.

        Parameters
        ----------
        kind : `CHAINCODE_EVENTS`, `BLOCKS`, `FILTERED_BLOCKS`, `BLOCKS_AND_PRIVATE_DATA`.
        """
        message = self._events_message(kind, place_of(start_block, after, checkpointer))
        return EventsRequest(self._connection, kind, message)

    def signed_events_request(self, kind: EventKind[E], request: bytes, signature: bytes) -> EventsRequest[E]:
        """Take up a request (`EventsRequest.to_bytes`) signed elsewhere; WireError if malformed."""
        message = read_request(kind.deliver, request)
        return EventsRequest(self._connection, kind, message, signature=signature)

    def _events(
        self, kind: EventKind[E], start_block: int | None, after: str, checkpointer: Checkpointer | None
    ) -> Events[E]:
        return Events(self._connection, self._cursor(kind, place_of(start_block, after, checkpointer)))
