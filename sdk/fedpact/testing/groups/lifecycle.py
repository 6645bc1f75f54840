"""Organisations agree on code: from then on it runs as agreed, or not at all."""

# ruff: noqa: S101

from __future__ import annotations

import pytest
from fabric_protos.peer.lifecycle.lifecycle_pb2 import (
    ApproveChaincodeDefinitionForMyOrgArgs,
    CommitChaincodeDefinitionArgs,
)

from fedpact.gateway.errors import CommitError, EndorseError
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.probe.cells import Written
from fedpact.testing.stage import SHELF, Stage
from fedpact.wire.commits import ValidationCode
from fedpact.wire.definitions import LIFECYCLE
from fedpact_chaincode.errors import ROLE_REQUIRED, Rejected

CELL = Written(shelf=SHELF, place="a", text="text")


class LifecycleCases(LedgerCases):
    """Fabric's `_lifecycle`."""

    def test_what_is_agreed_runs_under_its_own_policy(self, stage: Stage) -> None:
        """Whoever the channel's policy would ask."""
        self.need(Capability.LIFECYCLE)
        stage.agree(stage.terms(policy="OR('Org2MSP.peer')"))
        client = stage.client()
        client.create("a")
        [(transaction, code)] = stage.transactions()[-1:]
        assert code is ValidationCode.VALID
        assert len(transaction.endorsements) == 1
        others = client.endorse("cells:write", CELL, ("Org1MSP", "Org3MSP"))
        assert stage.outcome(others) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert client.read("a") == "text"

    def test_code_that_is_not_the_agreed_one_does_not_run(self, stage: Stage) -> None:
        """Until the organisations agree on it."""
        self.need(Capability.LIFECYCLE)
        client = stage.client()
        client.create("a")
        stage.agree(stage.terms(version="other"))
        height = stage.ledger.height()
        with pytest.raises(EndorseError, match="other"):
            client.create("b")
        assert stage.ledger.height() == height
        stage.agree(stage.terms(sequence=2))
        client.create("b")
        assert client.places() == ["a", "b"]

    def test_what_was_endorsed_by_other_code_is_not_valid(self, stage: Stage) -> None:
        """However it was endorsed."""
        self.need(Capability.LIFECYCLE)
        stale = stage.client().endorse("cells:write", CELL)
        stage.agree(stage.terms(version="other"))
        assert stage.outcome(stale) is ValidationCode.EXPIRED_CHAINCODE

    def test_most_organisations_must_agree(self, stage: Stage) -> None:
        """One alone commits nothing; who approved is seen by all."""
        self.need(Capability.LIFECYCLE)
        terms = stage.terms()
        first, second = stage.administrator("Org1MSP"), stage.administrator("Org2MSP")
        first.chaincodes.approve(terms)
        with pytest.raises(CommitError) as caught:
            first.chaincodes.commit(terms)
        assert caught.value.code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert second.chaincodes.ready(terms).approvals == {
            "Org1MSP": True,
            "Org2MSP": False,
            "Org3MSP": False,
        }
        second.chaincodes.approve(terms)
        second.chaincodes.commit(terms)
        assert [agreed.name for agreed in first.chaincodes.list()] == [probe.NAME]
        assert first.chaincodes.approved(probe.NAME).version == terms.version

    def test_endorsers_are_found_without_being_named(self, stage: Stage) -> None:
        """Of an approval the own organisation, of a definition most of them."""
        self.need(Capability.LIFECYCLE)
        terms = stage.terms()
        for mspid in stage.authorities:
            gateway = stage.client(stage.administrator(mspid).identity, chaincode=LIFECYCLE).gateway
            approval = ApproveChaincodeDefinitionForMyOrgArgs(**terms.as_fields())
            gateway.submit("ApproveChaincodeDefinitionForMyOrg", approval.SerializeToString())
        definition = CommitChaincodeDefinitionArgs(**terms.as_fields())
        gateway.submit("CommitChaincodeDefinition", definition.SerializeToString())
        found = [len(transaction.endorsements) for transaction, _ in stage.transactions()]
        assert found == [1, 1, 1, 2]

    def test_members_do_not_decide_for_their_organisation(self, stage: Stage) -> None:
        """Administrators do."""
        self.need(Capability.LIFECYCLE)
        session = stage.administrator("Org1MSP")
        plain = type(session)(stage.alice, stage.client().gateway, ledger=stage.ledger)
        with pytest.raises(Rejected) as caught:
            plain.chaincodes.approve(stage.terms())
        assert caught.value.code == ROLE_REQUIRED
        assert stage.ledger.height() == 1
