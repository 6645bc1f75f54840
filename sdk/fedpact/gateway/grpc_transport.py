"""A transport over gRPC: Fabric's own methods, for any node that speaks them."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from fedpact.gateway.grpc_channel import DELIVER, GATEWAY, METHODS, ChannelSettings, failure
from fedpact.gateway.transport import DeliverKind, Status, Stream, TransportError
from fedpact.gateway.unary_calls import UnaryCalls


class GrpcTransport(UnaryCalls):
    """A `Transport` to one node; nothing is connected before the first call. Not to be used across a fork.

    Parameters
    ----------
    address : `host:port`; several are the matter of `failover.FailoverTransport`.
    settings : transport security and limits.
    """

    def __init__(self, address: str, settings: ChannelSettings) -> None:
        self.address = address
        self._closed = False
        self._channel = settings.open(address)
        self._methods = {stage: self._channel.unary_unary(method) for stage, method in METHODS.items()}
        self._events = self._channel.unary_stream(f"{GATEWAY}ChaincodeEvents")
        self._deliver = {kind: self._channel.stream_stream(DELIVER + kind) for kind in DeliverKind}

    def chaincode_events(self, request: bytes, /) -> Stream:
        """Follow a chaincode's events."""
        self._check_open()
        return GrpcStream(self._events(request), self.address)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> Stream:
        """Follow the blocks."""
        self._check_open()
        return GrpcStream(self._deliver[kind](iter((envelope,))), self.address)

    def close(self) -> None:
        """Cut the connection; calls and streams under way end with CANCELLED."""
        self._closed = True
        self._channel.close()

    def _call(self, stage: str, request: bytes, timeout_s: float) -> bytes:
        self._check_open()
        try:
            reply: bytes = self._methods[stage](request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise failure(error, self.address, closed=self._closed) from error
        except ValueError as error:  # the channel was closed meanwhile
            raise TransportError(Status.CANCELLED, "the transport is closed") from error
        return reply

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError(Status.CANCELLED, "the transport is closed")


class GrpcStream:
    """The replies to one request, as a `Stream`."""

    def __init__(self, call: grpc.Call, address: str) -> None:
        self._call = call
        self._address = address
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            reply: bytes = next(self._call)
        except grpc.RpcError as error:
            raise failure(error, self._address, closed=self._closed) from error
        return reply

    def close(self) -> None:
        """Cancel the call, from any thread."""
        self._closed = True
        self._call.cancel()
