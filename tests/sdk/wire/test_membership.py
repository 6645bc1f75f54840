from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.identity import CertificateAuthority, IdentityError
from fedpact.identity.certificates import ATTRIBUTES_OID
from fedpact.identity.seeds import P256_ORDER, derive_private_key
from fedpact.wire import membership as membership_module
from fedpact.wire.membership import Membership

START = datetime(2026, 1, 1, tzinfo=UTC)
DURING = (START + timedelta(days=1)).timestamp()
AUTHORITY = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"1", not_before=START)
OTHER = CertificateAuthority.create("Org 1", "Org2MSP", seed=b"2", not_before=START)
AUTHORITY_KEY = derive_private_key(b"1", "Org1MSP/authority")
ALICE = AUTHORITY.issue("Alice", role="member")
Builder = x509.CertificateBuilder


def channel() -> Membership:
    roots = {"Org1MSP": [AUTHORITY.certificate_pem], "Org2MSP": [OTHER.certificate_pem]}
    return Membership(roots, clock=lambda: DURING)


CHANNEL = channel()


def creator(mspid: str, pem: bytes) -> bytes:
    return bytes(identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=pem).SerializeToString())


def subject(*names: str, ou: tuple[str, ...] = ("client",)) -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit) for unit in ou]
    return x509.Name([*units, *(x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names)])


def certificate(
    change: Callable[[Builder], Builder] = lambda builder: builder,
    *,
    name: x509.Name | None = None,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None,
    algorithm: hashes.SHA224 | hashes.SHA256 | None = None,
) -> bytes:
    """A creator with a certificate that the organisation's real authority has signed."""
    public_key = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
    builder = (
        Builder(AUTHORITY.certificate.subject, name or subject("Mallory"), public_key)
        .serial_number(7)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=30))
    )
    made = change(builder).sign(AUTHORITY_KEY, algorithm or hashes.SHA256())
    return creator("Org1MSP", made.public_bytes(serialization.Encoding.PEM))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(IdentityError) as caught:
        call()
    return caught.value.code


def refusal(creator_bytes: bytes, at_s: float | None = None) -> str:
    return code_of(lambda: CHANNEL.identify(creator_bytes, at_s))


def test_a_member_is_who_the_certificate_says() -> None:
    member = CHANNEL.identify(ALICE.creator)
    assert (member.mspid, member.name, member.role, member.ou) == ("Org1MSP", "Alice", "member", {"client"})
    assert member.id == ALICE.id
    assert member.public_key == ALICE.public_key
    assert member.certificate == ALICE.certificate
    assert CHANNEL.mspids == ("Org1MSP", "Org2MSP")


def test_the_chain_is_checked_once() -> None:
    assert CHANNEL.identify(ALICE.creator) is CHANNEL.identify(bytes(bytearray(ALICE.creator)))


def test_plain_certificates_without_extensions_are_members() -> None:
    member = CHANNEL.identify(certificate())
    assert (member.name, member.role) == ("Mallory", None)


def test_a_signature_is_checked() -> None:
    signature = ALICE.sign(b"message")
    assert CHANNEL.verify(ALICE.creator, b"message", signature).id == ALICE.id
    bob = AUTHORITY.issue("Bob", role=None)
    refused = [
        (ALICE.creator, b"other message", signature),
        (bob.creator, b"message", signature),
        (ALICE.creator, b"message", b""),
        (ALICE.creator, b"message", signature[:-1]),
        (ALICE.creator, b"message", signature + b"\0"),
    ]
    for creator_bytes, message, wrong in refused:
        assert code_of(lambda c=creator_bytes, m=message, s=wrong: CHANNEL.verify(c, m, s)) == "BAD_SIGNATURE"


def test_the_other_form_of_a_valid_signature_is_refused() -> None:
    r, s = utils.decode_dss_signature(ALICE.sign(b"message"))
    high = utils.encode_dss_signature(r, P256_ORDER - s)
    ALICE.public_key.verify(high, b"message", ec.ECDSA(hashes.SHA256()))
    assert code_of(lambda: CHANNEL.verify(ALICE.creator, b"message", high)) == "HIGH_S"


@given(st.binary(max_size=100))
def test_no_bytes_are_a_signature(signature: bytes) -> None:
    assert code_of(lambda: CHANNEL.verify(ALICE.creator, b"message", signature)) == "BAD_SIGNATURE"


@given(st.data())
@settings(max_examples=200)
def test_signatures_with_changed_bytes_are_refused(data: st.DataObject) -> None:
    signature = bytearray(ALICE.sign(b"message"))
    place = data.draw(st.integers(0, len(signature) - 1))
    signature[place] ^= data.draw(st.integers(1, 255))
    assert code_of(lambda: CHANNEL.verify(ALICE.creator, b"message", bytes(signature))) == "BAD_SIGNATURE"


