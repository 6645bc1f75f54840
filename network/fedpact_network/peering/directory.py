"""Other nodes by the organisations whose peers they play."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc

from fedpact.gateway.addresses import GrpcAddress, is_loopback
from fedpact.gateway.grpc_channel import failure
from fedpact.gateway.transport import Status

if TYPE_CHECKING:
    from fedpact.gateway.grpc_channel import ChannelSettings
    from fedpact.wire.bundle import Bundle

DOWN_S = 5.0
"""How long a node that gave no answer is not counted on."""

ORGANISATION = "fedpact-organisation"
"""Metadata that names whose peer is asked, at a node that plays several."""


class Peer:
    """A node elsewhere that plays an organisation's peer.

    Attributes
    ----------
    address : `host:port`.
    mspid : the organisation.
    """

    def __init__(self, address: str, mspid: str, settings: ChannelSettings) -> None:
        self.address = address
        self.mspid = mspid
        self._channel = settings.open(address)
        self._down_until_s = 0.0

    @property
    def down(self) -> bool:
        """Whether it gave no answer lately."""
        return time.monotonic() < self._down_until_s

    def begin(self, method: str, request: bytes, timeout_s: float) -> grpc.Future:
        """Begin a call; what it gives is read by `Peer.result`."""
        call = self._channel.unary_unary(method)
        return call.future(request, timeout=timeout_s, metadata=((ORGANISATION, self.mspid),))

    def result(self, call: grpc.Future) -> bytes:
        """Wait for the answer.

        Raises
        ------
        TransportError
            There is none.
        """
        try:
            answer: bytes = call.result()
        except grpc.RpcError as error:
            failed = failure(error, self.address, closed=False)
            if failed.status in (Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED):
                self._down_until_s = time.monotonic() + DOWN_S
            raise failed from error
        self._down_until_s = 0.0
        return answer

    def close(self) -> None:
        """Cut the connection."""
        self._channel.close()


class Directory:
    """Knows the peers: those that are named, else the anchor peers of the configuration.

    Anchor peers are reached with the transport security of `settings`; where that is none, only those on
    loopback addresses, and without settings nothing is learned. Private data never leave in the clear.

    Parameters
    ----------
    named : MSP id -> nodes.
    settings : transport security for nodes of the configuration.
    """

    def __init__(self, named: Mapping[str, GrpcAddress], settings: ChannelSettings | None) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._named = dict(named)
        self._places = dict(named)
        self._peers: dict[str, list[Peer]] = {}

    def renew(self, bundle: Bundle) -> None:
        """Learn the anchor peers of a configuration."""
        places = dict(self._named)
        for organisation in bundle.organisations:
            endpoints = tuple(filter(self._reached, organisation.endpoints))
            if self._settings is not None and endpoints and organisation.mspid not in places:
                places[organisation.mspid] = GrpcAddress(
                    url=f"grpcs://{','.join(endpoints)}",
                    addresses=endpoints,
                    channel_id="",
                    batched=False,
                    settings=self._settings,
                )
        with self._lock:
            for mspid in [known for known in self._peers if places.get(known) != self._places.get(known)]:
                for peer in self._peers.pop(mspid):
                    peer.close()
            self._places = places

    def _reached(self, address: str) -> bool:
        secured = self._settings is not None and self._settings.tls is not None
        return secured or is_loopback(address)

    def places(self) -> dict[str, GrpcAddress]:
        """Return where the organisations' nodes are."""
        return dict(self._places)

    def peers(self, mspid: str) -> tuple[Peer, ...]:
        """Return an organisation's peers, the one that answered last first."""
        with self._lock:
            place = self._places.get(mspid)
            if place is None:
                return ()
            known = self._peers.get(mspid)
            if known is None:
                known = [Peer(address, mspid, place.settings) for address in place.addresses]
                self._peers[mspid] = known
            return tuple(known)

    def prefer(self, peer: Peer) -> None:
        """Ask this peer first from now on."""
        with self._lock:
            known = self._peers.get(peer.mspid, [])
            if peer in known and known[0] is not peer:
                known.remove(peer)
                known.insert(0, peer)

    def close(self) -> None:
        """Cut all connections."""
        with self._lock:
            for peers in self._peers.values():
                for peer in peers:
                    peer.close()
            self._peers.clear()
            self._places.clear()


def security_of(*nodes: GrpcAddress | None) -> ChannelSettings | None:
    """Return the transport security that the first of some nodes is reached with."""
    found = next((node.settings for node in nodes if node is not None), None)
    if found is None or found.tls is None:
        return found
    return replace(found, tls=replace(found.tls, server_name=""))
