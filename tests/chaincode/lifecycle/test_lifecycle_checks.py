"""What a definition may say."""

from __future__ import annotations

from typing import Any

import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.peer import collection_pb2, policy_pb2
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger, collection, package, signed_by

from fedpact_chaincode.lifecycle.codes import (
    BAD_CHAINCODE_NAME,
    BAD_CHAINCODE_POLICY,
    BAD_CHAINCODE_VERSION,
    BAD_COLLECTION,
    COLLECTION_CHANGED,
)
from fedpact_chaincode.testing import refused

REFERENCE = policy_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Application/Nothing")
MEMBER, PEER = 0, 3


@pytest.mark.parametrize(
    "name",
    [
        *("", "_lifecycle", "-a", "a-", "a--b", "a_-b", "a b", "ä", "a.b", "a#1", "a/b", "a\n", "a" * 256),
        *("lscc", "cscc", "escc", "qscc", "vscc"),
    ],
)
def test_names_that_no_chaincode_may_have(ledger: Ledger, name: str) -> None:
    with refused(BAD_CHAINCODE_NAME, name=name[:255]):
        ledger.approve("AlphaMSP", name=name)
    with refused(BAD_CHAINCODE_NAME):
        ledger.commit("AlphaMSP", name=name)


@pytest.mark.parametrize("name", ["a", "9", "fedpact", "my-cc_2", "A" * 255])
def test_names_that_a_chaincode_may_have(ledger: Ledger, name: str) -> None:
    ledger.approve("AlphaMSP", name=name)


@pytest.mark.parametrize("version", ["", " ", "1 0", "1/0", "1:0", "v\n", "é", "1" * 256])
def test_versions_that_none_may_have(ledger: Ledger, version: str) -> None:
    with refused(BAD_CHAINCODE_VERSION, version=version[:255]):
        ledger.approve("AlphaMSP", version=version)
    with refused(BAD_CHAINCODE_VERSION):
        ledger.commit("AlphaMSP", version=version)


def bad_policies() -> list[tuple[str, bytes]]:
    no_gate = signed_by(("AlphaMSP", PEER), needed=2)
    no_rule = policies_pb2.SignaturePolicyEnvelope(identities=signed_by(("AlphaMSP", PEER)).identities)
    stranger = signed_by(("AlphaMSP", PEER))
    stranger.rule.n_out_of.rules[0].signed_by = 1
    nobody = signed_by(("AlphaMSP", PEER))
    nobody.identities[0].principal_classification = msp_principal_pb2.MSPPrincipal.ANONYMITY
    damaged = signed_by(("AlphaMSP", PEER))
    damaged.identities[0].principal = b"\xff"
    deep = signed_by(("AlphaMSP", PEER))
    for _ in range(16):
        inner = policies_pb2.SignaturePolicy()
        inner.CopyFrom(deep.rule)
        deep.rule.CopyFrom(
            policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=1, rules=[inner]))
        )
    crowd = signed_by(*[("AlphaMSP", PEER)] * 513)
    envelopes = {
        "needs more than there are": no_gate,
        "no rule": no_rule,
        "no such principal": stranger,
        "anonymous": nobody,
        "a damaged principal": damaged,
        "too deep": deep,
        "too many": crowd,
        "empty": policies_pb2.SignaturePolicyEnvelope(),
    }
    return [
        *(
            (what, policy_pb2.ApplicationPolicy(signature_policy=envelope).SerializeToString())
            for what, envelope in envelopes.items()
        ),
        ("unknown in the channel", REFERENCE.SerializeToString()),
        ("no policy", b"\xff"),
    ]


