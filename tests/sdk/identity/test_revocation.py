from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from fedpact.identity import CertificateAuthority, IdentityError

START = datetime(2026, 1, 1, tzinfo=UTC)
AUTHORITY = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"1", not_before=START)


def entries(pem: bytes) -> dict[int, datetime]:
    return {known.serial_number: known.revocation_date_utc for known in x509.load_pem_x509_crl(pem)}


def test_a_list_names_what_was_revoked_and_when() -> None:
    made = AUTHORITY.revoke([5, 3], at=START)
    loaded = x509.load_pem_x509_crl(made)
    assert entries(made) == {3: START, 5: START}
    assert loaded.is_signature_valid(AUTHORITY.certificate.public_key())  # type: ignore[arg-type]
    assert loaded.issuer == AUTHORITY.certificate.subject
    assert loaded.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
    loaded.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)  # Fabric asks for it


def test_the_next_list_keeps_the_entries_of_the_one_before() -> None:
    later = START + timedelta(days=1)
    second = AUTHORITY.revoke([3, 7], previous=AUTHORITY.revoke([3], at=START), at=later)
    assert entries(second) == {3: START, 7: later}
    number = x509.load_pem_x509_crl(second).extensions.get_extension_for_class(x509.CRLNumber).value
    assert number.crl_number == 2


def test_a_seed_makes_equal_lists() -> None:
    again = CertificateAuthority.create("Org 1", "Org1MSP", seed=b"1", not_before=START)
    assert again.revoke([1], at=START) == AUTHORITY.revoke([1], at=START)


def test_only_own_lists_are_continued() -> None:
    other = CertificateAuthority.create("Org 2", "Org2MSP")
    for previous in (b"no list", other.revoke([1])):
        with pytest.raises(IdentityError) as caught:
            AUTHORITY.revoke([2], previous=previous)
        assert caught.value.code == "BAD_REVOCATION_LIST"


def test_an_intermediate_is_certified_by_the_authority_above() -> None:
    root = CertificateAuthority.create("Org 1", "Org1MSP", path_length=1)
    below = root.intermediate("ward")
    below.certificate.verify_directly_issued_by(root.certificate)
    assert (below.mspid, below.organisation) == ("Org1MSP", "Org 1")
    below.issue("Alice", role="member").certificate.verify_directly_issued_by(below.certificate)
    for authority in (below, AUTHORITY):  # no room below them
        with pytest.raises(IdentityError, match="BAD_ROOT"):
            authority.intermediate("deeper")
