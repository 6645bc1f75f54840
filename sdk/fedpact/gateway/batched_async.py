"""`BatchedTransport` for asyncio: the calls of many tasks over one gRPC stream."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from fedpact.gateway.call_table import GRACE_S, CallTable
from fedpact.gateway.grpc_async import AsyncGrpcTransport
from fedpact.gateway.grpc_channel import ChannelSettings, failure
from fedpact.gateway.local_frames import CALLS_METHOD, FrameError, decode_reply
from fedpact.gateway.transport import Status, TransportError


class AsyncBatchedTransport(AsyncGrpcTransport):
    """An `AsyncGrpcTransport` whose calls share one stream; events have streams of their own.

    Parameters
    ----------
    address : `host:port`.
    settings : transport security and limits.
    """

    def __init__(self, address: str, settings: ChannelSettings) -> None:
        super().__init__(address, settings)
        self._calls = self._channel.stream_stream(CALLS_METHOD)
        self._stream: _CallStream | None = None

    async def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """Hand a signed envelope to the orderer and wait for its verdict."""
        return await self._call("submit_and_wait", request, timeout_s)

    async def close(self) -> None:
        """Cut the connection; calls and streams under way end with CANCELLED."""
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.end(TransportError(Status.CANCELLED, "the transport is closed"))
        await super().close()

    async def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        self._check_open()
        if self._stream is None or self._stream.broken is not None:
            self._stream = _CallStream(self._calls(), self.address)
        body = await self._stream.call(stage, request, timeout_s)
        try:
            return decode_reply(body)
        except FrameError as error:
            raise TransportError(Status.INTERNAL, str(error)) from error


class _CallStream:
    """One stream of batches: one task sends them, one receives."""

    def __init__(self, call: Any, address: str) -> None:  # grpc.aio does not name the type
        self.broken: TransportError | None = None
        self._call = call
        self._address = address
        self._table: CallTable[asyncio.Future[bytes]] = CallTable()
        self._changed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]

    async def call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        number = self._table.add(stage, request, timeout_s, waiter)
        self._changed.set()
        try:
            async with asyncio.timeout(max(timeout_s, 0.0) + GRACE_S):
                return await waiter
        except TimeoutError as error:
            raise TransportError(Status.DEADLINE_EXCEEDED, "no answer in time") from error
        finally:
            self._table.forget(number)

    async def end(self, error: TransportError) -> None:
        """Fail all calls and take no more."""
        self._fail(error)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fail(self, error: TransportError) -> None:
        self.broken = self.broken or error
        for waiter in self._table.drop():
            if not waiter.done():
                waiter.set_exception(TransportError(error.status, error.message, error.details))
        self._call.cancel()
        self._changed.set()

    async def _send(self) -> None:
        while self.broken is None:
            self._changed.clear()
            while self._table.has_outgoing:
                try:
                    await self._call.write(self._table.batch())
                except (grpc.RpcError, asyncio.InvalidStateError):
                    return  # what is wrong is told to the one who receives
            await self._changed.wait()

    async def _receive(self) -> None:
        try:
            while (message := await self._call.read()) is not grpc.aio.EOF:
                for waiter, body in self._table.replies(message):
                    if not waiter.done():
                        waiter.set_result(body)
            error = TransportError(Status.UNAVAILABLE, f"{self._address}: the stream has ended")
        except grpc.RpcError as broken:
            error = failure(broken, self._address, closed=self.broken is not None)
        except TransportError as garbled:
            error = garbled
        self._fail(error)
