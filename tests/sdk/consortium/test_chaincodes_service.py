"""Agreeing on code through a member's session; the node is `_lifecycle` over a ledger in memory."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger, person

from fedpact.consortium.chaincodes import Chaincodes, agree
from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact_chaincode import consortium
from fedpact_chaincode.errors import ROLE_REQUIRED
from fedpact_chaincode.lifecycle.codes import (
    APPROVAL_NOT_FOUND,
    DEFINITION_NOT_FOUND,
    NOT_APPROVED,
    WRONG_SEQUENCE,
)
from fedpact_chaincode.lifecycle.installed import package_id
from fedpact_chaincode.testing import refused

SECRETS = CollectionTerms(name="secrets", policy="OR('AlphaMSP.member')", block_to_live=5)


@dataclass
class Call:
    """A proposal: what it is asked to do, it does at once."""

    ledger: Ledger
    identity: object
    words: tuple[str, bytes]
    organisations: tuple[str, ...]

    def evaluate(self) -> bytes:
        return self._call(commit=False)

    def endorse(self) -> Call:
        assert self.organisations, "which organisations endorse is the client's to say"
        self._call(commit=True)
        return self

    def submit(self) -> Call:
        return self

    def result(self) -> SimpleNamespace:
        return SimpleNamespace(transaction_id="tx", block_number=7)

    def _call(self, *, commit: bool) -> bytes:
        acting = self.organisations or ("AlphaMSP",)
        return self.ledger.call(*self.words, by=self.identity, acting=acting, commit=commit)


@dataclass
class Gateway:
    ledger: Ledger
    identity: object
    chaincode: str = "fedpact"

    def new_proposal(self, function: str, message: bytes, *, organisations: tuple[str, ...]) -> Call:
        assert self.chaincode == "_lifecycle"
        return Call(self.ledger, self.identity, (function, message), organisations)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def chaincodes(ledger: Ledger, mspid: str, ou: str = "admin") -> Chaincodes:
    identity = person(mspid, ou)
    gateway = Gateway(ledger, identity)
    found = Chaincodes(SimpleNamespace(identity=identity, gateway=gateway))
    assert gateway.chaincode == "fedpact", "the session's own gateway stays as it is"
    return found


def test_organisations_agree(ledger: Ledger) -> None:
    alpha, beta, gamma = (chaincodes(ledger, mspid) for mspid in ("AlphaMSP", "BetaMSP", "GammaMSP"))
    with refused(DEFINITION_NOT_FOUND):
        alpha.show("mycc")
    terms = ChaincodeTerms(
        name="mycc",
        sequence=1,
        version="1.0",
        policy="AND('AlphaMSP.peer', 'BetaMSP.peer')",
        collections=(SECRETS,),
    )
    assert alpha.approve(terms, package_id="mycc:1").block_number == 7
    assert alpha.approved("mycc") == terms
    with refused(APPROVAL_NOT_FOUND):
        beta.approved("mycc")
    beta.approve(terms)
    ready = gamma.ready(terms)
    assert ready.approvals == {"AlphaMSP": True, "BetaMSP": True, "GammaMSP": False}
    assert ready.mismatches == {"GammaMSP": ["ChaincodeParameters"]}
    chaincodes(ledger, "GammaMSP", "client").commit(terms)
    assert gamma.show("mycc").terms == terms
    assert gamma.show("mycc").approvals == ready.approvals
    assert gamma.list() == (terms,)
    with refused(WRONG_SEQUENCE):
        gamma.ready(terms)


def test_what_nobody_approved_is_refused_before_it_is_endorsed(ledger: Ledger) -> None:
    terms = ChaincodeTerms(name="mycc", sequence=1, version="1.0")
    with refused(NOT_APPROVED):
        chaincodes(ledger, "AlphaMSP").commit(terms)


def test_only_administrators_approve(ledger: Ledger) -> None:
    with refused(ROLE_REQUIRED):
        chaincodes(ledger, "AlphaMSP", "client").approve(
            ChaincodeTerms(name="mycc", sequence=1, version="1.0")
        )


def test_what_is_proposed_next(ledger: Ledger) -> None:
    alpha = chaincodes(ledger, "AlphaMSP")
    own = alpha.proposed("fedpact")
    assert own == ChaincodeTerms(name="fedpact", sequence=1, version=consortium.version())
    with pytest.raises(ValueError, match="which version of mycc"):
        alpha.proposed("mycc")
    first = ChaincodeTerms(
        name="mycc", sequence=1, version="1.0", policy="OR('AlphaMSP.peer')", collections=(SECRETS,)
    )
    alpha.approve(first)
    alpha.commit(first)
    following = alpha.proposed("mycc", "1.1")
    assert (following.sequence, following.version) == (2, "1.1")
    assert (following.policy, following.collections) == (first.policy, first.collections)
    assert alpha.proposed("mycc", sequence=1) == first


def test_installed(ledger: Ledger) -> None:
    terms = ChaincodeTerms(name="mycc", sequence=1, version="1.0")
    alpha = chaincodes(ledger, "AlphaMSP")
    alpha.approve(terms)
    alpha.commit(terms)
    first, second = alpha.installed()
    assert (first.label, first.package_id) == ("mycc_1.0", package_id("mycc", "1.0"))
    assert first.channels == {"consortium": ["mycc 1.0"]}
    assert second.channels == {}


def test_founders_agree_at_once(ledger: Ledger) -> None:
    founders = [SimpleNamespace(chaincodes=chaincodes(ledger, mspid)) for mspid in ("AlphaMSP", "BetaMSP")]
    terms = founders[0].chaincodes.proposed("fedpact")
    agree(founders, terms)
    shown = founders[1].chaincodes.show("fedpact")
    assert shown.terms.version == consortium.version()
    assert shown.approvals == {"AlphaMSP": True, "BetaMSP": True, "GammaMSP": False}
