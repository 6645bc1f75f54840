"""Keys with endorsement policies of their own."""

# ruff: noqa: S101

from __future__ import annotations

from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.probe.cells import Plain
from fedpact.testing.probe.keys import KeyPolicy, Protection
from fedpact.testing.probe.secrets import VALUE, Place, Policy
from fedpact.testing.stage import Client, Stage
from fedpact.wire.commits import ValidationCode
from fedpact.wire.policies import parse

KEY = "guarded"
THIRD = parse("OR('Org3MSP.peer')").SerializeToString().hex()


class KeyPolicyCases(LedgerCases):
    """Fabric's state-based endorsement."""

    def test_a_protected_key_is_endorsed_by_whom_it_names(self, stage: Stage) -> None:
        """Who is not named, is found; others do not count, though the chaincode's policy asks for them."""
        client = self._protected(stage)
        client.submit("cells:put", Plain(key=KEY, value="new"))
        [(transaction, _)] = stage.transactions()[-1:]
        assert len(transaction.endorsements) == 1
        others = client.endorse("cells:put", Plain(key=KEY, value="x"), ("Org1MSP", "Org2MSP"))
        assert stage.outcome(others) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert stage.content()[KEY] == b"new"
        client.submit("cells:put", Plain(key="other", value="free"))
        assert stage.content()["other"] == b"free"

    def test_protection_can_be_lifted_by_whom_it_names(self, stage: Stage) -> None:
        """And by nobody else."""
        client = self._protected(stage)
        lifting = KeyPolicy(key=KEY)
        others = client.endorse("keys:protect", lifting, ("Org1MSP", "Org2MSP"))
        assert stage.outcome(others) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert client.ask("keys:protection", lifting, Protection).policy == THIRD
        client.submit("keys:protect", lifting)
        assert client.ask("keys:protection", lifting, Protection).policy is None
        free = client.endorse("cells:put", Plain(key=KEY, value="x"), ("Org1MSP", "Org2MSP"))
        assert stage.outcome(free) is ValidationCode.VALID

    def test_private_keys_are_protected_alike(self, stage: Stage) -> None:
        """Under their hashes."""
        self.need(Capability.PRIVATE_DATA)
        client = self._ready(stage)
        stage.agree(stage.terms())
        place = {"collection": "_implicit_org_Org1MSP", "key": "k"}
        client.submit("secrets:put", Place(**place), {VALUE: b"one"})
        client.submit("secrets:protect", Policy(**place, policy=THIRD))
        others = client.endorse("secrets:put", Place(**place), ("Org1MSP", "Org2MSP"), {VALUE: b"two"})
        assert stage.outcome(others) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        client.submit("secrets:put", Place(**place), {VALUE: b"three"})

    def _ready(self, stage: Stage) -> Client:
        self.need(Capability.KEY_POLICIES)
        return stage.client()

    def _protected(self, stage: Stage) -> Client:
        client = self._ready(stage)
        client.submit("cells:put", Plain(key=KEY, value="old"))
        client.submit("keys:protect", KeyPolicy(key=KEY, policy=THIRD))
        return client
