"""Events as blocking iterators; what to ask for and how to resume is said by `event_requests.EventCursor`."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from fedpact.gateway.connection import Connection
from fedpact.gateway.event_kinds import EventKind
from fedpact.gateway.event_requests import EventCursor, EventsStage
from fedpact.gateway.transport import Status, Stream, TransportError

E = TypeVar("E")


class Events(Generic[E]):
    """Events in the ledger's order: an iterator for one thread, which any thread may close.

    `next` waits for ever for the next event. A broken stream is resumed after the last event; `EventsError`
    where that is refused or `Retries.reconnects` attempts in a row have failed.

    Parameters
    ----------
    connection : where to ask.
    cursor : where to begin. Which block is the next one to be committed is settled before this returns.
    """

    def __init__(self, connection: Connection, cursor: EventCursor[E]) -> None:
        self._connection = connection
        self._cursor = cursor
        self._waiting: deque[E] = deque()
        self._stream: Stream | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        while cursor.locating:
            self._advance()
        self._advance(read=False)

    def close(self) -> None:
        """End the iteration, from any thread; more than once is allowed."""
        self._closed.set()
        self._drop()

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        while not self._waiting:
            if self._closed.is_set() or self._cursor.ended:
                self.close()
                raise StopIteration
            self._advance()
        return self._waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _advance(self, *, read: bool = True) -> None:
        """Open a stream if there is none, read one reply of it; where that fails, wait as the cursor says."""
        locating = self._cursor.locating
        try:
            stream = self._stream or self._open()
            if not read:
                return
            reply = next(stream, None)
            if reply is None:
                raise TransportError(Status.UNAVAILABLE, "the stream has ended")
            self._waiting.extend(self._cursor.take(reply))
            if locating != self._cursor.locating:
                self._drop()
        except TransportError as error:
            self._drop()
            if not self._closed.is_set():
                self._closed.wait(self._cursor.lost(error))

    def _open(self) -> Stream:
        deliver, request = self._cursor.opening()
        transport = self._connection.transport
        stream = (
            transport.chaincode_events(request) if deliver is None else transport.deliver(deliver, request)
        )
        with self._lock:
            if not self._closed.is_set():
                self._stream = stream
                return stream
        stream.close()
        raise TransportError(Status.CANCELLED, "closed")

    def _drop(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class EventsRequest(EventsStage[E]):
    """A request for events, for off-line signing.

    Parameters
    ----------
    connection : where it goes.
    kind : of the events.
    message : what is signed.
    signature : made elsewhere; without one, the connection's identity signs when it is first needed.
    """

    def __init__(
        self, connection: Connection, kind: EventKind[E], message: bytes, *, signature: bytes | None = None
    ) -> None:
        super().__init__(connection, kind, message, signature=signature)
        self._connection = connection

    def events(self) -> Events[E]:
        """Send it. Its one signature fits one place to begin: a stream that breaks raises `EventsError`."""
        return Events(self._connection, self.cursor())
