"""The consortium's contracts: the same calls leave the same state on every ledger."""

# ruff: noqa: S101

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fedpact.audit import audit
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.script import expected_state_hash, play
from fedpact.testing.stage import Stage
from fedpact_chaincode.errors import ROLE_REQUIRED, Rejected


class ConsortiumCases(LedgerCases):
    """What members do, through their sessions."""

    def test_the_script_leaves_the_state_it_leaves_everywhere(self, tmp_path: Path) -> None:
        """Identities come from a seed, times from the script: the state's hash is a constant."""
        if Capability.TIME_TOLERANCE in self.capabilities:
            self.need(Capability.CLOCK)  # the script's time is long past
        cast = play(self.create_ledger, tmp_path)
        with closing(cast.ledger) as ledger:
            report = audit(ledger, chaincodes=cast.channel.chaincodes)
            assert report.findings == []
            assert ledger.state_hash() == report.state_hash
            assert ledger.state_hash() == expected_state_hash()

    def test_refusals_of_the_contracts_reach_the_caller(self, stage: Stage) -> None:
        """With their code and their values, and without a trace."""
        client = stage.client(chaincode="fedpact")
        with pytest.raises(Rejected) as caught:
            client.gateway.submit("registry:found", b'{"organisations":[{"mspid":"Org1MSP","name":"one"}]}')
        assert caught.value.code == ROLE_REQUIRED
        assert caught.value.fields["caller"] == "Org1MSP/alice"
        assert stage.rows("fedpact") == []
        assert stage.ledger.height() == 1
