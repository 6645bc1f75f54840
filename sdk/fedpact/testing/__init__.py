"""The suite that every ledger backend must pass; it ships with the package, as SQLAlchemy's does.

A backend's test file says how its ledgers are made and what they can do, and inherits every case:

    from fedpact.testing import Capability, Channel, LedgerSuite

    class TestMyLedger(LedgerSuite):
        capabilities = frozenset({Capability.REOPENING})

        def create_ledger(self, channel: Channel) -> Ledger:
            return create_ledger("mine://...", channel.config, peers=channel.peers, orderer=channel.orderer)

        def open_ledger(self, channel: Channel, url: str) -> Ledger:
            return open_ledger(url)

Cases ask for a capability, never for a backend's name. After every case the whole ledger is audited.

This package needs pytest, which fedpact does not install: nothing else of fedpact imports it.
"""

import pytest

# Before the cases are imported: their asserts shall show the values that differ.
pytest.register_assert_rewrite(f"{__name__}.groups", f"{__name__}.stage")

from fedpact.testing.channels import Capability, Channel  # noqa: E402
from fedpact.testing.script import expected_state_hash, play  # noqa: E402
from fedpact.testing.stage import Stage  # noqa: E402
from fedpact.testing.suite import LedgerSuite  # noqa: E402

__all__ = ["Capability", "Channel", "LedgerSuite", "Stage", "expected_state_hash", "play"]
