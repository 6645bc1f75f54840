"""Calls under way over one stream of batches (`/fedpact.Node/Calls`): numbers, batches, replies; no I/O."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from fedpact.gateway.local_frames import (
    MAX_FRAME_BYTES,
    FrameError,
    Request,
    decode_calls,
    encode_call,
    encode_request,
)
from fedpact.gateway.transport import Status, TransportError

W = TypeVar("W")

GRACE_S = 1.0
"""How much longer than the node, which keeps the deadline, the client waits for its answer."""
_BATCH_BYTES = 1 << 20


class CallTable(Generic[W]):
    """The calls of one stream; its user guards it with a lock where there are threads.

    Each call has a waiter, whatever its user takes for it.
    """

    def __init__(self) -> None:
        self._last = 0
        self._waiters: dict[int, W] = {}
        self._outgoing: deque[bytes] = deque()

    @property
    def has_outgoing(self) -> bool:
        """Whether there is something to be sent."""
        return bool(self._outgoing)

    def add(self, stage: str, request: bytes, timeout_s: float, waiter: W) -> int:
        """Put a call into the next batch; return its number.

        Raises
        ------
        TransportError
            INVALID_ARGUMENT if it is too long.
        """
        body = encode_request(Request(stage, timeout_s, request))
        if len(body) > MAX_FRAME_BYTES:
            raise TransportError(Status.INVALID_ARGUMENT, f"a request of {len(request)} bytes")
        self._last += 1
        self._outgoing.append(encode_call(self._last, body))
        self._waiters[self._last] = waiter
        return self._last

    def forget(self, number: int) -> None:
        """Wait no longer for a call; its reply will be dropped."""
        self._waiters.pop(number, None)

    def batch(self) -> bytes:
        """Take out what is to be sent next: calls of about a MiB, at least one."""
        calls = [self._outgoing.popleft()]
        size = len(calls[0])
        while self._outgoing and size + len(self._outgoing[0]) <= _BATCH_BYTES:
            calls.append(self._outgoing.popleft())
            size += len(calls[-1])
        return b"".join(calls) if len(calls) > 1 else calls[0]

    def replies(self, batch: bytes) -> list[tuple[W, bytes]]:
        """Return the waiters of a batch's replies, with these; nobody waits for the others any more.

        Raises
        ------
        TransportError
            UNAVAILABLE if it is malformed: the stream cannot be used further.
        """
        try:
            calls = decode_calls(batch)
        except FrameError as error:
            raise TransportError(Status.UNAVAILABLE, f"the stream is garbled: {error}") from error
        found = ((self._waiters.pop(number, None), body) for number, body in calls)
        return [(waiter, body) for waiter, body in found if waiter is not None]

    def drop(self) -> list[W]:
        """Return all waiters, and wait for none of them any more."""
        waiters = list(self._waiters.values())
        self._waiters.clear()
        self._outgoing.clear()
        return waiters
