"""`fedpact.connect`: from a ledger's URL and an identity to a member's session."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedpact.ledger import ClockNs, Ledger, LedgerError, open_ledger

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.gateway.grpc_channel import Tls
    from fedpact.gateway.transport import Transport
    from fedpact.identity.identity import Identity
    from fedpact.models import ModelStore

DEFAULT_CHANNEL = "consortium"
LOCAL_SCHEME = "unix://"
GRPC_SCHEMES = ("grpcs://", "grpc://")


class _OpenLedgers:
    """The ledgers that this process has open, shared by all its sessions; the last one closes the ledger."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Ledger, int]] = {}

    def acquire(self, url: str) -> Ledger:
        with self._lock:
            ledger, users = self._open.get(url) or (open_ledger(url), 0)
            self._open[url] = (ledger, users + 1)
            return ledger

    def release(self, url: str) -> None:
        with self._lock:
            ledger, users = self._open.pop(url)
            if users > 1:
                self._open[url] = (ledger, users - 1)
                return
        ledger.close()


_ledgers = _OpenLedgers()


def connect(
    url: str | Ledger,
    *,
    identity: Identity,
    models: ModelStore | str | None = None,
    retrieval_key: bytes | None = None,
    clock_ns: ClockNs = time.time_ns,
    tls: Tls | None = None,
) -> Session:
    """Open a member's session on a ledger.

    Parameters
    ----------
    url : `embedded:///path/ledger.db` (or another backend's URL), `unix:///path.sock` for the local
        socket of a node in another process, `grpcs://host:port[,host2:port2]` for nodes elsewhere (its
        parameters: `fedpact.gateway.addresses`), or a ledger that the caller has opened and will close.
    identity : who acts; its key stays in this process.
    models : the model store, or its fsspec URL; a store opened here takes models of members only where
        the ledger tells who they are.
    retrieval_key : the consortium's secret for hashing terms (32 bytes).
    clock_ns : time of the transactions; the ledger refuses times far from its own.
    tls : transport security of a `grpcs://` connection, in place of what its URL says.

    Returns
    -------
    A session; close it, or use it in a `with` statement. Sessions of one process share its ledgers.

    Raises
    ------
    LedgerError
        The ledger cannot be found or opened; BAD_URL, INSECURE and TLS_UNUSABLE for a node's address.
    ModelError
        EXTRA_MISSING if `models` is a URL and `fedpact[models]` is not installed.
    """
    from fedpact.consortium.session import Session
    from fedpact.gateway.client import Gateway

    way = _way_to(url, tls)
    ledger = way.ledger
    gateway = Gateway(
        way.transport,
        identity,
        channel_id=way.channel_id,
        clock=clock_ns,
        tls_certificate_hash=way.certificate_hash,
    )
    try:
        store = _store(models, identity, ledger) if isinstance(models, str) else models
    except BaseException:
        if way.on_close is not None:
            way.on_close()
        raise
    return Session(
        identity, gateway, ledger=ledger, models=store, retrieval_key=retrieval_key, on_close=way.on_close
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """How a ledger is reached: itself if it is open in this process, and what gives it back."""

    transport: Transport
    ledger: Ledger | None = None
    channel_id: str = DEFAULT_CHANNEL
    certificate_hash: bytes = b""
    on_close: Callable[[], None] | None = None


def _way_to(url: str | Ledger, tls: Tls | None) -> _Way:
    if tls is not None and not str(url).startswith("grpcs://"):
        raise LedgerError("BAD_URL", str(url), "TLS goes with grpcs://")
    if not isinstance(url, str):
        return _Way(url.transport(), url, url.channel_id)
    if url.startswith(LOCAL_SCHEME):
        from fedpact.gateway.local import LocalTransport

        local = LocalTransport(url)
        return _Way(local, on_close=local.close)
    if url.startswith(GRPC_SCHEMES):
        from fedpact.gateway.addresses import parse_address

        address = parse_address(url, tls=tls)
        transport = address.transport()
        return _Way(
            transport,
            channel_id=address.channel_id or DEFAULT_CHANNEL,
            certificate_hash=address.certificate_hash,
            on_close=transport.close,
        )
    ledger = _ledgers.acquire(url)
    return _Way(
        ledger.transport(), ledger, ledger.channel_id, on_close=functools.partial(_ledgers.release, url)
    )


def _store(url: str, identity: Identity, ledger: Ledger | None) -> ModelStore:
    from fedpact.models import ModelStore
    from fedpact.wire.bundle import Bundle

    bundle = getattr(ledger, "bundle", None)  # a backend may keep it to itself
    members = _Members(ledger) if isinstance(bundle, Bundle) else None
    return ModelStore(url, identity, members=members)


class _Members:
    """Who belongs to a ledger's channel by the configuration that is in force at the moment."""

    def __init__(self, ledger: Any) -> None:  # with a `bundle`, which the protocol does not ask for
        self._ledger = ledger
        self._known = (ledger.bundle, ledger.bundle.membership())

    def verify(self, creator: bytes, message: bytes, signature: bytes, at_s: float | None = None) -> object:
        bundle, membership = self._known
        if bundle is not self._ledger.bundle:
            bundle = self._ledger.bundle
            membership = bundle.membership()
            self._known = bundle, membership
        return membership.verify(creator, message, signature, at_s)
