"""Events as asynchronous iterators; what to ask for and how to resume is said by `EventCursor`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from fedpact.gateway.async_connection import AsyncConnection
from fedpact.gateway.event_kinds import EventKind
from fedpact.gateway.event_requests import EventCursor, EventsStage
from fedpact.gateway.transport import AsyncStream, Status, TransportError

E = TypeVar("E")


class AsyncEvents(Generic[E]):
    """`Events` for asyncio, for one task; any task of the loop may close it.

    `async with` settles, before its block begins, which block is the next one to be committed; without it the
    first `anext` does. Nothing is lost where a waiting `anext` is cancelled.

    Parameters
    ----------
    connection : where to ask.
    cursor : where to begin.
    """

    def __init__(self, connection: AsyncConnection, cursor: EventCursor[E]) -> None:
        self._connection = connection
        self._cursor = cursor
        self._waiting: deque[E] = deque()
        self._stream: AsyncStream | None = None
        self._closed = asyncio.Event()

    async def close(self) -> None:
        """End the iteration; more than once is allowed."""
        self._closed.set()
        await self._drop()

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        while not self._waiting:
            if self._closed.is_set() or self._cursor.ended:
                await self.close()
                raise StopAsyncIteration
            await self._advance()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        while self._cursor.locating and not self._closed.is_set():
            await self._advance()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _advance(self) -> None:
        """Open a stream if there is none, read one reply of it; where that fails, wait as the cursor says."""
        locating = self._cursor.locating
        try:
            stream = self._stream or self._open()
            reply = await anext(stream, None)
            if reply is None:
                raise TransportError(Status.UNAVAILABLE, "the stream has ended")
            self._waiting.extend(self._cursor.take(reply))
            if locating != self._cursor.locating:
                await self._drop()
        except TransportError as error:
            await self._drop()
            if not self._closed.is_set():
                await self._pause(self._cursor.lost(error))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            pass

    def _open(self) -> AsyncStream:
        deliver, request = self._cursor.opening()
        transport = self._connection.transport
        self._stream = (
            transport.chaincode_events(request) if deliver is None else transport.deliver(deliver, request)
        )
        return self._stream

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


class AsyncEventsRequest(EventsStage[E]):
    """`EventsRequest` for asyncio.

    Parameters
    ----------
    connection : where it goes.
    kind : of the events.
    message : what is signed.
    signature : made elsewhere; without one, the connection's identity signs when it is first needed.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        kind: EventKind[E],
        message: bytes,
        *,
        signature: bytes | None = None,
    ) -> None:
        super().__init__(connection, kind, message, signature=signature)
        self._connection = connection

    def events(self) -> AsyncEvents[E]:
        """Send it. Its one signature fits one place to begin: a stream that breaks raises `EventsError`."""
        return AsyncEvents(self._connection, self.cursor())
