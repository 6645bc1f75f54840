from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.identity import CertificateAuthority
from fedpact.wire.membership import Member, Membership
from fedpact.wire.policies import (
    Policy,
    PolicyError,
    choose_for,
    evaluate,
    organisation_policy,
    parse,
    render,
)
from fedpact.wire.policy_language import OutOf, Rule, SignedBy, parse_rule, render_rule
from fedpact.wire.signature_policies import rule_of, to_envelope

START = datetime(2026, 1, 1, tzinfo=UTC)
MSPIDS = ("A", "B", "C")
ROLES = ("member", "admin", "client", "peer", "orderer")
AUTHORITIES = {m: CertificateAuthority.create(m, m, seed=m.encode(), not_before=START) for m in MSPIDS}
CHANNEL = Membership(
    {mspid: [authority.certificate_pem] for mspid, authority in AUTHORITIES.items()}, clock=START.timestamp
)


def make(mspid: str, ou: str, name: str) -> Member:
    return CHANNEL.identify(AUTHORITIES[mspid].issue(name, role=None, ou=ou).creator)


PEOPLE = {
    f"{mspid}.{ou}{number}": make(mspid, ou, f"{ou}{number}")
    for mspid in MSPIDS
    for ou in ROLES[1:]
    for number in (1, 2)
}


def signers(text: str) -> list[Member]:
    return [PEOPLE[word] for word in text.split()]


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(PolicyError) as caught:
        call()
    return caught.value.code


