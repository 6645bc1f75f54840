"""Who calls: what the certificate says, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from fedpact.identity import CertificateAuthority
from fedpact_chaincode.caller import ATTRIBUTES_OID, Caller, caller_of
from fedpact_chaincode.errors import MALFORMED_IDENTITY, NOT_THE_OWNER, ROLE_REQUIRED
from fedpact_chaincode.testing import refused

ALICE = Caller("AlphaMSP", "alice", "member", "04")
KEY = ec.generate_private_key(ec.SECP256R1())


def creator(
    *names: str, mspid: str = "AlphaMSP", key: object = KEY, attributes: bytes | None = None
) -> bytes:
    """A self-signed certificate as some authority could issue it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False) for name in names])
    now = datetime(2024, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key())  # type: ignore[attr-defined]
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if attributes is not None:
        extension = x509.UnrecognizedExtension(ATTRIBUTES_OID, attributes)
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(KEY, hashes.SHA256())
    pem = certificate.public_bytes(Encoding.PEM)
    return identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString()


def test_the_certificate_says_who_it_is() -> None:
    identity = CertificateAuthority.create("Alpha", "AlphaMSP", seed=b"s" * 32).issue("alice", role="manager")
    caller = caller_of(identity.creator)
    assert (caller.mspid, caller.name, caller.role, caller.id) == (
        "AlphaMSP",
        "alice",
        "manager",
        identity.id,
    )
    point = bytes.fromhex(caller.public_key)
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point) == identity.public_key


def test_a_certificate_without_attributes_has_no_role() -> None:
    assert caller_of(creator("alice")).role == ""
    assert caller_of(creator("alice", attributes=b"{}")).role == ""
    role = json.dumps({"attrs": {"role": "admin", "hf.Type": "client"}}).encode()
    assert caller_of(creator("alice", attributes=role)).role == "admin"


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\xff" * 40,
        identities_pb2.SerializedIdentity(mspid="AlphaMSP", id_bytes=b"no certificate").SerializeToString(),
        creator(),
        creator("alice", "bob"),
        creator("alice", attributes=b"no JSON"),
        creator("alice", attributes=b"[]"),
        creator("alice", key=ed25519.Ed25519PrivateKey.generate()),
        creator("alice", key=ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=[
        "empty",
        "noise",
        "no certificate",
        "no name",
        "two names",
        "attributes are no JSON",
        "attributes are a list",
        "Ed25519",
        "P-384",
    ],
)
def test_malformed_identities(malformed: bytes) -> None:
    with refused(MALFORMED_IDENTITY):
        caller_of(malformed)


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize("name", ["", "x" * 65, "escrow/task", "a\x00b", "line\nbreak", "AlphaMSP/alice"])
def test_an_authority_cannot_certify_names_that_break_keys(name: str) -> None:
    with refused(MALFORMED_IDENTITY):
        caller_of(creator(name))


@pytest.mark.parametrize("mspid", ["", "Alpha/MSP", "x" * 65, "Alpha MSP", "Alpha\x00"])
def test_unusable_mspids(mspid: str) -> None:
    with refused(MALFORMED_IDENTITY):
        caller_of(creator("alice", mspid=mspid))


def test_roles_organisations_and_identities_are_required() -> None:
    ALICE.require_role("admin", "member")
    ALICE.require_organisation("AlphaMSP")
    ALICE.require_identity("AlphaMSP/alice")
    with refused(ROLE_REQUIRED, caller="AlphaMSP/alice", role="member", required=["admin"]):
        ALICE.require_role("admin")
    with refused(NOT_THE_OWNER, caller="AlphaMSP/alice", owner="BetaMSP"):
        ALICE.require_organisation("BetaMSP")
    with refused(NOT_THE_OWNER, owner="AlphaMSP/bob"):
        ALICE.require_identity("AlphaMSP/bob")


def test_no_role_is_no_role() -> None:
    with refused(ROLE_REQUIRED):
        Caller("AlphaMSP", "alice", "", "04").require_role("admin")
