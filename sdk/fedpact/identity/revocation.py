"""Revocation lists: which of its certificates an authority no longer stands for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fedpact.identity.errors import IdentityCode, IdentityError

__all__ = ["make_revocation_list"]

MAX_REVOKED = 100_000


def make_revocation_list(
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    serial_numbers: Iterable[int],
    *,
    previous: bytes | None,
    at: datetime,
    deterministic: bool,
) -> bytes:
    """Make an authority's next revocation list (PEM).

    Parameters
    ----------
    certificate, key
        The authority's.
    serial_numbers
        Of the certificates to revoke.
    previous
        The list before (PEM), whose entries stay; None: this is the first.
    at
        When they are revoked, with a time zone.
    deterministic
        Whether equal lists have equal signatures.

    Raises
    ------
    IdentityError
        BAD_REVOCATION_LIST when `previous` is no list of this authority, or there are more than
        100,000 entries.
    """
    entries = dict.fromkeys(serial_numbers, at)
    number = 1
    if previous is not None:
        before = _load(previous, certificate)
        number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        entries |= {known.serial_number: known.revocation_date_utc for known in before}
    if len(entries) > MAX_REVOKED:
        raise _refusal(f"a list has at most {MAX_REVOKED} entries")
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(at)
        .next_update(max(at, certificate.not_valid_after_utc))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, moment in sorted(entries.items()):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment).build()
        builder = builder.add_revoked_certificate(entry)
    made = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=deterministic)
    return made.public_bytes(serialization.Encoding.PEM)


def _load(pem: bytes, certificate: x509.Certificate) -> x509.CertificateRevocationList:
    try:
        found = x509.load_pem_x509_crl(pem)
        own = found.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise _refusal("the previous list cannot be read") from error
    if not own:
        raise _refusal("the previous list is another authority's")
    return found


def _refusal(detail: str) -> IdentityError:
    return IdentityError(IdentityCode.BAD_REVOCATION_LIST, detail)
