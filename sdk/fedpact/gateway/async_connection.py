"""Running flows in a task, and the stages of a transaction for asyncio."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from fedpact.gateway.commit import CommitStage, Result
from fedpact.gateway.connection import Terms
from fedpact.gateway.flows import Flow, Pause, Stage
from fedpact.gateway.messages import CommitStatus, SignedProposal
from fedpact.gateway.proposal import ProposalStage
from fedpact.gateway.transaction import TransactionStage
from fedpact.gateway.transport import AsyncTransport, TransportError
from fedpact.wire.prepared import PreparedTransaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AsyncConnection(Terms):
    """Terms and an asyncio transport; runs flows in the caller's task."""

    transport: AsyncTransport

    def offers(self, stage: Stage) -> bool:
        """Whether the transport has a method beyond those that every transport has."""
        return hasattr(self.transport, stage)

    async def run(self, flow: Flow[T]) -> T:
        """Do what a flow asks for, until it returns or raises."""
        transport = self.transport
        try:
            step = next(flow)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = flow.send(b"")
                    continue
                try:
                    reply = await getattr(transport, step.stage)(step.request, timeout_s=step.timeout_s)
                except TransportError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result


class AsyncProposal(ProposalStage):
    """`Proposal` for asyncio.

    Parameters
    ----------
    connection : where it goes.
    proposal : what is proposed.
    """

    def __init__(self, connection: AsyncConnection, proposal: SignedProposal) -> None:
        super().__init__(connection, proposal)
        self._connection = connection

    async def evaluate(self) -> bytes:
        """Execute it without changing anything; errors as of `Proposal.evaluate`."""
        return await self._connection.run(self.evaluating())

    async def endorse(self) -> AsyncTransaction:
        """Have it executed and its result signed; errors as of `Proposal.endorse`."""
        return AsyncTransaction(self._connection, await self._connection.run(self.endorsing()))


class AsyncTransaction(TransactionStage):
    """`Transaction` for asyncio.

    Parameters
    ----------
    connection : where it goes.
    prepared : the transaction as the endorsers' gateway put it together.
    signature : made elsewhere; without one, the connection's identity signs when it is first needed.
    """

    def __init__(
        self, connection: AsyncConnection, prepared: PreparedTransaction, *, signature: bytes | None = None
    ) -> None:
        super().__init__(connection, prepared, signature=signature)
        self._connection = connection

    async def submit(self) -> AsyncCommit:
        """Hand it to the orderer; errors as of `Transaction.submit`."""
        await self._connection.run(self.submitting())
        return self.commit()

    def commit(self) -> AsyncCommit:
        """Return the third stage without submitting: for looking the transaction up."""
        return AsyncCommit(self._connection, self.transaction_id, self.payload)


class AsyncCommit(CommitStage):
    """`Commit` for asyncio.

    Parameters
    ----------
    connection : where to ask.
    transaction_id : of the transaction.
    payload : the contract's result, as endorsed.
    signature : of the status request, made elsewhere.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        transaction_id: str,
        payload: bytes = b"",
        *,
        signature: bytes | None = None,
    ) -> None:
        super().__init__(connection, transaction_id, payload, signature=signature)
        self._connection = connection

    async def status(self, *, timeout_s: float | None = None) -> CommitStatus:
        """Wait for the verdict; errors as of `Commit.status`."""
        return await self._connection.run(self.asking(timeout_s))

    async def result(self, *, timeout_s: float | None = None) -> Result:
        """Wait for the verdict and return the result; errors as of `Commit.result`."""
        return await self._connection.run(self.concluding(timeout_s))