def test_validity_is_checked_at_every_call() -> None:
    member = channel()
    begin, end = ALICE.certificate.not_valid_before_utc, ALICE.certificate.not_valid_after_utc
    assert member.identify(ALICE.creator, begin.timestamp()).name == "Alice"
    assert member.identify(ALICE.creator, end.timestamp()).name == "Alice"
    assert code_of(lambda: member.identify(ALICE.creator, begin.timestamp() - 1)) == "NOT_YET_VALID"
    assert code_of(lambda: member.identify(ALICE.creator, end.timestamp() + 1)) == "EXPIRED"
    signature = ALICE.sign(b"m")
    assert code_of(lambda: member.verify(ALICE.creator, b"m", signature, end.timestamp() + 1)) == "EXPIRED"


def test_without_a_time_the_clock_decides() -> None:
    now = DURING
    member = Membership({"Org1MSP": [AUTHORITY.certificate_pem]}, clock=lambda: now)
    assert member.identify(ALICE.creator).name == "Alice"
    now += 3 * 366 * 86_400
    assert code_of(lambda: member.identify(ALICE.creator)) == "EXPIRED"


def test_a_member_ends_with_its_root() -> None:
    short = CertificateAuthority.create(
        "Org 1", "Org1MSP", seed=b"1", not_before=START, not_after=START + timedelta(days=2)
    )
    member = Membership({"Org1MSP": [short.certificate_pem]})
    creator_bytes = certificate()
    assert member.identify(creator_bytes, DURING).name == "Mallory"
    assert code_of(lambda: member.identify(creator_bytes, DURING + 2 * 86_400)) == "EXPIRED"


def test_foreign_certificates() -> None:
    stranger = CertificateAuthority.create("Org 1", "Org1MSP", not_before=START).issue("Alice", role="admin")
    assert refusal(stranger.creator) == "FOREIGN_CA"
    assert refusal(creator("Org2MSP", ALICE.certificate_pem)) == "FOREIGN_CA"
    assert refusal(creator("Org9MSP", ALICE.certificate_pem)) == "UNKNOWN_MSP"
    assert refusal(creator("", ALICE.certificate_pem)) == "UNKNOWN_MSP"
    assert refusal(certificate(algorithm=hashes.SHA224())) == "FOREIGN_CA"


def test_certificates_below_an_intermediate_are_not_direct() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject("intermediate", ou=())

    def authority(builder: Builder) -> Builder:
        return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)

    intermediate = certificate(authority, key=key, name=name)
    assert refusal(intermediate) == "CA_CERTIFICATE"
    leaf = Builder(name, subject("Eve"), key.public_key()).serial_number(8)
    leaf = leaf.not_valid_before(START).not_valid_after(START + timedelta(days=30))
    pem = leaf.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    assert refusal(creator("Org1MSP", pem)) == "FOREIGN_CA"


def test_the_root_itself_is_no_member() -> None:
    assert refusal(creator("Org1MSP", AUTHORITY.certificate_pem)) == "CA_CERTIFICATE"


def test_keys_that_do_not_sign() -> None:
    flags = dict.fromkeys(
        ["digital_signature", "content_commitment", "data_encipherment", "key_agreement", "key_cert_sign"],
        False,
    )
    usage = x509.KeyUsage(
        **flags, key_encipherment=True, crl_sign=False, encipher_only=False, decipher_only=False
    )
    assert refusal(certificate(lambda b: b.add_extension(usage, critical=True))) == "CA_CERTIFICATE"


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()]
)
def test_other_kinds_of_keys(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
    assert refusal(certificate(key=key)) == "WRONG_CURVE"


def test_unknown_critical_extensions() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert refusal(certificate(lambda b: b.add_extension(unknown, critical=True))) == "MALFORMED"
    assert CHANNEL.identify(certificate(lambda b: b.add_extension(unknown, critical=False))).name == "Mallory"


@pytest.mark.parametrize(
    "attributes",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"attrs": 1}',
        b'{"attrs": {"role": 1}}',
        b'{"attrs": {"role": ""}}',
        b"[" * 9000,
    ],
)
def test_malformed_attributes(attributes: bytes) -> None:
    extension = x509.UnrecognizedExtension(ATTRIBUTES_OID, attributes)
    assert refusal(certificate(lambda b: b.add_extension(extension, critical=False))) == "MALFORMED"


@pytest.mark.parametrize(
    ("attributes", "role"), [({}, None), ({"hf.Type": "x"}, None), ({"role": "guest"}, "guest")]
)
def test_attributes_of_a_fabric_ca(attributes: dict[str, str], role: str | None) -> None:
    extension = x509.UnrecognizedExtension(ATTRIBUTES_OID, json.dumps({"attrs": attributes}).encode())
    assert CHANNEL.identify(certificate(lambda b: b.add_extension(extension, critical=False))).role == role


