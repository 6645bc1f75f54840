"""`grpcs://` and `grpc://` URLs: which nodes, how they are trusted, which channel; their transports.

grpcs://host:port[,host:port...][?tls_roots=FILE&tls_certificate=FILE&tls_key=FILE&server_name=NAME
                                  &channel=ID&batched=1]
grpc://host:port...      without transport security: loopback addresses only, unless plain=1
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from fedpact.ledger import LedgerError

if TYPE_CHECKING:
    from fedpact.gateway.grpc_channel import ChannelSettings, Tls
    from fedpact.gateway.transport import AsyncTransport, Transport

SCHEMES = ("grpcs://", "grpc://")
_FLAGS = {"0": False, "1": True}
_PARAMETERS = frozenset(
    {"tls_roots", "tls_certificate", "tls_key", "server_name", "channel", "batched", "plain"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcAddress:
    """Where a ledger is reached over gRPC.

    Attributes
    ----------
    url : as it was given.
    addresses : `host:port`, in the order in which they are tried.
    channel_id : the channel; empty for the usual one.
    batched : whether calls share a stream, which only nodes of ours understand.
    settings : of each connection.
    """

    url: str
    addresses: tuple[str, ...]
    channel_id: str
    batched: bool
    settings: ChannelSettings

    @property
    def certificate_hash(self) -> bytes:
        """SHA-256 of the client's TLS certificate; empty without one."""
        return b"" if self.settings.tls is None else self.settings.tls.certificate_hash

    def transport(self) -> Transport:
        """Return a transport; nothing is connected before its first call."""
        from fedpact.gateway.batched import BatchedTransport
        from fedpact.gateway.failover import FailoverTransport
        from fedpact.gateway.grpc_transport import GrpcTransport

        kind = BatchedTransport if self.batched else GrpcTransport
        transports = [kind(address, self.settings) for address in self.addresses]
        return transports[0] if len(transports) == 1 else FailoverTransport(transports)

    def async_transport(self) -> AsyncTransport:
        """Return a transport for the running event loop; nothing is connected before its first call."""
        from fedpact.gateway.batched_async import AsyncBatchedTransport
        from fedpact.gateway.failover import AsyncFailoverTransport
        from fedpact.gateway.grpc_async import AsyncGrpcTransport

        kind = AsyncBatchedTransport if self.batched else AsyncGrpcTransport
        transports = [kind(address, self.settings) for address in self.addresses]
        return transports[0] if len(transports) == 1 else AsyncFailoverTransport(transports)


def parse_address(url: str, *, tls: Tls | None = None) -> GrpcAddress:
    """Read a URL and the files that it names.

    Parameters
    ----------
    url : see above.
    tls : transport security in place of the URL's.

    Raises
    ------
    LedgerError
        BAD_URL; INSECURE for a plain connection to another machine; TLS_UNUSABLE for unreadable files.
    """
    from fedpact.gateway.grpc_channel import ChannelSettings

    if not url.startswith(SCHEMES):
        raise LedgerError("BAD_URL", url, "the scheme is grpcs:// or grpc://")
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(given)
    unknown = sorted(set(query) - _PARAMETERS)
    if unknown or len(query) < len(given) or parts.path not in ("", "/") or parts.fragment:
        what = (
            f"no parameter is called {unknown[0]!r:.40}" if unknown else "only addresses and parameters, once"
        )
        raise LedgerError("BAD_URL", url, what)
    addresses = tuple(_address(text, url) for text in parts.netloc.split(","))
    batched, plain = (_flag(query, name, url) for name in ("batched", "plain"))
    if parts.scheme == "grpcs":
        tls = tls or _tls(query, url)
    elif tls is not None or any(name in query for name in ("tls_roots", "tls_certificate", "tls_key")):
        raise LedgerError("BAD_URL", url, "TLS goes with grpcs://")
    elif not plain and not all(is_loopback(address) for address in addresses):
        raise LedgerError("INSECURE", url, "other machines are reached by grpcs://, or ask for plain=1")
    return GrpcAddress(
        url=url,
        addresses=addresses,
        channel_id=query.get("channel", ""),
        batched=batched,
        settings=ChannelSettings(tls=tls),
    )


def _tls(query: dict[str, str], url: str) -> Tls:
    from fedpact.gateway.grpc_channel import Tls

    try:
        tls = Tls.load(
            roots=query.get("tls_roots") or None,
            certificate=query.get("tls_certificate") or None,
            key=query.get("tls_key") or None,
            server_name=query.get("server_name", ""),
        )
        tls.certificate_hash  # noqa: B018 (refuses a malformed certificate now)
    except OSError as error:
        raise LedgerError("TLS_UNUSABLE", url, f"{error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise LedgerError("TLS_UNUSABLE", url, str(error)) from error
    return tls


def _flag(query: dict[str, str], name: str, url: str) -> bool:
    if query.get(name, "0") not in _FLAGS:
        raise LedgerError("BAD_URL", url, f"{name} is 0 or 1")
    return _FLAGS[query.get(name, "0")]


def _address(text: str, url: str) -> str:
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    good = (
        separator
        and host
        and ("@" not in host and (":" not in host or bracketed))
        and port.isascii()
        and port.isdecimal()
        and 0 < int(port) < 65_536
    )
    if not good:
        raise LedgerError("BAD_URL", url, f"{text!r:.80} is no host:port")
    return text


def is_loopback(address: str) -> bool:
    """Whether a `host:port` is of this machine."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
