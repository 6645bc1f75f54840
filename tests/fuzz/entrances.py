"""Ways into a node under test: in this process, or through its server's gRPC services as raw bytes.

`call` sends one request to a method and returns the reply; `stream` opens a stream of replies; `raw` sends
bytes where only frames belong. All raise `TransportError` and nothing else.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import grpc

from fedpact.gateway.addresses import parse_address
from fedpact.gateway.grpc_channel import failure
from fedpact.gateway.local_frames import CALLS_METHOD, FrameError, receive_frame
from fedpact.gateway.transport import DeliverKind, Status, Stream, TransportError
from fedpact_network.embedded.errors import Refusal
from fedpact_network.embedded.handler import GatewayHandler
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings

UNARY = ("evaluate", "endorse", "submit", "commit_status", "process_proposal", "broadcast")
STREAMS = ("chaincode_events", *(kind.value for kind in DeliverKind))
ORGANISATION = "Org1MSP"


class Entrance(Protocol):
    """One way in."""

    def call(self, method: str, request: bytes, *, timeout_s: float) -> bytes: ...

    def stream(self, method: str, request: bytes) -> Stream: ...

    def raw(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class InProcess:
    """The handler itself; raw bytes go to the local server's socket."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._handler: GatewayHandler = ledger.transport()
        self._path = ledger.local_address().removeprefix("unix://")

    def call(self, method: str, request: bytes, *, timeout_s: float) -> bytes:
        if method == "process_proposal":
            return self._handler.process_proposal(request, ORGANISATION)
        if method == "broadcast":
            try:
                self._handler.broadcast(request)
            except Refusal as refusal:
                raise TransportError(Status.INVALID_ARGUMENT, refusal.message) from refusal
            return b""
        reply: bytes = getattr(self._handler, method)(request, timeout_s=timeout_s)
        return reply

    def stream(self, method: str, request: bytes) -> Stream:
        if method == "chaincode_events":
            return self._handler.chaincode_events(request)
        return self._handler.deliver(DeliverKind(method), request)

    def raw(self, data: bytes) -> None:
        """Send bytes, and read what comes until the server ends the connection."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(10)
            stream.connect(self._path)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, FrameError):
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while receive_frame(stream) is not None:
                    pass

    def close(self) -> None:
        pass


class OverGrpc:
    """The served node, through the client's transport and, where it has no method, a bare channel."""

    def __init__(self, ledger: EmbeddedLedger, *, batched: bool) -> None:
        self._server = serve(ledger, ServerSettings())
        address = f"grpc://{self._server.address}{'?batched=1' if batched else ''}"
        self._transport = parse_address(address).transport()
        self._channel = grpc.insecure_channel(self._server.address)
        self._endorser = self._channel.unary_unary("/protos.Endorser/ProcessProposal")
        self._broadcast = self._channel.stream_stream("/orderer.AtomicBroadcast/Broadcast")
        self._calls = self._channel.stream_stream(CALLS_METHOD)

    def call(self, method: str, request: bytes, *, timeout_s: float) -> bytes:
        try:
            if method == "process_proposal":
                reply: bytes = self._endorser(request, timeout=10)
                return reply
            if method == "broadcast":
                return next(self._broadcast(iter((request,)), timeout=10), b"")
        except grpc.RpcError as error:
            raise failure(error, self._server.address, closed=False) from error
        answer: bytes = getattr(self._transport, method)(request, timeout_s=max(timeout_s, 0.2))
        return answer

    def stream(self, method: str, request: bytes) -> Stream:
        transport: Any = self._transport
        if method == "chaincode_events":
            opened: Stream = transport.chaincode_events(request)
        else:
            opened = transport.deliver(DeliverKind(method), request)
        return opened

    def raw(self, data: bytes) -> None:
        """Send one message of batched calls, and read what comes until the server ends the stream."""
        sent = threading.Event()

        def messages() -> Iterator[bytes]:
            yield data
            sent.wait(0.05)

        try:
            for _ in self._calls(messages(), timeout=10):
                sent.set()
        except grpc.RpcError as error:
            raise failure(error, self._server.address, closed=False) from error
        finally:
            sent.set()

    def close(self) -> None:
        self._transport.close()
        self._channel.close()
        self._server.stop(1.0)


def enter(ledger: EmbeddedLedger, way: str) -> Entrance:
    """Return an entrance: `process`, `grpc` or `batched`."""
    if way == "process":
        return InProcess(ledger)
    return OverGrpc(ledger, batched=way == "batched")
