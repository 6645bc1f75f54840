"""A transport over gRPC for asyncio: Fabric's own methods, for any node that speaks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from fedpact.gateway.grpc_channel import DELIVER, GATEWAY, METHODS, ChannelSettings, failure
from fedpact.gateway.transport import AsyncStream, DeliverKind, Status, TransportError
from fedpact.gateway.unary_calls import AsyncUnaryCalls


class AsyncGrpcTransport(AsyncUnaryCalls):
    """An `AsyncTransport` to one node; to be made and used in one running event loop.

    Parameters
    ----------
    address : `host:port`; several are the matter of `failover.AsyncFailoverTransport`.
    settings : transport security and limits.
    """

    def __init__(self, address: str, settings: ChannelSettings) -> None:
        self.address = address
        self._closed = False
        self._channel = settings.open_async(address)
        self._methods = {stage: self._channel.unary_unary(method) for stage, method in METHODS.items()}
        self._events = self._channel.unary_stream(f"{GATEWAY}ChaincodeEvents")
        self._deliver = {kind: self._channel.stream_stream(DELIVER + kind) for kind in DeliverKind}

    def chaincode_events(self, request: bytes, /) -> AsyncStream:
        """Follow a chaincode's events."""
        self._check_open()
        return AsyncGrpcStream(self._events(request), self.address)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> AsyncStream:
        """Follow the blocks."""
        self._check_open()
        return AsyncGrpcStream(self._deliver[kind](iter((envelope,))), self.address)

    async def close(self) -> None:
        """Cut the connection; calls and streams under way end with CANCELLED."""
        self._closed = True
        await self._channel.close()

    async def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        self._check_open()
        try:
            reply: bytes = await self._methods[stage](request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise failure(error, self.address, closed=self._closed) from error
        except asyncio.CancelledError as error:
            raise cancelled(error) from error
        except grpc.aio.UsageError as error:  # the channel was closed meanwhile
            raise TransportError(Status.CANCELLED, "the transport is closed") from error
        return reply

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(Status.CANCELLED, "the transport is closed")


class AsyncGrpcStream:
    """The replies to one request, as an `AsyncStream`."""

    def __init__(self, call: Any, address: str) -> None:  # grpc.aio does not name the type
        self._call = call
        self._address = address
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            reply = await self._call.read()
        except grpc.RpcError as error:
            raise failure(error, self._address, closed=self._closed) from error
        except asyncio.CancelledError as error:
            raise cancelled(error) from error
        except asyncio.InvalidStateError as error:  # what grpc.aio says of a call that was cancelled before
            raise TransportError(Status.CANCELLED, "the stream is closed") from error
        if reply is grpc.aio.EOF:
            raise StopAsyncIteration
        data: bytes = reply
        return data

    async def close(self) -> None:
        """Cancel the call."""
        self._closed = True
        self._call.cancel()


def cancelled(error: asyncio.CancelledError) -> BaseException:
    """Tell a cancelled call, which grpc.aio raises in the same way, from a cancelled task."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return error
    return TransportError(Status.CANCELLED, "the call was cancelled")
