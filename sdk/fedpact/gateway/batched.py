"""A transport that sends the calls of many threads over one gRPC stream, to a node of ours.

A call of its own for each request costs both sides more than the request; over `/fedpact.Node/Calls` whatever
is to be sent at a moment is one message. Other nodes answer UNIMPLEMENTED.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import grpc

from fedpact.gateway.call_table import GRACE_S, CallTable
from fedpact.gateway.grpc_channel import ChannelSettings, failure
from fedpact.gateway.grpc_transport import GrpcTransport
from fedpact.gateway.local_frames import CALLS_METHOD, FrameError, decode_reply
from fedpact.gateway.transport import Status, TransportError


class BatchedTransport(GrpcTransport):
    """A `GrpcTransport` whose calls share one stream; events have streams of their own.

    A stream that breaks fails its calls with UNAVAILABLE; the next call opens another.

    Parameters
    ----------
    address : `host:port`.
    settings : transport security and limits.
    """

    def __init__(self, address: str, settings: ChannelSettings) -> None:
        super().__init__(address, settings)
        self._calls = self._channel.stream_stream(CALLS_METHOD)
        self._lock = threading.Lock()
        self._stream: _CallStream | None = None

    def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer and wait for its verdict."""
        return self._call("submit_and_wait", request, timeout_s)

    def close(self) -> None:
        """Cut the connection; calls and streams under way end with CANCELLED."""
        with self._lock:
            self._closed = True
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.end(TransportError(Status.CANCELLED, "the transport is closed"))
        super().close()

    def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        body = self._open_stream().call(stage, request, timeout_s)
        try:
            return decode_reply(body)
        except FrameError as error:
            raise TransportError(Status.INTERNAL, str(error)) from error

    def _open_stream(self) -> _CallStream:
        with self._lock:
            self._check_open()
            if self._stream is None or self._stream.broken is not None:
                self._stream = _CallStream(self._calls, self.address)
            return self._stream


class _Waiter:
    """A thread that waits for its reply."""

    __slots__ = ("_done", "body", "error")

    def __init__(self) -> None:
        self.body = b""
        self.error: TransportError | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def wait(self, timeout_s: float) -> bool:
        return self._done.acquire(timeout=max(min(timeout_s, threading.TIMEOUT_MAX), 0.0))

    def wake(self) -> None:
        self._done.release()


class _CallStream:
    """One stream of batches: gRPC's own thread sends them, one more receives."""

    def __init__(self, method: grpc.StreamStreamMultiCallable, address: str) -> None:
        self.broken: TransportError | None = None
        self._address = address
        self._table: CallTable[_Waiter] = CallTable()
        self._changed = threading.Condition()
        self._call = method(self._batches())
        threading.Thread(target=self._receive, name="fedpact-batched-calls", daemon=True).start()

    def call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        waiter = _Waiter()
        with self._changed:
            if self.broken is not None:
                raise self._failure()
            number = self._table.add(stage, request, timeout_s, waiter)
            self._changed.notify()
        if not waiter.wait(timeout_s + GRACE_S):
            with self._changed:
                self._table.forget(number)
            raise TransportError(Status.DEADLINE_EXCEEDED, "no answer in time")
        if waiter.error is not None:
            raise waiter.error
        return waiter.body

    def end(self, error: TransportError) -> None:
        """Fail all calls and take no more."""
        with self._changed:
            self.broken = self.broken or error
            waiters = self._table.drop()
            self._changed.notify_all()
        for waiter in waiters:
            waiter.error = self._failure()
            waiter.wake()
        self._call.cancel()

    def _failure(self) -> TransportError:
        """An exception for each waiter: a raised one carries its thread's traceback."""
        error = self.broken or TransportError(Status.UNAVAILABLE, "the stream is broken")
        return TransportError(error.status, error.message, error.details)

    def _batches(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                while not self._table.has_outgoing and self.broken is None:
                    self._changed.wait()
                if self.broken is not None:
                    return
                batch = self._table.batch()
            yield batch

    def _receive(self) -> None:
        try:
            for message in self._call:
                with self._changed:
                    replies = self._table.replies(message)
                for waiter, body in replies:
                    waiter.body = body
                    waiter.wake()
            error = TransportError(Status.UNAVAILABLE, f"{self._address}: the stream has ended")
        except grpc.RpcError as broken:
            error = failure(broken, self._address, closed=self.broken is not None)
        except TransportError as garbled:
            error = garbled
        self.end(error)