def rules(leaves: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    def gates(inner: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
        several = st.lists(inner, min_size=1, max_size=4).map(tuple)
        return several.flatmap(lambda parts: st.integers(1, len(parts)).map(lambda n: OutOf(n, parts)))

    return st.recursive(leaves, gates, max_leaves=8)


RULES = rules(st.builds(SignedBy, st.sampled_from(MSPIDS), st.sampled_from(ROLES)))
SIGNERS = st.lists(st.sampled_from(sorted(PEOPLE)), max_size=6).map(lambda names: [PEOPLE[n] for n in names])


@pytest.mark.parametrize(
    ("policy", "who", "expected"),
    [
        ("OR('A.peer')", "A.peer1", True),
        ("OR('A.peer')", "B.peer1", False),
        ("OR('A.peer')", "A.client1", False),
        ("OR('A.peer')", "", False),
        ("'A.member'", "A.orderer1", True),
        ("AND('A.peer', 'B.peer')", "B.peer1 A.peer1", True),
        ("AND('A.peer', 'B.peer')", "A.peer1 A.peer2", False),
        ("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", "C.peer1 A.peer1", True),
        ("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", "C.peer1", False),
        # one identity satisfies one leaf only, however often it signs
        ("AND('A.peer', 'A.peer')", "A.peer1", False),
        ("AND('A.peer', 'A.peer')", "A.peer1 A.peer1", False),
        ("AND('A.peer', 'A.peer')", "A.peer1 A.peer2", True),
        ("AND('A.member', 'A.admin')", "A.admin1", False),
        # leaves are filled from left to right by the first who fits
        ("AND('A.member', 'A.peer')", "A.peer1 A.client1", False),
        ("AND('A.member', 'A.peer')", "A.client1 A.peer1", True),
        # a gate that fails frees whom it had taken
        ("OR(AND('A.peer', 'B.peer'), 'A.peer')", "A.peer1", True),
        ("AND(OR(AND('A.peer', 'B.peer'), 'C.peer'), 'A.peer')", "A.peer1 C.peer1", True),
        # a gate that holds takes everyone who fits, even beyond what it needs
        ("AND(OR('A.peer', 'B.peer'), 'B.peer')", "A.peer1 B.peer1", False),
        ("AND(OR('A.peer', 'B.peer'), 'B.peer')", "A.peer1 B.peer1 B.peer2", True),
        (
            "OutOf(2, AND('A.peer', 'B.peer'), AND('B.peer', 'C.peer'), 'C.admin')",
            "A.peer1 B.peer1 C.admin1",
            True,
        ),
    ],
)
def test_signature_policies(policy: str, who: str, expected: bool) -> None:
    assert evaluate(parse(policy), signers(who)) is expected
    assert Policy.parse(policy).satisfied_by(signers(who)) is expected


def reference(envelope: policies_pb2.SignaturePolicyEnvelope, members: Sequence[Member]) -> bool:
    """Fabric's evaluation, written a second time: over the protobuf, passing used sets, not flags."""

    def leaf(number: int, used: frozenset[str]) -> tuple[bool, frozenset[str]]:
        role = msp_principal_pb2.MSPRole.FromString(envelope.identities[number].principal)
        name = msp_principal_pb2.MSPRole.MSPRoleType.Name(role.role).lower()
        for member in members:
            right_role = name == "member" or name in member.ou
            if member.id not in used and member.mspid == role.msp_identifier and right_role:
                return True, used | {member.id}
        return False, used

    def walk(rule: policies_pb2.SignaturePolicy, used: frozenset[str]) -> tuple[bool, frozenset[str]]:
        if rule.HasField("signed_by"):
            return leaf(rule.signed_by, used)
        verified = 0
        for part in rule.n_out_of.rules:
            holds, after = walk(part, used)
            if holds:
                verified, used = verified + 1, after
        return verified >= rule.n_out_of.n, used

    return walk(envelope.rule, frozenset())[0]


@given(RULES, SIGNERS)
@settings(max_examples=500)
def test_evaluation_agrees_with_a_second_implementation(rule: Rule, members: list[Member]) -> None:
    envelope = to_envelope(rule)
    assert evaluate(envelope, members) is reference(envelope, members)


@given(RULES)
def test_text_and_protobuf_round_trip(rule: Rule) -> None:
    assert parse_rule(render_rule(rule)) == rule
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(to_envelope(rule).SerializeToString())
    assert rule_of(envelope) == rule
    assert parse(render(envelope)) == envelope
    policy = Policy.parse(render_rule(rule))
    assert Policy.from_proto(policies_pb2.Policy.FromString(policy.to_proto().SerializeToString())) == policy


def golden() -> list[tuple[str, ...]]:
    lines = (Path(__file__).parent / "fabric_policies.tsv").read_text().splitlines()
    return [tuple(line.split("\t")) for line in lines if not line.startswith("#")]


def test_fabric_itself_encodes_and_decides_the_same() -> None:
    assert len(golden()) == 80
    for text, encoded, who, verdict in golden():
        envelope = parse(text)
        assert envelope.SerializeToString().hex() == encoded
        assert render(envelope) == text
        assert evaluate(envelope, signers(who)) is (verdict == "yes"), text


def test_the_protobuf_by_hand() -> None:
    # After common/policies.proto.
    def principal(mspid: bytes, role: bytes) -> bytes:
        inner = b"\x0a" + bytes([len(mspid)]) + mspid + role
        return b"\x1a" + bytes([len(inner) + 2]) + b"\x12" + bytes([len(inner)]) + inner

    first, second = b"\x08\x00", b"\x08\x01"
    gate = b"\x08\x02" + b"".join(b"\x12" + bytes([len(leaf)]) + leaf for leaf in (first, second))
    rule = b"\x12" + bytes([len(gate)]) + gate
    expected = (
        b"\x12" + bytes([len(rule)]) + rule + principal(b"Org1MSP", b"\x10\x03") + principal(b"Org2MSP", b"")
    )
    assert parse("AND('Org1MSP.peer', 'Org2MSP.member')").SerializeToString() == expected


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("and('A.peer','B.peer')", "AND('A.peer', 'B.peer')"),
        ("  Or ( \"A.peer\" ,\n'B.peer' ) ", "OR('A.peer', 'B.peer')"),
        ("outof(1, 'A.peer', 'B.peer')", "OR('A.peer', 'B.peer')"),
        ("OutOf(2, 'A.peer', 'B.peer')", "AND('A.peer', 'B.peer')"),
        ("OUTOF(2,'A.peer','B.peer','C.admin')", "OutOf(2, 'A.peer', 'B.peer', 'C.admin')"),
        ("AND('A.peer')", "OR('A.peer')"),
        ("'Org-1.example.com.peer'", "'Org-1.example.com.peer'"),
    ],
)
def test_spellings(text: str, canonical: str) -> None:
    assert render(parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "BAD_SYNTAX"),
        ("AND", "BAD_SYNTAX"),
        ("AND(", "BAD_SYNTAX"),
        ("AND()", "BAD_SYNTAX"),
        ("AND('A.peer'", "BAD_SYNTAX"),
        ("AND('A.peer',)", "BAD_SYNTAX"),
        ("AND('A.peer' 'B.peer')", "BAD_SYNTAX"),
        ("AND('A.peer'))", "BAD_SYNTAX"),
        ("AND('A.peer') OR('B.peer')", "BAD_SYNTAX"),
        ("XOR('A.peer')", "BAD_SYNTAX"),
        ("A.peer", "BAD_SYNTAX"),
        ("AND('A.peer", "BAD_SYNTAX"),
        ("OutOf('A.peer', 'B.peer')", "BAD_SYNTAX"),
        ("OutOf(1)", "BAD_SYNTAX"),
        ("OutOf(-1, 'A.peer')", "BAD_SYNTAX"),
        ("OutOf(\u0662, 'A.peer', 'A.peer')", "BAD_SYNTAX"),
        ("OutOf(1.5, 'A.peer')", "BAD_SYNTAX"),
        ("OutOf(0, 'A.peer')", "BAD_COUNT"),
        ("OutOf(2, 'A.peer')", "BAD_COUNT"),
        ("'A'", "BAD_PRINCIPAL"),
        ("'.peer'", "BAD_PRINCIPAL"),
        ("'A.king'", "BAD_PRINCIPAL"),
        ("'A.Peer'", "BAD_PRINCIPAL"),
        ("'A/B.peer'", "BAD_PRINCIPAL"),
        ("AND(" * 40 + "'A.peer'" + ")" * 40, "TOO_COMPLEX"),
        ("OR(" + ",".join(["'A.peer'"] * 513) + ")", "TOO_COMPLEX"),
        (" " * 20_000, "TOO_COMPLEX"),
        ("SOME Endorsement", "BAD_SYNTAX"),
        ("majority Endorsement", "BAD_SYNTAX"),
        ("MAJORITY Dreams", "UNKNOWN_POLICY"),
    ],
)
def test_refused_texts(text: str, code: str) -> None:
    assert code_of(lambda: Policy.parse(text, MSPIDS)) == code


