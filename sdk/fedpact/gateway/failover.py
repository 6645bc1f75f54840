"""Several addresses of one ledger: a call that did not arrive goes to the next one.

Every call of a gateway may be repeated: proposals are executed without effect, a submitted envelope is
idempotent by its transaction id, a status is only read. So UNAVAILABLE leads to the next address, within the
call's one deadline; the address that works stays the first to be asked. Any other status is an answer, unless
the call submits and an address before may have taken it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence

from fedpact.gateway.transport import (
    AsyncStream,
    AsyncTransport,
    DeliverKind,
    Status,
    Stream,
    Transport,
    TransportError,
)
from fedpact.gateway.unary_calls import AsyncUnaryCalls, UnaryCalls


class Addresses:
    """Which of several addresses is asked first; the flow of a call over them, without I/O.

    Parameters
    ----------
    count : how many there are, at least one.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError("no address")
        self._count = count
        self.first = 0

    def failed(self, index: int) -> None:
        """Ask the next address first, if this one was."""
        if self.first == index:
            self.first = (index + 1) % self._count

    def calling(
        self, timeout_s: float, clock: Callable[[], float] = time.monotonic, *, once: bool = False
    ) -> Generator[tuple[int, float], bytes, bytes]:
        """Flow of a call: yields an address's index and the seconds left, gets reply or `TransportError`.

        With `once` the call changes something the first time that it arrives, and that may have been at an
        address that gave no answer: what a later one refuses is then no answer either, but UNAVAILABLE.
        """
        deadline = clock() + timeout_s
        first = self.first
        left_s = timeout_s
        for step in range(self._count):
            index = (first + step) % self._count
            try:
                return (yield index, left_s)
            except TransportError as error:
                if error.status is not Status.UNAVAILABLE:
                    if once and step:
                        text = f"no answer from an address before this one, {error}"
                        raise TransportError(Status.UNAVAILABLE, text, error.details) from error
                    raise
                self.failed(index)
                left_s = deadline - clock()
                if step == self._count - 1 or left_s <= 0:
                    raise
        raise AssertionError  # the last address returns or raises


class FailoverTransport(UnaryCalls):
    """A `Transport` over transports to nodes of one ledger.

    Parameters
    ----------
    transports : in the order in which they are tried; closed with this one.
    """

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = tuple(transports)
        self._addresses = Addresses(len(self._transports))

    def chaincode_events(self, request: bytes, /) -> Stream:
        """Follow a chaincode's events; after a stream that broke, the next address is asked first."""
        index = self._addresses.first
        return _WatchedStream(self._transports[index].chaincode_events(request), self._addresses, index)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> Stream:
        """Follow the blocks; after a stream that broke, the next address is asked first."""
        index = self._addresses.first
        return _WatchedStream(self._transports[index].deliver(kind, envelope), self._addresses, index)

    def close(self) -> None:
        """Close all transports."""
        for transport in self._transports:
            transport.close()

    def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        flow = self._addresses.calling(timeout_s, once=stage == "submit")
        try:
            index, left_s = next(flow)
            while True:
                try:
                    reply = getattr(self._transports[index], stage)(request, timeout_s=left_s)
                except TransportError as error:
                    index, left_s = flow.throw(error)
                else:
                    flow.send(reply)
        except StopIteration as done:
            result: bytes = done.value
            return result


class AsyncFailoverTransport(AsyncUnaryCalls):
    """`FailoverTransport` for asyncio.

    Parameters
    ----------
    transports : in the order in which they are tried; closed with this one.
    """

    def __init__(self, transports: Sequence[AsyncTransport]) -> None:
        self._transports = tuple(transports)
        self._addresses = Addresses(len(self._transports))

    def chaincode_events(self, request: bytes, /) -> AsyncStream:
        """Follow a chaincode's events; after a stream that broke, the next address is asked first."""
        index = self._addresses.first
        return _AsyncWatchedStream(self._transports[index].chaincode_events(request), self._addresses, index)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> AsyncStream:
        """Follow the blocks; after a stream that broke, the next address is asked first."""
        index = self._addresses.first
        return _AsyncWatchedStream(self._transports[index].deliver(kind, envelope), self._addresses, index)

    async def close(self) -> None:
        """Close all transports."""
        for transport in self._transports:
            await transport.close()

    async def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        flow = self._addresses.calling(timeout_s, once=stage == "submit")
        try:
            index, left_s = next(flow)
            while True:
                try:
                    reply = await getattr(self._transports[index], stage)(request, timeout_s=left_s)
                except TransportError as error:
                    index, left_s = flow.throw(error)
                else:
                    flow.send(reply)
        except StopIteration as done:
            result: bytes = done.value
            return result


class _WatchedStream:
    """Tells the addresses when its own has failed."""

    def __init__(self, inner: Stream, addresses: Addresses, index: int) -> None:
        self._inner = inner
        self._addresses = addresses
        self._index = index

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._inner)
        except StopIteration:
            self._addresses.failed(self._index)
            raise
        except TransportError as error:
            if error.status is Status.UNAVAILABLE:
                self._addresses.failed(self._index)
            raise

    def close(self) -> None:
        self._inner.close()


class _AsyncWatchedStream:
    """`_WatchedStream` for asyncio."""

    def __init__(self, inner: AsyncStream, addresses: Addresses, index: int) -> None:
        self._inner = inner
        self._addresses = addresses
        self._index = index

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._inner)
        except StopAsyncIteration:
            self._addresses.failed(self._index)
            raise
        except TransportError as error:
            if error.status is Status.UNAVAILABLE:
                self._addresses.failed(self._index)
            raise

    async def close(self) -> None:
        await self._inner.close()
