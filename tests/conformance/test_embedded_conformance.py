"""The embedded ledger against the suite that every ledger must pass."""

from __future__ import annotations

from fedpact.ledger import Ledger
from fedpact.testing import Capability, Channel, LedgerSuite
from fedpact_network.embedded.backend import EmbeddedBackend


class TestEmbedded(LedgerSuite):
    capabilities = frozenset(Capability)

    def create_ledger(self, channel: Channel) -> Ledger:
        return EmbeddedBackend.create(
            f"embedded://{channel.folder}/ledger.db",
            channel.config,
            peers=channel.peers,
            orderer=channel.orderer,
            clock_ns=channel.clock_ns,
            chaincodes=channel.chaincodes,
        )

    def open_ledger(self, channel: Channel, url: str) -> Ledger:
        return EmbeddedBackend.open(url, clock_ns=channel.clock_ns, chaincodes=channel.chaincodes)
