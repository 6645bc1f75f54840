"""A consortium's contract is agreed code: what that means when other code is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedpact import Consortium, connect, found
from fedpact.audit import audit
from fedpact.consortium.chaincodes import agree
from fedpact.gateway.errors import EndorseError, EvaluateError
from fedpact_chaincode import consortium as contract
from fedpact_chaincode.chaincode import Chaincode
from fedpact_network.embedded.backend import EmbeddedBackend

THREE = {"AlphaMSP": "Alpha", "BetaMSP": "Beta", "GammaMSP": "Gamma"}


def test_founders_have_agreed(tmp_path: Path) -> None:
    home, ledger = found(tmp_path / "home", THREE)
    with ledger, connect(ledger, identity=home.enrol("AlphaMSP", "admin", role="admin")) as admin:
        agreed = admin.chaincodes.show(contract.NAME)
        assert agreed.terms.version == contract.version()
        assert agreed.approvals == dict.fromkeys(THREE, True)
        admin.council.found(THREE)
        assert audit(ledger).findings == []


def test_other_code_waits_until_members_agree(tmp_path: Path) -> None:
    home, ledger = found(tmp_path / "home", THREE)
    admins = [home.enrol(mspid, "admin", role="admin") for mspid in THREE]
    with ledger, connect(ledger, identity=admins[0]) as session:
        session.council.found(THREE)
    newer = Chaincode(contract.chaincode().contracts.values(), version="0.2.0")
    with EmbeddedBackend.open(home.url, chaincodes={contract.NAME: newer}) as upgraded:
        sessions = [connect(upgraded, identity=admin) for admin in admins]
        height = upgraded.height()
        with pytest.raises(EndorseError, match=r"is agreed, this node has 0\.2\.0"):
            sessions[0].council.propose("m", "issue_credit", "AlphaMSP/admin", amount=1)
        with pytest.raises(EvaluateError, match=r"is agreed, this node has 0\.2\.0"):
            sessions[0].council.members()
        assert upgraded.height() == height
        agree(sessions, sessions[0].chaincodes.proposed(contract.NAME, "0.2.0"))
        sessions[0].council.propose("m", "issue_credit", "AlphaMSP/admin", amount=1)
    assert Consortium.open(home.home).organisations == THREE