@pytest.mark.parametrize(
    ("what", "policy"), bad_policies(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_policies_that_nobody_could_satisfy(ledger: Ledger, what: str, policy: bytes) -> None:
    with refused(BAD_CHAINCODE_POLICY):
        ledger.approve("AlphaMSP", validation_parameter=policy)
    with refused(BAD_CHAINCODE_POLICY):
        ledger.commit("AlphaMSP", validation_parameter=policy)


def test_policies_of_a_definition(ledger: Ledger) -> None:
    signature = policy_pb2.ApplicationPolicy(
        signature_policy=signed_by(("AlphaMSP", PEER), ("BetaMSP", PEER))
    )
    reference = policy_pb2.ApplicationPolicy(channel_config_policy_reference="/Channel/Application/Admins")
    for sequence, policy in enumerate((signature, reference), start=1):
        terms = {"sequence": sequence, "validation_parameter": policy.SerializeToString()}
        ledger.approve("AlphaMSP", **terms)
        ledger.commit("AlphaMSP", **terms)


def test_members_may_be_units_and_identities_of_the_channel(ledger: Ledger) -> None:
    kinds = msp_principal_pb2.MSPPrincipal
    for mspid, allowed in (("AlphaMSP", True), ("DeltaMSP", False)):
        unit = msp_principal_pb2.OrganizationUnit(msp_identifier=mspid, organizational_unit_identifier="lab")
        identity = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=b"certificate")
        for number, (kind, principal) in enumerate(
            ((kinds.ORGANIZATION_UNIT, unit), (kinds.IDENTITY, identity))
        ):
            envelope = signed_by(("BetaMSP", MEMBER))
            envelope.identities[0].principal_classification = kind
            envelope.identities[0].principal = principal.SerializeToString()
            configs = package(collection(member_orgs_policy=members(envelope)))
            if allowed:
                ledger.approve("AlphaMSP", name=f"cc{number}", collections=configs)
            else:
                with refused(BAD_COLLECTION, strangers=[mspid]):
                    ledger.approve("AlphaMSP", name=f"cc{number}", collections=configs)


def members(envelope: policies_pb2.SignaturePolicyEnvelope) -> collection_pb2.CollectionPolicyConfig:
    return collection_pb2.CollectionPolicyConfig(signature_policy=envelope)


@pytest.mark.parametrize(
    "configs",
    [
        [collection("_implicit_org_AlphaMSP")],
        [collection("")],
        [collection("a.b")],
        [collection("a" * 256)],
        [collection("a"), collection("a")],
        [collection(required_peer_count=2, maximum_peer_count=1)],
        [collection(required_peer_count=-1)],
        [collection(member_orgs_policy=None)],
        [collection(member_orgs_policy=members(signed_by(("DeltaMSP", MEMBER))))],
        [collection(member_orgs_policy=members(signed_by(("AlphaMSP", 0), ("BetaMSP", 0), needed=2)))],
        [collection(endorsement_policy=REFERENCE)],
        [collection_pb2.CollectionConfig()],
        [collection(f"c{number}") for number in range(1001)],
    ],
)
def test_collections_that_cannot_be(ledger: Ledger, configs: list[Any]) -> None:
    with refused(BAD_COLLECTION):
        ledger.approve("AlphaMSP", collections=package(*configs))
    with refused(BAD_COLLECTION):
        ledger.commit("AlphaMSP", collections=package(*configs))


def test_collections_may_come_and_change_but_neither_vanish_nor_live_longer(ledger: Ledger) -> None:
    first = package(collection("secrets"))
    ledger.approve("AlphaMSP", collections=first)
    ledger.commit("AlphaMSP", collections=first)
    for changed in (package(), package(collection("more")), package(collection("secrets", block_to_live=0))):
        with refused(COLLECTION_CHANGED, collection="secrets", block_to_live=100):
            ledger.approve("AlphaMSP", sequence=2, collections=changed)
        with refused(COLLECTION_CHANGED):
            ledger.commit("AlphaMSP", sequence=2, collections=changed)
    wider = members(signed_by(("AlphaMSP", MEMBER), ("BetaMSP", MEMBER), ("GammaMSP", MEMBER)))
    second = package(collection("secrets", member_orgs_policy=wider), collection("more", block_to_live=5))
    ledger.approve("AlphaMSP", sequence=2, collections=second)
    ledger.commit("AlphaMSP", sequence=2, collections=second)
