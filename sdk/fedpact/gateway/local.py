"""A transport over a Unix socket, for worker processes on the node's machine.

A worker signs with its own identity and reaches the node through this; no key crosses the socket. Each call
takes an idle connection or opens one, so calls of many threads do not wait for each other. Connections
belong to the process that opened them: a forked child opens its own.
"""

from __future__ import annotations

import os
import socket
import threading
import time

from fedpact.gateway.local_frames import (
    MAX_FRAME_BYTES,
    MAX_PATH_BYTES,
    FrameError,
    Request,
    decode_reply,
    encode_request,
    receive_frame,
    send_frame,
    set_timeout,
)
from fedpact.gateway.transport import DeliverKind, Status, Stream, TransportError
from fedpact.gateway.unary_calls import UnaryCalls

SCHEME = "unix://"
_GRACE_S = 1.0
_MAX_IDLE = 8


class LocalTransport(UnaryCalls):
    """A `Transport` to a `LocalServer`; nothing is opened before the first call.

    Parameters
    ----------
    address : `unix:///path` or a path.

    Raises
    ------
    ValueError
        If the path is longer than the system allows (107 bytes).
    """

    def __init__(self, address: str) -> None:
        self.path = address.removeprefix(SCHEME)
        if len(os.fsencode(self.path)) > MAX_PATH_BYTES:
            raise ValueError(f"the path of a socket has at most {MAX_PATH_BYTES} bytes: {self.path}")
        self._closed = False
        self._pool = _Pool()

    def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer and wait for its verdict."""
        return self._call("submit_and_wait", request, timeout_s)

    def chaincode_events(self, request: bytes, /) -> Stream:
        """UNIMPLEMENTED: the local socket carries no streams."""
        raise TransportError(Status.UNIMPLEMENTED, "the local socket carries no events")

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> Stream:
        """UNIMPLEMENTED: the local socket carries no streams."""
        raise TransportError(Status.UNIMPLEMENTED, "the local socket carries no blocks")

    def close(self) -> None:
        """Close the idle connections; calls under way end by themselves."""
        self._closed = True
        self._own_pool().close()

    def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        body = encode_request(Request(stage, timeout_s, request))
        if len(body) > MAX_FRAME_BYTES:
            raise TransportError(Status.INVALID_ARGUMENT, f"a request of {len(request)} bytes")
        # The server keeps the deadline; the grace lets its answer about it arrive.
        deadline = time.monotonic() + timeout_s + _GRACE_S
        pool = self._own_pool()
        while True:
            if self._closed:
                raise TransportError(Status.CANCELLED, "the transport is closed")
            idle = pool.take()
            try:
                stream = idle or self._connect(deadline)
                reply = pool.exchange(stream, body, deadline)
                if self._closed:
                    pool.close()
                return decode_reply(reply)
            except TimeoutError as error:
                raise TransportError(Status.DEADLINE_EXCEEDED, "no answer in time") from error
            except (OSError, FrameError) as error:
                # An idle connection may have outlived its server, and every call may be repeated.
                if idle is None:
                    raise TransportError(Status.UNAVAILABLE, f"no node at {self.path}: {error}") from error

    def _connect(self, deadline: float) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            set_timeout(stream, deadline)
            stream.connect(self.path)
        except BaseException:
            stream.close()
            raise
        return stream

    def _own_pool(self) -> _Pool:
        pool = self._pool
        if pool.process != os.getpid():
            pool.abandon()
            pool = self._pool = _Pool()
        return pool


class _Pool:
    """The idle connections of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []

    def take(self) -> socket.socket | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def exchange(self, stream: socket.socket, body: bytes, deadline: float) -> bytes:
        """Send a request and receive its reply; whatever goes wrong, the connection is not used again."""
        try:
            set_timeout(stream, deadline)
            send_frame(stream, body)
            reply = receive_frame(stream, deadline=deadline)
            if reply is None:
                raise FrameError("the connection was closed")
        except BaseException:
            _discard(stream)
            raise
        with self._lock:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(stream)
                return reply
        _discard(stream)
        return reply

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for stream in idle:
            _discard(stream)

    def abandon(self) -> None:
        """Let go of a parent's connections, in a forked child.

        Its lock may have been held when the process forked, and shutting its connections down would end the
        parent's calls.
        """
        for stream in self._idle:
            stream.close()


def _discard(stream: socket.socket) -> None:
    """Close a connection, also for the server where a forked process still holds a copy of it."""
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the other side was faster
    finally:
        stream.close()
