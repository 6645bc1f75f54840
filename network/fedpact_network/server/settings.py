"""What a served node listens on, whom it lets in, and how much at a time."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedpact_network.server.errors import ServerError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_BOUNDS = {
    "gateway_calls": (1, 100_000),
    "endorser_calls": (1, 100_000),
    "deliver_streams": (1, 100_000),
    "batched_calls": (1, 1_000_000),
    "threads": (1, 256),
    "message_bytes": (1 << 20, 1 << 30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Transport security.

    Attributes
    ----------
    certificate : PEM, the server's certificate and the intermediate ones after it.
    key : its private key, PEM.
    client_roots : PEM certificates; if there are any, every client must show a certificate that one of them
        signed (mutual TLS).
    bind_clients : whether `tls_cert_hash` in the channel header of requests for blocks must be the SHA-256 of
        the client's certificate, as Fabric has it with mutual TLS.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    client_roots: bytes = b""
    bind_clients: bool = False

    def __post_init__(self) -> None:
        _check_pair(self.certificate, self.key)
        if self.client_roots:
            _read_certificate(self.client_roots, "the clients' roots")
        if self.bind_clients and not self.client_roots:
            raise ServerError("BAD_SETTINGS", "clients' certificates are bound with client roots only")

    @classmethod
    def load(
        cls, certificate: Path, key: Path, client_roots: Path | None = None, *, bind_clients: bool = False
    ) -> Tls:
        """Read PEM files.

        Raises
        ------
        ServerError
            TLS_UNUSABLE, naming the file.
        """
        try:
            return cls(
                certificate=certificate.read_bytes(),
                key=key.read_bytes(),
                client_roots=b"" if client_roots is None else client_roots.read_bytes(),
                bind_clients=bind_clients,
            )
        except OSError as error:
            raise ServerError("TLS_UNUSABLE", f"{error.filename}: {error.strerror}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a node is served.

    Attributes
    ----------
    listen : `host:port` of the gRPC services; port 0 takes a free one.
    tls : transport security; None serves loopback addresses without it.
    allow_plain : serve any address without TLS, because something in front of it does that.
    operations : `host:port` of the HTTP endpoint for operators, plain; None: there is none.
    organisation : MSP id of the organisation whose peer answers `protos.Endorser` here; empty: the first.
    gateway_calls, endorser_calls, deliver_streams : calls under way at a time, of each of these services;
        1 to 100,000, Fabric's default values.
    batched_calls : calls under way at a time over `/fedpact.Node/Calls`, 1 to 1,000,000.
    message_bytes : largest message, 1 MiB to 1 GiB.
    threads : that execute contracts, 1 to 256.

    Raises
    ------
    ServerError
        BAD_SETTINGS, PLAIN_REFUSED.
    """

    listen: str = "127.0.0.1:0"
    tls: Tls | None = None
    allow_plain: bool = False
    operations: str | None = None
    organisation: str = ""
    gateway_calls: int = 500
    endorser_calls: int = 2_500
    deliver_streams: int = 2_500
    batched_calls: int = 10_000
    message_bytes: int = 100 << 20
    threads: int = 16

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ServerError("BAD_SETTINGS", f"{name} lies between {low} and {high}")
        host, _ = split_address(self.listen)
        if self.operations is not None:
            split_address(self.operations)
        if self.tls is None and not self.allow_plain and not is_loopback(host):
            raise ServerError("PLAIN_REFUSED", f"{host} is served with TLS only")


def _check_pair(certificate: bytes, key: bytes) -> None:
    """Refuse (TLS_UNUSABLE) what gRPC would only log."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    shown = _read_certificate(certificate, "the certificate")
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ServerError("TLS_UNUSABLE", "the key is no PEM key without password") from error
    if shown.public_key() != private.public_key():
        raise ServerError("TLS_UNUSABLE", "the key is not the certificate's")


def _read_certificate(pem: bytes, what: str) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise ServerError("TLS_UNUSABLE", f"{what}: no PEM certificate") from error


LIMITS = frozenset(_BOUNDS)
"""Names of the settings that a profile may hold."""


def load_profile(path: Path) -> Mapping[str, Any]:
    """Read limits from a TOML file: a table `[limits]` with the names of `ServerSettings`.

    Raises
    ------
    ServerError
        BAD_SETTINGS for another name or a malformed file.
    """
    try:
        profile = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServerError("BAD_SETTINGS", f"{path}: {error}") from error
    limits = profile.pop("limits", {})
    unknown = sorted(set(profile) | (set(limits) - LIMITS))
    if unknown:
        raise ServerError("BAD_SETTINGS", f"{path}: no setting is called {', '.join(unknown)[:200]}")
    wrong = [name for name, value in limits.items() if type(value) is not int]
    if wrong:
        raise ServerError("BAD_SETTINGS", f"{path}: {wrong[0]} must be a whole number")
    return dict(limits)


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; IPv6 hosts stand in brackets.

    Raises
    ------
    ServerError
        BAD_SETTINGS.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ServerError("BAD_SETTINGS", f"{address!r:.80} is no host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
