from __future__ import annotations

import copy
import json
import pickle
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fedpact.identity import (
    ROLES,
    CertificateAuthority,
    Identity,
    IdentityError,
    PrivateKeySigner,
    common_name,
    public_key_hex,
    role_of,
)
from fedpact.identity.certificates import ATTRIBUTES_OID, load_certificate, organisational_units

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def seeded(seed: bytes = b"seed", mspid: str = "Org1MSP") -> CertificateAuthority:
    return CertificateAuthority.create("Org 1", mspid, seed=seed, not_before=START)


def test_one_seed_gives_byte_identical_certificates() -> None:
    first, second = seeded(), seeded()
    assert first.certificate_pem == second.certificate_pem
    alice, again = (ca.issue("Alice", role="member") for ca in (first, second))
    assert alice.certificate_pem == again.certificate_pem
    assert alice.creator == again.creator
    assert alice.sign(b"m") == again.sign(b"m")


def test_everything_differs_with_the_seed_the_organisation_and_the_name() -> None:
    alice = seeded().issue("Alice", role="member")
    others = [
        seeded(b"other").issue("Alice", role="member"),
        seeded(mspid="Org2MSP").issue("Alice", role="member"),
        seeded().issue("Bob", role="member"),
    ]
    for other in others:
        assert other.public_key != alice.public_key
        assert other.certificate.serial_number != alice.certificate.serial_number
    promoted = seeded().issue("Alice", role="admin")
    assert promoted.certificate.serial_number != alice.certificate.serial_number


def test_without_a_seed_nothing_repeats() -> None:
    first, second = (CertificateAuthority.create("Org 1", "Org1MSP", not_before=START) for _ in range(2))
    assert first.certificate_pem != second.certificate_pem
    assert first.issue("Alice", role=None).public_key != first.issue("Alice", role=None).public_key


def test_the_root_can_sign_certificates_and_nothing_else() -> None:
    root = seeded().certificate
    constraints = root.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)
    assert root.not_valid_before_utc == START
    assert root.not_valid_after_utc == START + timedelta(days=3650)


def test_an_issued_certificate_says_who_and_what() -> None:
    authority = seeded()
    alice = authority.issue("Alice", role="manager", ou="admin")
    certificate = load_certificate(alice.certificate_pem)
    certificate.verify_directly_issued_by(authority.certificate)
    assert common_name(certificate) == alice.name == "Alice"
    assert role_of(certificate) == alice.role == "manager"
    assert alice.id == "Org1MSP/Alice"
    assert organisational_units(certificate) == {"admin"}
    assert certificate.not_valid_before_utc == START
    assert certificate.not_valid_after_utc == START + timedelta(days=730)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert bytes.fromhex(public_key_hex(certificate))[0] == 4
    assert len(public_key_hex(certificate)) == 130
    attribute = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    assert isinstance(attribute, x509.UnrecognizedExtension)
    assert json.loads(attribute.value) == {"attrs": {"role": "manager"}}


@pytest.mark.parametrize("role", [*sorted(ROLES), None])
def test_every_role_round_trips(role: str | None) -> None:
    assert role_of(seeded().issue("Alice", role=role).certificate) == role


@pytest.mark.parametrize("name", ["a", "x" * 64, "Universitätsklinikum Süd", "device-7", "a b.c@d"])
def test_good_names(name: str) -> None:
    assert seeded().issue(name, role=None).name == name


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "a/b", "a\0b", "a\nb", "a\x7fb", "a\u202eb", "a\u2028b", "\ud800"]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(IdentityError) as caught:
        seeded().issue(name, role=None)
    assert caught.value.code == "BAD_NAME"


@pytest.mark.parametrize("mspid", ["", "Org/1", "Org 1", "x" * 65, "Org\n", "Ørg"])
def test_bad_msp_ids(mspid: str) -> None:
    with pytest.raises(IdentityError) as caught:
        CertificateAuthority.create("Org 1", mspid)
    assert caught.value.code == "BAD_NAME"


def test_refused_roles_units_and_times() -> None:
    authority = seeded()
    end = authority.certificate.not_valid_after_utc
    cases: list[tuple[str, dict[str, object]]] = [
        ("BAD_ROLE", {"role": "king"}),
        ("BAD_NODE_OU", {"role": None, "ou": "janitor"}),
        ("BAD_VALIDITY", {"role": None, "not_before": START - HOUR}),
        ("BAD_VALIDITY", {"role": None, "not_after": end + HOUR}),
        ("BAD_VALIDITY", {"role": None, "not_before": START + HOUR, "not_after": START}),
        ("BAD_VALIDITY", {"role": None, "not_before": datetime(2026, 2, 1)}),
    ]
    for code, arguments in cases:
        with pytest.raises(IdentityError) as caught:
            authority.issue("Alice", **arguments)  # type: ignore[arg-type]
        assert caught.value.code == code


def test_an_identity_ends_with_its_root_at_the_latest() -> None:
    authority = CertificateAuthority.create(
        "Org 1", "Org1MSP", seed=b"s", not_before=START, not_after=START + HOUR
    )
    assert authority.issue("Alice", role=None).certificate.not_valid_after_utc == START + HOUR


def test_a_root_of_this_moment_can_issue_at_once() -> None:
    now = datetime.now(UTC)
    authority = CertificateAuthority.create("Org 1", "Org1MSP", not_before=now)
    assert authority.issue("Alice", role=None).certificate.not_valid_before_utc == now.replace(microsecond=0)
    unhurried = CertificateAuthority.create("Org 1", "Org1MSP").issue("Alice", role=None)
    assert now - timedelta(minutes=7) < unhurried.certificate.not_valid_before_utc < now


@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_save_and_load(tmp_path: Path, password: bytes | None) -> None:
    authority = seeded()
    folder = tmp_path / "ca"
    authority.save(folder, password=password)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    loaded = CertificateAuthority.load(folder, password=password)
    assert (loaded.mspid, loaded.organisation) == ("Org1MSP", "Org 1")
    loaded.issue("Alice", role="member").certificate.verify_directly_issued_by(authority.certificate)


def test_load_refuses_a_foreign_key(tmp_path: Path) -> None:
    seeded().save(tmp_path)
    (tmp_path / "key.pem").write_bytes(PrivateKeySigner.generate().private_key_pem())
    with pytest.raises(IdentityError) as caught:
        CertificateAuthority.load(tmp_path)
    assert caught.value.code == "KEY_MISMATCH"


def test_an_identity_needs_its_own_key() -> None:
    alice, bob = (seeded().issue(name, role=None) for name in ("Alice", "Bob"))
    with pytest.raises(IdentityError) as caught:
        Identity("Org1MSP", alice.certificate_pem, bob.signer)
    assert caught.value.code == "KEY_MISMATCH"


@pytest.mark.parametrize(
    "pem", [b"", b"text", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_identity_needs_a_certificate(pem: bytes) -> None:
    with pytest.raises(IdentityError) as caught:
        Identity("Org1MSP", pem, PrivateKeySigner.generate())
    assert caught.value.code == "MALFORMED"


def test_nothing_with_a_key_is_pickled_copied_or_printed() -> None:
    authority = seeded()
    alice = authority.issue("Alice", role="member")
    assert repr(alice) == "Identity('Org1MSP/Alice', role='member')"
    assert repr(authority) == "CertificateAuthority('Org1MSP', 'Org 1')"
    for thing in (authority, alice):
        for leak in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                leak(thing)