@pytest.mark.parametrize("names", [(), ("a", "b"), ("a/b",), ("a\0b",), ("a\nb",)])
def test_names_that_could_mislead(names: tuple[str, ...]) -> None:
    assert refusal(certificate(name=subject(*names))) == "BAD_NAME"


@pytest.mark.parametrize("ou", [(), ("department",), ("client", "peer")])
def test_exactly_one_node_ou(ou: tuple[str, ...]) -> None:
    assert refusal(certificate(name=subject("Mallory", ou=ou))) == "BAD_NODE_OU"


def test_further_organisational_units_are_kept() -> None:
    assert CHANNEL.identify(certificate(name=subject("M", ou=("peer", "east")))).ou == {"peer", "east"}


def test_several_roots_of_one_name() -> None:
    renewed = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"renewed", not_before=START)
    roots = [renewed.certificate_pem, AUTHORITY.certificate_pem]
    member = Membership({"Org1MSP": roots}, clock=lambda: DURING)
    assert member.identify(ALICE.creator).name == "Alice"
    assert member.identify(renewed.issue("Bob", role=None).creator).name == "Bob"


def test_roots_must_be_authorities() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    name = subject("edwards", ou=())
    builder = Builder(name, name, edwards.public_key()).serial_number(1).not_valid_before(START)
    builder = builder.not_valid_after(START + timedelta(days=1))
    bare = builder.sign(edwards, None).public_bytes(serialization.Encoding.PEM)
    for roots in ([], [ALICE.certificate_pem], [bare]):
        assert code_of(lambda roots=roots: Membership({"Org1MSP": roots})) == "BAD_ROOT"
    assert code_of(lambda: Membership({"Org1MSP": [b"no certificate"]})) == "MALFORMED"
    assert code_of(lambda: Membership({"Org/1": [AUTHORITY.certificate_pem]})) == "BAD_NAME"


def test_one_identity_has_one_encoding() -> None:
    pem = ALICE.certificate_pem
    variants = [
        ALICE.creator + b"\x1a\x01x",  # an unknown field
        ALICE.creator + creator("Org1MSP", pem),  # fields given twice
        creator("Org1MSP", b"comment\n" + pem),
        creator("Org1MSP", pem + pem),
        creator("Org1MSP", pem + b"comment"),
        creator("Org1MSP", b"-" * 17_000),
        creator("Org1MSP", pem + b"\n" * 30_000),
        creator("Org1MSP", ALICE.certificate.public_bytes(serialization.Encoding.DER)),
    ]
    assert {refusal(variant) for variant in variants} == {"MALFORMED"}


def test_a_re_encoded_authority_signature_is_the_same_identity() -> None:
    r, s = utils.decode_dss_signature(ALICE.certificate.signature)
    twin = b"\0" + utils.encode_dss_signature(r, P256_ORDER - s)
    ecdsa_with_sha256 = bytes.fromhex("300a06082a8648ce3d040302")
    body = ALICE.certificate.tbs_certificate_bytes + ecdsa_with_sha256 + b"\x03" + bytes([len(twin)]) + twin
    der = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    assert pem != ALICE.certificate_pem
    twice = CHANNEL.identify(creator("Org1MSP", pem))
    assert twice.fingerprint == CHANNEL.identify(ALICE.creator).fingerprint


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_are_refused_in_order(noise: bytes) -> None:
    for creator_bytes in (noise, creator("Org1MSP", noise)):
        assert refusal(creator_bytes) in {"MALFORMED", "UNKNOWN_MSP"}


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_changed_bytes_of_a_good_certificate_are_refused_in_order(data: st.DataObject) -> None:
    der = bytearray(ALICE.certificate.public_bytes(serialization.Encoding.DER))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(der) - 1))
        der[place] = data.draw(st.integers(0, 255).filter(lambda byte, place=place: byte != der[place]))
    body = base64.encodebytes(bytes(der))
    pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
    try:
        member = CHANNEL.identify(creator("Org1MSP", pem))
    except IdentityError:
        return
    # only the encoding of the authority's signature can change unnoticed: it is the same identity
    assert member.fingerprint == CHANNEL.identify(ALICE.creator).fingerprint


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_changed_bytes_of_a_creator_are_refused_in_order(data: st.DataObject) -> None:
    changed = bytearray(ALICE.creator)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        member = CHANNEL.identify(bytes(changed))
    except IdentityError:
        return
    # Only the white space of the PEM armour carries no meaning.
    assert member.certificate == ALICE.certificate


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership_module, "_MAX_KNOWN", 3)
    small = channel()
    people = [AUTHORITY.issue(f"person {number}", role=None) for number in range(5)]
    for person in people * 2:
        assert small.identify(person.creator).name == person.name
    assert len(small._known) == 3
