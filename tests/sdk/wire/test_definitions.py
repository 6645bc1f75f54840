"""What a committed definition means, from rows that `_lifecycle` itself wrote."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from hashlib import sha256

import pytest
from fabric_protos.peer import policy_pb2
from tests.chaincode.lifecycle.lifecycle_ledger import ORGANISATIONS, Ledger, collection, package, signed_by

from fedpact.identity import CertificateAuthority
from fedpact.wire.bundle import Bundle
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.definitions import (
    LIFECYCLE,
    DefinitionCode,
    DefinitionError,
    approved_by,
    find_collection,
    find_definition,
    implicit_collection,
    runnable,
)
from fedpact.wire.rwsets import Row, Version

MEMBER, PEER = 0, 3


@dataclass
class Rows:
    """The ledger in memory as the committed state shows it: public rows and hashes."""

    ledger: Ledger

    def get(self, namespace: str, key: str) -> Row | None:
        base, hashed, collection_name = namespace.partition("$$h")
        assert base == LIFECYCLE
        value = self.ledger.state.get(key)
        if hashed:
            private = self.ledger.private.get(collection_name, {})
            hashes = {sha256(k.encode()).hexdigest(): sha256(v).digest() for k, v in private.items()}
            value = hashes.get(key)
        return None if value is None else Row(value, Version(1, 0))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    authorities = [CertificateAuthority.create(mspid, mspid) for mspid in ORGANISATIONS]
    organisations = [Organisation(ca.mspid, (ca.certificate_pem,)) for ca in authorities]
    return Bundle.from_block(ChannelConfig("consortium", tuple(organisations)).to_genesis_block())


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def rows(ledger: Ledger) -> Rows:
    return Rows(ledger)


def policy(**content: object) -> bytes:
    encoded: bytes = policy_pb2.ApplicationPolicy(**content).SerializeToString()
    return encoded


def test_what_was_never_committed_is_not_defined(ledger: Ledger, rows: Rows, bundle: Bundle) -> None:
    ledger.approve("AlphaMSP")
    assert find_definition(rows, bundle, "mycc") is None


def test_lifecycle_itself_is_defined_by_the_channel(rows: Rows, bundle: Bundle) -> None:
    found = find_definition(rows, bundle, LIFECYCLE)
    assert found is not None
    assert (found.version, found.sequence) == ("syscc", 0)
    assert found.endorsement == bundle.lifecycle_policy
    own = find_collection(found, bundle, "_implicit_org_BetaMSP")
    assert own is not None
    assert own.members == {"BetaMSP"}


def test_a_definition(ledger: Ledger, rows: Rows, bundle: Bundle) -> None:
    own = policy_pb2.ApplicationPolicy(signature_policy=signed_by(("AlphaMSP", PEER)))
    configs = package(
        collection("secrets", endorsement_policy=own, member_only_read=True), collection("more")
    )
    signature = signed_by(("AlphaMSP", PEER), ("BetaMSP", PEER), needed=2)
    terms = {"validation_parameter": policy(signature_policy=signature), "collections": configs}
    ledger.approve("AlphaMSP", **terms)
    ledger.commit("AlphaMSP", **terms)
    found = find_definition(rows, bundle, "mycc")
    assert found is not None
    assert (found.name, found.sequence, found.version, found.init_required) == ("mycc", 1, "1.0", False)
    assert found.endorsement.text == "AND('AlphaMSP.peer', 'BetaMSP.peer')"
    assert set(found.collections) == {"secrets", "more"}
    secrets = find_collection(found, bundle, "secrets")
    assert secrets is not None
    assert secrets.members == {"AlphaMSP", "BetaMSP"}
    assert (secrets.block_to_live, secrets.member_only_read, secrets.member_only_write) == (100, True, False)
    assert (secrets.required_peers, secrets.maximum_peers) == (0, 1)
    assert secrets.endorsement is not None
    assert secrets.endorsement.text == "OR('AlphaMSP.peer')"
    assert found.collections["more"].endorsement is None
    assert find_collection(found, bundle, "others") is None


def test_the_default_is_the_channels_policy(ledger: Ledger, rows: Rows, bundle: Bundle) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    found = find_definition(rows, bundle, "mycc")
    assert found is not None
    assert found.endorsement == bundle.endorsement_policy


def test_a_policy_that_the_channel_lost_is_satisfied_by_nobody(
    ledger: Ledger, rows: Rows, bundle: Bundle
) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    key = "namespaces/fields/mycc/ValidationInfo"
    ledger.state[key] = ledger.state[key].replace(b"/Endorsement", b"/Endorsemint")
    found = find_definition(rows, bundle, "mycc")
    assert found is not None
    assert found.endorsement.choose(ORGANISATIONS) is None


def test_implicit_collections(bundle: Bundle) -> None:
    own = implicit_collection("GammaMSP", bundle)
    assert own is not None
    assert (own.name, own.block_to_live) == ("_implicit_org_GammaMSP", 0)
    assert own.member_policy.text == "OR('GammaMSP.member')"
    assert own.endorsement == bundle.policy("/Channel/Application/GammaMSP/Endorsement")
    assert implicit_collection("DeltaMSP", bundle) is None


def test_an_organisation_that_no_policy_can_name(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    named = dataclasses.replace(bundle.organisations[0], mspid="Org One's MSP")
    monkeypatch.setattr(bundle, "organisations", (named,))
    own = implicit_collection(named.mspid, bundle)
    assert own is not None
    assert own.members == frozenset()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("namespaces/metadata/mycc", b"\xff"),
        ("namespaces/metadata/mycc", b"\x0a\x05Other"),
        ("namespaces/fields/mycc/Sequence", b"\x08\x00"),
        ("namespaces/fields/mycc/Sequence", b"\x12\x00"),
        ("namespaces/fields/mycc/EndorsementInfo", b"\x08\x01"),
        ("namespaces/fields/mycc/EndorsementInfo", b"\x12\x01\xff"),
        ("namespaces/fields/mycc/Collections", b"\xff"),
    ],
)
def test_rows_that_are_no_definition(
    ledger: Ledger, rows: Rows, bundle: Bundle, key: str, value: bytes
) -> None:
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    ledger.state[key] = value
    with pytest.raises(DefinitionError) as caught:
        find_definition(rows, bundle, "mycc")
    assert caught.value.code is DefinitionCode.MALFORMED_DEFINITION


def test_who_approved_exactly_what_is_committed(ledger: Ledger, rows: Rows, bundle: Bundle) -> None:
    ledger.approve("AlphaMSP", "BetaMSP")
    ledger.commit("AlphaMSP")
    ledger.approve("GammaMSP", sequence=2, version="1.1")
    found = find_definition(rows, bundle, "mycc")
    assert found is not None
    assert [approved_by(rows, found, mspid) for mspid in ORGANISATIONS] == [True, True, False]
    ledger.approve("GammaMSP")
    assert approved_by(rows, found, "GammaMSP")
    ledger.approvals_of("BetaMSP")["namespaces/fields/mycc#1/EndorsementInfo"] = b"\x12\x00"
    assert not approved_by(rows, found, "BetaMSP")


def test_what_may_run(ledger: Ledger, rows: Rows, bundle: Bundle) -> None:
    runnable(None, "whatever")
    ledger.approve("AlphaMSP")
    ledger.commit("AlphaMSP")
    found = find_definition(rows, bundle, "mycc")
    runnable(found, "1.0")
    ledger.approve("AlphaMSP", sequence=2, init_required=True)
    ledger.commit("AlphaMSP", sequence=2, init_required=True)
    initialised = find_definition(rows, bundle, "mycc")
    for definition, installed, code in (
        (None, None, DefinitionCode.NOT_INSTALLED),
        (found, None, DefinitionCode.NOT_INSTALLED),
        (found, "1.0+sha256.00", DefinitionCode.WRONG_VERSION),
        (initialised, "1.0", DefinitionCode.INIT_REQUIRED),
    ):
        with pytest.raises(DefinitionError) as caught:
            runnable(definition, installed)
        assert caught.value.code is code
