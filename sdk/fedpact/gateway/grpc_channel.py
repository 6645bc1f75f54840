"""gRPC channels: transport security, options, and errors in our terms. Importing this imports grpc."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else gRPC writes to stderr, beside our errors, too

import grpc
import grpc.aio

from fedpact.gateway.status_details import DETAILS_KEY, decode_details
from fedpact.gateway.transport import ErrorDetail, Status, TransportError

GATEWAY = "/gateway.Gateway/"
DELIVER = "/protos.Deliver/"
METHODS = {
    "evaluate": f"{GATEWAY}Evaluate",
    "endorse": f"{GATEWAY}Endorse",
    "submit": f"{GATEWAY}Submit",
    "commit_status": f"{GATEWAY}CommitStatus",
}
"""Fabric's method of each stage."""
_WRITTEN_IN_VAIN = (
    "Internal error from Core"  # grpc.aio's words where the other side ends a stream under a write
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Transport security of a client.

    Attributes
    ----------
    roots : PEM certificates that may have signed the server's; empty: those that gRPC comes with.
    certificate, key : the client's own, PEM, for mutual TLS; both or none.
    server_name : the name in the server's certificate, where it is not the address's.

    Raises
    ------
    ValueError
        A certificate without key, or a key without certificate.
    """

    roots: bytes = b""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    server_name: str = ""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("mutual TLS needs a certificate and its key")

    @classmethod
    def load(
        cls,
        *,
        roots: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        server_name: str = "",
    ) -> Tls:
        """Read PEM files; OSError if one cannot be read."""
        contents = [b"" if path is None else Path(path).read_bytes() for path in (roots, certificate, key)]
        return cls(roots=contents[0], certificate=contents[1], key=contents[2], server_name=server_name)

    @property
    def certificate_hash(self) -> bytes:
        """SHA-256 of the client's certificate, for nodes that bind requests to it; empty without one."""
        if not self.certificate:
            return b""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate = x509.load_pem_x509_certificate(self.certificate)
        return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """How a connection is kept.

    Attributes
    ----------
    tls : transport security; None: none.
    message_bytes : largest message, either way.
    keepalive_s : how long a connection with calls under way may be silent before it is probed, at least 10 s.
    connect_s : longest wait for a connection to be made.
    first_backoff_s, backoff_s : first and longest wait between attempts to connect.
    """

    tls: Tls | None = None
    message_bytes: int = 100 << 20
    keepalive_s: float = 120.0
    connect_s: float = 5.0
    first_backoff_s: float = 0.1
    backoff_s: float = 2.0

    def _options(self) -> list[tuple[str, Any]]:
        options: list[tuple[str, Any]] = [
            ("grpc.max_send_message_length", self.message_bytes),
            ("grpc.max_receive_message_length", self.message_bytes),
            ("grpc.keepalive_time_ms", round(max(self.keepalive_s, 10.0) * 1000)),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.initial_reconnect_backoff_ms", round(self.first_backoff_s * 1000)),
            ("grpc.min_reconnect_backoff_ms", round(self.connect_s * 1000)),  # the wait for a connection
            ("grpc.max_reconnect_backoff_ms", round(self.backoff_s * 1000)),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),  # each transport has its own connection and backoff
            ("grpc.enable_http_proxy", 0),
        ]
        if self.tls is not None and self.tls.server_name:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    def _credentials(self, tls: Tls) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(tls.roots or None, tls.key or None, tls.certificate or None)

    def open(self, address: str) -> grpc.Channel:
        """Return a channel to `host:port`; nothing is connected before its first call."""
        if self.tls is None:
            return grpc.insecure_channel(address, self._options())
        return grpc.secure_channel(address, self._credentials(self.tls), self._options())

    def open_async(self, address: str) -> grpc.aio.Channel:
        """`open` for the running event loop."""
        if self.tls is None:
            return grpc.aio.insecure_channel(address, self._options())
        return grpc.aio.secure_channel(address, self._credentials(self.tls), self._options())


def failure(error: grpc.RpcError, address: str, *, closed: bool) -> TransportError:
    """Return what a failed call means to us: status, message and the peers' answers.

    Parameters
    ----------
    error : what gRPC raised.
    address : of the node.
    closed : whether this side has ended the call; else CANCELLED means a node that is stopping: UNAVAILABLE.
    """
    code = error.code()
    status = Status.UNKNOWN if code is None else Status(code.name)
    text = error.details() or "no message"
    stopping = status is Status.CANCELLED and not closed
    if stopping or (status is Status.INTERNAL and text == _WRITTEN_IN_VAIN):
        status = Status.UNAVAILABLE
    details: tuple[ErrorDetail, ...] = ()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            details = decode_details(value)
    if status is Status.UNAVAILABLE:
        text = f"{address}: {text}"
    return TransportError(status, text, details)
