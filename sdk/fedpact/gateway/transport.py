"""The one seam between the client and whoever answers it.

    Transport                    evaluate, endorse, submit, commit_status, chaincode_events, deliver, close
    AsyncTransport               the same for asyncio
    Stream, AsyncStream          the replies to one request for events
    TransportError               what any transport raises
      .status -> Status          gRPC's status names
      .details -> ErrorDetail    one per peer that failed

Requests and replies are serialised messages of Fabric's `gateway.proto` (of `Deliver` for blocks), so that an
in-process node, a local socket and gRPC are interchangeable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    """gRPC's status names."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What one peer answered.

    Attributes
    ----------
    address : of the peer.
    mspid : its organisation.
    message : its answer; for a refusal of the contract, `chaincode response <status>, <message>`.
    """

    address: str
    mspid: str
    message: str


class TransportError(Exception):
    """A call failed.

    Parameters
    ----------
    status : gRPC status name.
    message : one line for people.
    details : the answers of the peers that failed.
    """

    def __init__(self, status: Status, message: str, details: tuple[ErrorDetail, ...] = ()) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.details = details


class DeliverKind(StrEnum):
    """What of each block is delivered; the values are the methods of Fabric's `protos.Deliver`."""

    BLOCKS = "Deliver"
    FILTERED = "DeliverFiltered"
    WITH_PRIVATE_DATA = "DeliverWithPrivateData"


class Stream(Protocol):
    """The serialised replies to one request for events, in the ledger's order; read by one thread.

    `next` waits for ever for the next reply and raises `TransportError` where the stream breaks.
    """

    def __iter__(self) -> Iterator[bytes]:
        """Return the stream itself."""

    def __next__(self) -> bytes:
        """Wait for the next reply."""

    def close(self) -> None:
        """End the stream, from any thread; whoever waits gets StopIteration or CANCELLED."""


class AsyncStream(Protocol):
    """`Stream` for asyncio."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the stream itself."""

    async def __anext__(self) -> bytes:
        """Wait for the next reply."""

    async def close(self) -> None:
        """End the stream; whoever waits gets StopAsyncIteration or CANCELLED."""


class Transport(Protocol):
    """A gateway. All methods may be called from many threads; all raise `TransportError` and nothing else."""

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Execute a proposal without ordering it; `EvaluateRequest` -> `EvaluateResponse`.

        Status UNKNOWN where the contract refused, with its answer in message and details.
        """

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Collect endorsements; `EndorseRequest` -> `EndorseResponse` with the unsigned envelope.

        Status ABORTED where a contract refused, with its answer in the details.
        """

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer; `SubmitRequest` -> `SubmitResponse`.

        Submitting the same envelope again is allowed: its transaction id makes it idempotent.
        """

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Wait for a transaction's verdict; `SignedCommitStatusRequest` -> `CommitStatusResponse`.

        Status DEADLINE_EXCEEDED where it is not committed within the time.
        """

    def chaincode_events(self, request: bytes, /) -> Stream:
        """Follow a chaincode's events; `SignedChaincodeEventsRequest` -> `ChaincodeEventsResponse`s.

        It may be refused here or by the stream. UNIMPLEMENTED where there are no streams.
        """

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> Stream:
        """Follow the blocks; a signed `common.Envelope` with `SeekInfo` -> `DeliverResponse`s.

        A status in place of a block is passed on as it is. UNIMPLEMENTED where there are no streams.
        """

    def close(self) -> None:
        """Release what the transport holds; more than once is allowed."""


class CommittingTransport(Transport, Protocol):
    """What transports to nodes of ours offer besides: fewer calls and signatures for the same certainty."""

    def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer and wait for its verdict.

        `SubmitRequest` -> `CommitStatusResponse`. The envelope's signature says who asks. A status that
        leaves open whether the envelope was taken leaves open, too, whether it is committed; any other one
        means that it was not taken.
        """


class InProcessTransport(CommittingTransport, Protocol):
    """What a node offers within its process, to those who could ask it anything."""

    def verdict(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Do as `commit_status`, without a signature; `CommitStatusRequest` -> `CommitStatusResponse`."""


class AsyncTransport(Protocol):
    """`Transport` for the tasks of one event loop."""

    async def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Execute a proposal without ordering it."""

    async def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Collect endorsements."""

    async def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer."""

    async def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Wait for a transaction's verdict."""

    def chaincode_events(self, request: bytes, /) -> AsyncStream:
        """Follow a chaincode's events."""

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> AsyncStream:
        """Follow the blocks."""

    async def close(self) -> None:
        """Release what the transport holds; more than once is allowed."""
