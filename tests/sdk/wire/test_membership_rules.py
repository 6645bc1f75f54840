"""Intermediates, revocation lists, Node OUs: what an organisation may decide about its members."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from fedpact.identity import CertificateAuthority, IdentityError
from fedpact.identity.seeds import derive_private_key
from fedpact.wire.bundle import Bundle
from fedpact.wire.membership import Member, Membership
from fedpact.wire.organisations import NodeOU, Organisation, RequiredOU
from fedpact.wire.roots import check_distinct

START = datetime(2026, 1, 1, tzinfo=UTC)
DURING = (START + timedelta(days=1)).timestamp()
AUTHORITY = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"1", not_before=START)
OTHER = CertificateAuthority.create("Org 1", "Org2MSP", seed=b"2", not_before=START)
KEY = derive_private_key(b"1", "Org1MSP/authority")
ALICE = AUTHORITY.issue("Alice", role="member")


def organisation(**terms: object) -> Membership:
    terms = {"root_certificates": (AUTHORITY.certificate_pem,)} | terms
    return Membership([Organisation("Org1MSP", **terms)], clock=lambda: DURING)  # type: ignore[arg-type]


def creator(mspid: str, pem: bytes) -> bytes:
    return bytes(identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString())


def in_units(*units: str) -> bytes:
    """Somebody in these organisational units, certified by the organisation."""
    names = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in units]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, "Mallory")])
    builder = x509.CertificateBuilder(AUTHORITY.certificate.subject, subject, KEY.public_key())
    builder = builder.serial_number(7).not_valid_before(START).not_valid_after(START + timedelta(days=30))
    made = builder.sign(KEY, hashes.SHA256())
    return creator("Org1MSP", made.public_bytes(serialization.Encoding.PEM))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(IdentityError) as caught:
        call()
    return caught.value.code


def issued(authority: CertificateAuthority, name: str = "Carol") -> bytes:
    return authority.issue(name, role=None, not_before=START).creator


def test_revoked_certificates() -> None:
    bob = AUTHORITY.issue("Bob", role=None)
    lists = (
        AUTHORITY.revoke([ALICE.certificate.serial_number]),
        OTHER.revoke([bob.certificate.serial_number]),
    )
    strict = organisation(revocation_lists=lists)
    assert code_of(lambda: strict.identify(ALICE.creator)) == "REVOKED"
    assert strict.identify(bob.creator).name == "Bob"  # another authority's list says nothing about him
    for damaged in (b"", b"-----BEGIN X509 CRL-----", AUTHORITY.certificate_pem):
        refused = code_of(lambda damaged=damaged: organisation(revocation_lists=(damaged,)))
        assert refused == "BAD_REVOCATION_LIST"


def test_intermediate_authorities() -> None:
    root = CertificateAuthority.create("Org 1", "Org1MSP", not_before=START, path_length=2)
    upper = root.intermediate("upper")
    lower, spare = upper.intermediate("lower"), root.intermediate("spare")
    terms = {
        "root_certificates": (root.certificate_pem,),
        "intermediate_certificates": tuple(known.certificate_pem for known in (lower, spare, upper)),
    }
    members = organisation(**terms)
    for authority in (lower, spare):
        assert members.identify(issued(authority)).name == "Carol"
    for authority in (root, upper):  # they have authorities below them
        assert code_of(lambda above=authority: members.identify(issued(above))) == "FOREIGN_CA"
    dan = lower.issue("Dan", role=None, not_before=START)
    strict = organisation(**terms, revocation_lists=(lower.revoke([dan.certificate.serial_number]),))
    assert code_of(lambda: strict.identify(dan.creator)) == "REVOKED"
    assert strict.identify(issued(lower)).name == "Carol"


def test_refused_intermediate_authorities() -> None:
    root = CertificateAuthority.create("Org 1", "Org1MSP", not_before=START, path_length=1)
    only = root.intermediate("only")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "deeper")])
    builder = x509.CertificateBuilder(only.certificate.subject, subject, KEY.public_key()).serial_number(9)
    builder = builder.not_valid_before(START).not_valid_after(START + timedelta(days=30))
    for extension in only.certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints | x509.KeyUsage):
            builder = builder.add_extension(extension.value, critical=True)
    deeper = builder.sign(only._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    own = only.certificate_pem
    cases: list[dict[str, object]] = [
        {"intermediate_certificates": (own,), "root_certificates": (OTHER.certificate_pem,)},
        {"intermediate_certificates": (own, deeper)},
        {"intermediate_certificates": (ALICE.certificate_pem,)},
        {
            "intermediate_certificates": (own,),
            "revocation_lists": (root.revoke([only.certificate.serial_number]),),
        },
        {"intermediate_certificates": (own,) * 64},
    ]
    for case in cases:
        terms = {"root_certificates": (root.certificate_pem,)} | case
        assert code_of(lambda terms=terms: organisation(**terms)) == "BAD_ROOT"
    assert code_of(lambda: only.intermediate("deeper")) == "BAD_ROOT"


def test_node_ous_as_the_organisation_calls_them() -> None:
    units = (NodeOU("peer", "Knoten"), NodeOU("admin", "Leitung"), NodeOU("client", "Leute"))
    named = organisation(node_ous=units)
    found = named.identify(in_units("Knoten", "peer"))
    assert (found.roles, found.ou) == ({"member", "peer"}, {"Knoten", "peer"})
    for unfit in (in_units("peer"), in_units("Knoten", "Leute"), in_units()):
        assert code_of(lambda unfit=unfit: named.identify(unfit)) == "BAD_NODE_OU"


def test_units_bound_to_an_authority() -> None:
    renewed = CertificateAuthority.create("Org 1", "Org1MSP", not_before=START)
    terms: dict[str, object] = {
        "root_certificates": (AUTHORITY.certificate_pem, renewed.certificate_pem),
        "node_ous": (NodeOU("client", "client", AUTHORITY.certificate_pem), NodeOU("admin", "admin")),
    }
    members = organisation(**terms)
    assert members.identify(ALICE.creator).roles == {"member", "client"}
    assert code_of(lambda: members.identify(issued(renewed))) == "BAD_NODE_OU"
    terms["node_ous"] = (NodeOU("admin", "admin", OTHER.certificate_pem),)
    assert code_of(lambda: organisation(**terms)) == "BAD_NODE_OU"


def test_without_node_ous_members_are_members() -> None:
    plain = organisation(node_ous=(), admins=(ALICE.certificate_pem,))
    assert plain.identify(ALICE.creator).roles == {"member", "admin"}
    assert plain.identify(AUTHORITY.issue("Peer", role=None, ou="peer").creator).roles == {"member"}
    assert code_of(lambda: organisation(node_ous=())) == "BAD_NODE_OU"  # nobody would be administrator


def test_an_administrator_by_name_needs_no_unit() -> None:
    odd = in_units("east")
    pem = identities_pb2.SerializedIdentity.FromString(odd).id_bytes
    assert organisation(admins=(pem,)).identify(odd).roles == {"admin"}


def test_units_that_members_must_have() -> None:
    strict = organisation(required_ous=(RequiredOU("east", AUTHORITY.certificate_pem),))
    assert strict.identify(in_units("peer", "east")).roles == {"member", "peer"}
    assert code_of(lambda: strict.identify(ALICE.creator)) == "BAD_NODE_OU"
    foreign = RequiredOU("east", OTHER.certificate_pem)
    assert code_of(lambda: organisation(required_ous=(foreign,))) == "BAD_NODE_OU"


def test_organisations_that_share_a_root_are_not_founded() -> None:
    again = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"1", not_before=START + timedelta(days=1))
    first = Organisation("Org1MSP", (AUTHORITY.certificate_pem,))
    second = Organisation("Org2MSP", (OTHER.certificate_pem, again.certificate_pem))
    assert code_of(lambda: check_distinct([first, second])) == "BAD_ROOT"
    # where Fabric has let them, one certificate makes two identities
    shared = Membership({mspid: [AUTHORITY.certificate_pem] for mspid in ("Org1MSP", "Org2MSP")})

    def member(mspid: str) -> Member:
        return shared.identify(creator(mspid, ALICE.certificate_pem), DURING)

    assert member("Org1MSP").fingerprint != member("Org2MSP").fingerprint


def test_fabric_itself_says_the_same_of_identities() -> None:
    golden = json.loads((Path(__file__).parent / "fabric" / "identities.json").read_text())
    block = common_pb2.Block.FromString(base64.b64decode(golden["genesis"]))
    members = Bundle.from_block(block).membership(clock=datetime(2026, 12, 1, tzinfo=UTC).timestamp)
    assert len(golden["identities"]) == 9
    for name, known in golden["identities"].items():
        serialised = base64.b64decode(known["creator"])
        if known["fabric"]:
            member = members.identify(serialised)
            assert [sorted(member.roles), member.certifiers.hex()] == known["fabric"], name
        else:
            code = code_of(lambda data=serialised: members.identify(data))
            assert code in {"REVOKED", "FOREIGN_CA"}, name