@given(st.text(alphabet="ANDORoutf(),'\" 12.peerA\x00é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        policy = Policy.parse(text, MSPIDS)
    except PolicyError:
        return
    assert Policy.parse(policy.text, MSPIDS) == policy


def envelope_with(**fields: object) -> policies_pb2.SignaturePolicyEnvelope:
    envelope = parse("'A.peer'")
    envelope.MergeFrom(policies_pb2.SignaturePolicyEnvelope(**fields))
    return envelope


def test_refused_protobufs() -> None:
    signature, gate = policies_pb2.SignaturePolicy, policies_pb2.SignaturePolicy.NOutOf
    principal = msp_principal_pb2.MSPPrincipal
    nested = signature(signed_by=0)
    for _ in range(20):
        nested = signature(n_out_of=gate(n=1, rules=[nested]))
    unknown_role = msp_principal_pb2.MSPRole(msp_identifier="A", role=99).SerializeToString()  # type: ignore[arg-type]
    cases = [
        ("BAD_ENCODING", envelope_with(version=1)),
        ("BAD_ENCODING", envelope_with(rule=signature(signed_by=1))),
        ("BAD_ENCODING", envelope_with(rule=signature(signed_by=-1))),
        ("BAD_ENCODING", policies_pb2.SignaturePolicyEnvelope()),
        ("BAD_ENCODING", envelope_with(identities=[principal(principal=b"\xff")])),
        ("BAD_PRINCIPAL", envelope_with(identities=[principal(principal_classification=principal.IDENTITY)])),
        (
            "BAD_PRINCIPAL",
            envelope_with(identities=[principal(principal_classification=principal.ANONYMITY)]),
        ),
        ("BAD_PRINCIPAL", envelope_with(identities=[principal(principal_classification=principal.COMBINED)])),
        ("BAD_PRINCIPAL", envelope_with(identities=[principal(principal=unknown_role)])),
        ("BAD_COUNT", envelope_with(rule=signature(n_out_of=gate(n=-1)))),
        ("TOO_COMPLEX", envelope_with(rule=nested)),
        ("TOO_COMPLEX", envelope_with(identities=[principal()] * 512)),
    ]
    for code, envelope in cases:
        assert code_of(lambda envelope=envelope: evaluate(envelope, [])) == code


def test_refused_policies_of_a_configuration() -> None:
    kind = policies_pb2.Policy
    cases = [
        ("BAD_ENCODING", kind(type=kind.UNKNOWN)),
        ("BAD_ENCODING", kind(type=kind.SIGNATURE, value=b"\xff")),
        ("BAD_ENCODING", kind(type=kind.IMPLICIT_META, value=b"\xff")),
        ("BAD_ENCODING", kind(type=kind.IMPLICIT_META, value=b"\x10\x63")),
        ("BAD_ENCODING", kind(type=kind.MSP)),
    ]
    for code, policy in cases:
        assert code_of(lambda policy=policy: Policy.from_proto(policy)) == code


@pytest.mark.parametrize(
    ("policy", "who", "expected"),
    [
        ("ANY Endorsement", "B.peer1", True),
        ("ANY Endorsement", "B.client1", False),
        ("MAJORITY Endorsement", "A.peer1", False),
        ("MAJORITY Endorsement", "A.peer1 A.peer2", False),
        ("MAJORITY Endorsement", "A.peer1 C.peer1", True),
        ("MAJORITY Endorsement", "A.peer1 C.client1", False),
        ("ALL Endorsement", "A.peer1 C.peer1", False),
        ("ALL Endorsement", "A.peer1 C.peer1 B.peer2", True),
        ("ANY Writers", "A.client1", True),
        ("ANY Writers", "A.peer1", False),
        ("ANY Readers", "A.peer1", True),
        ("ANY Readers", "A.orderer1", False),
        ("MAJORITY Admins", "A.admin1 B.admin1", True),
        ("MAJORITY Admins", "A.admin1 B.client1", False),
    ],
)
def test_implicit_meta_policies(policy: str, who: str, expected: bool) -> None:
    assert Policy.parse(policy, MSPIDS).satisfied_by(signers(who)) is expected


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_a_majority_is_more_than_half(count: int, needed: int) -> None:
    assert Policy.parse("MAJORITY Endorsement", [f"Org{i}" for i in range(count)]).needed == needed


@pytest.mark.parametrize("text", ["ANY Writers", "ALL Readers", "MAJORITY Endorsement"])
def test_implicit_meta_round_trip(text: str) -> None:
    policy = Policy.parse(text, MSPIDS)
    assert policy.text == text
    usual = [Policy.parse(organisation_policy(mspid, text.split()[1])) for mspid in sorted(MSPIDS)]
    assert Policy.from_proto(policy.to_proto(), {text.split()[1]: usual}.__getitem__) == policy
    assert code_of(lambda: Policy.parse(text)) == "BAD_COUNT"


def test_an_organisations_own_policies() -> None:
    assert organisation_policy("A", "Endorsement") == "OR('A.peer')"
    assert organisation_policy("A", "Readers") == "OR('A.admin', 'A.peer', 'A.client')"
    assert code_of(lambda: organisation_policy("A", "Dreams")) == "UNKNOWN_POLICY"


def possible(rule: Rule, mspids: frozenset[str]) -> bool:
    if isinstance(rule, SignedBy):
        return rule.mspid in mspids
    return len([part for part in rule.rules if possible(part, mspids)]) >= rule.needed


SIX = tuple("ABCDEF")


@given(rules(st.builds(SignedBy, st.sampled_from(SIX), st.just("peer"))))
@settings(max_examples=300)
def test_needs_are_exactly_the_minimal_sets(rule: Rule) -> None:
    subsets = [frozenset(found) for size in range(7) for found in combinations(SIX, size)]
    enough = [found for found in subsets if possible(rule, found)]
    minimal = {found for found in enough if not any(other < found for other in enough)}
    policy = Policy.parse(render_rule(rule))
    assert set(policy.needs()) == minimal
    assert len(policy.needs()) == len(minimal)
    for available in (SIX, SIX[3:], SIX[:2]):
        chosen = policy.choose(available)
        if chosen is None:
            assert not possible(rule, frozenset(available))
        else:
            assert frozenset(chosen) in minimal
            assert set(chosen) <= set(available)


def test_the_organisations_that_a_policy_names() -> None:
    assert Policy.parse("OR('A.peer', AND('B.peer', 'A.admin'))", MSPIDS).mspids == {"A", "B"}
    assert Policy.parse("ANY Endorsement", MSPIDS).mspids == set(MSPIDS)


def test_needs_and_choice_of_a_majority() -> None:
    policy = Policy.parse("MAJORITY Endorsement", MSPIDS)
    assert policy.needs() == (frozenset("AB"), frozenset("AC"), frozenset("BC"))
    assert policy.choose(["C", "A", "B"]) == ("C", "A")
    assert policy.choose(["C", "C"]) is None


def test_a_majority_of_many_is_chosen_but_not_listed() -> None:
    many = [f"Org{number:03}" for number in range(100)]
    policy = Policy.parse("MAJORITY Endorsement", many)
    assert code_of(policy.needs) == "TOO_COMPLEX"
    assert policy.choose(many) == tuple(many[:51])
    twelve = Policy.parse("MAJORITY Endorsement", many[:12])
    assert len(twelve.needs()) == 792


def test_a_gate_may_ask_for_nothing_or_for_too_much_as_in_fabric() -> None:
    signature, gate = policies_pb2.SignaturePolicy, policies_pb2.SignaturePolicy.NOutOf
    anybody = Policy.from_envelope(policies_pb2.SignaturePolicyEnvelope(rule=signature(n_out_of=gate(n=0))))
    nobody = Policy.from_envelope(policies_pb2.SignaturePolicyEnvelope(rule=signature(n_out_of=gate(n=1))))
    assert anybody.satisfied_by([])
    assert not nobody.satisfied_by(signers("A.peer1"))
    assert not Policy.refusing().satisfied_by(signers("A.peer1"))
    assert (anybody.choose("A"), nobody.choose("A"), nobody.needs()) == ((), None, ())


def test_single_identities_and_units() -> None:
    principal = msp_principal_pb2.MSPPrincipal
    first, second, peer = signers("A.client1 A.client2 A.peer1")

    def policy(kind: object, content: bytes) -> Policy:
        item = principal(principal_classification=kind, principal=content)  # type: ignore[arg-type]
        rule = policies_pb2.SignaturePolicy(signed_by=0)
        return Policy.from_envelope(policies_pb2.SignaturePolicyEnvelope(rule=rule, identities=[item]))

    pem = first.certificate.public_bytes(serialization.Encoding.PEM)
    identity = identities_pb2.SerializedIdentity(mspid="A", id_bytes=pem)
    by_identity = policy(principal.IDENTITY, identity.SerializeToString())
    assert by_identity.satisfied_by([second, first])
    assert not by_identity.satisfied_by([second, peer])
    assert by_identity.mspids == {"A"}
    unit = msp_principal_pb2.OrganizationUnit(
        msp_identifier="A", organizational_unit_identifier="client", certifiers_identifier=first.certifiers
    )
    by_unit = policy(principal.ORGANIZATION_UNIT, unit.SerializeToString())
    assert by_unit.satisfied_by([second])
    assert not by_unit.satisfied_by([peer])
    unit.certifiers_identifier = b"another authority"
    assert not policy(principal.ORGANIZATION_UNIT, unit.SerializeToString()).satisfied_by([second])
    with pytest.raises(PolicyError):
        by_unit.to_proto()


@given(st.lists(rules(st.builds(SignedBy, st.sampled_from(SIX), st.just("peer"))), min_size=1, max_size=3))
@settings(max_examples=60)
def test_a_smallest_set_for_several_policies(asked: list[Rule]) -> None:
    policies = [Policy.parse(render_rule(rule)) for rule in asked]
    sets = [
        set(found)
        for size in range(len(SIX) + 1)
        for found in combinations(SIX, size)
        if all(possible(rule, frozenset(found)) for rule in asked)
    ]
    chosen = choose_for(policies, SIX)
    assert chosen is not None
    assert set(chosen) in sets
    assert len(chosen) == min(map(len, sets))
    assert list(chosen) == [mspid for mspid in SIX if mspid in chosen]
    # of several smallest sets, the most preferred one
    assert chosen == min(tuple(m for m in SIX if m in s) for s in sets if len(s) == len(chosen))
    last = tuple(reversed(SIX))
    assert len(choose_for(policies, last) or ()) == len(chosen)
