"""The embedded ledger on PostgreSQL against the suite that every ledger must pass."""

from __future__ import annotations

import pytest
from tests.postgresql_server import PASSWORD, PostgresqlServer

from fedpact.ledger import Ledger
from fedpact.testing import Capability, Channel, LedgerSuite
from fedpact_network.embedded.backend import EmbeddedBackend


class TestPostgresql(LedgerSuite):
    capabilities = frozenset(Capability)
    server: PostgresqlServer

    @pytest.fixture(autouse=True)
    def on_server(self, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = postgresql
        self.schemas: dict[str, str] = {}
        monkeypatch.setenv("PGPASSWORD", PASSWORD)  # an opened ledger's URL has none

    def create_ledger(self, channel: Channel) -> Ledger:
        folder = str(channel.folder)
        schema = self.schemas.setdefault(folder, self.server.new_schema())
        return EmbeddedBackend.create(
            self.server.url(channel.folder / "keys", schema),
            channel.config,
            peers=channel.peers,
            orderer=channel.orderer,
            clock_ns=channel.clock_ns,
            chaincodes=channel.chaincodes,
        )

    def open_ledger(self, channel: Channel, url: str) -> Ledger:
        return EmbeddedBackend.open(url, clock_ns=channel.clock_ns, chaincodes=channel.chaincodes)
