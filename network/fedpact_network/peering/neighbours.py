"""Everything by which a node deals with others, around one node."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fedpact_network.embedded.node import EmbeddedNode
from fedpact_network.peering.block_source import BlockSource
from fedpact_network.peering.broadcasting import Broadcaster
from fedpact_network.peering.directory import Directory, security_of
from fedpact_network.peering.dissemination import Disseminator
from fedpact_network.peering.endorsing import PeerEndorsers
from fedpact_network.peering.reconciliation import Reconciler
from fedpact_network.peering.remote_orderer import RemoteOrderer

if TYPE_CHECKING:
    from fedpact.gateway.addresses import GrpcAddress
    from fedpact.wire.rwsets import PrivateRwset
    from fedpact_network.embedded.node import NodeSettings
    from fedpact_network.embedded.notifier import Outcome
    from fedpact_network.embedded.store import Store
    from fedpact_network.peering.following import Peering


class Neighbours:
    """Starts a node that knows others, and ends with it.

    Parameters
    ----------
    store : a recovered database.
    settings : of the node.
    peering : the others.

    Attributes
    ----------
    node : the node.
    """

    def __init__(self, store: Store, settings: NodeSettings, peering: Peering) -> None:
        self._settings = settings
        self._directory = Directory(peering.peers, security_of(peering.follow, *peering.peers.values()))
        self._directory.renew(settings.bundle)
        self._disseminator = Disseminator(self._directory, settings.keys.speaker)
        settings = replace(settings, remote=PeerEndorsers(self._directory), share=self._share)
        if peering.follow is None:
            self.node = EmbeddedNode(store, settings)
        else:
            tip = store.tip()
            source = self._source(peering.follow, private=bool(settings.keys.peers))
            orderer = RemoteOrderer(Broadcaster(peering.follow), source, 0 if tip is None else tip.number + 1)
            self.node = EmbeddedNode(store, replace(settings, private=orderer.private), orderer=orderer)
        self.node.channel.on_renewal(self._directory.renew)
        self.node.notifier.add(self)
        if settings.keys.peers:
            Reconciler(self.node, self._directory, self._source)

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Hear of a block."""

    def stopped(self, reason: str) -> None:
        """Hear that the node stops."""
        self._directory.close()

    def _share(self, tx_id: str, rwsets: Sequence[PrivateRwset]) -> None:
        self._disseminator.send(self.node, tx_id, rwsets)

    def _source(self, place: GrpcAddress, *, private: bool = True) -> BlockSource:
        settings = self._settings
        return BlockSource(
            place, settings.bundle.channel_id, settings.keys.speaker, settings.clock_ns, private=private
        )
