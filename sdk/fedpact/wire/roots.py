"""The root certificates of a channel's organisations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedpact.identity.certificates import check_mspid, load_certificate
from fedpact.identity.errors import IdentityCode, IdentityError

__all__ = ["Root", "issuer_of", "load_roots"]

_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class Root:
    """A root certificate and when it is valid, in seconds since the epoch."""

    certificate: x509.Certificate
    not_before_s: float
    not_after_s: float


def load_roots(organisations: Mapping[str, Sequence[bytes]]) -> dict[str, tuple[Root, ...]]:
    """Read the roots (PEM) of every organisation, by MSP identifier.

    Raises
    ------
    IdentityError
        BAD_ROOT when there is none, one is not an authority, or two organisations share one:
        a member of the one could then speak for the other. MALFORMED, BAD_NAME.
    """
    loaded = {check_mspid(mspid): tuple(_load(pem) for pem in pems) for mspid, pems in organisations.items()}
    owners: dict[bytes, str] = {}
    for mspid, roots in loaded.items():
        if not roots:
            raise IdentityError(IdentityCode.BAD_ROOT, f"{mspid} needs at least one root certificate")
        for root in roots:
            key = root.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            if owners.setdefault(key, mspid) != mspid:
                raise IdentityError(
                    IdentityCode.BAD_ROOT, f"{mspid} and {owners[key]} share a root certificate"
                )
    return loaded


def issuer_of(certificate: x509.Certificate, roots: Sequence[Root]) -> Root:
    """Return the root that has signed this certificate, with SHA-256 or stronger.

    Raises
    ------
    IdentityError
        FOREIGN_CA when none has.
    """
    if isinstance(certificate.signature_hash_algorithm, _STRONG_HASHES):
        for root in roots:
            try:
                certificate.verify_directly_issued_by(root.certificate)
            except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                continue
            return root
    raise IdentityError(IdentityCode.FOREIGN_CA, "no root of the organisation has issued this certificate")


def _load(pem: bytes) -> Root:
    certificate = load_certificate(pem)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usable = constraints.ca and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        usable = usable and usage.key_cert_sign
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise IdentityError(IdentityCode.BAD_ROOT, "the root's constraints cannot be read") from error
    if not usable:
        raise IdentityError(
            IdentityCode.BAD_ROOT, "a root must be a certificate authority with an elliptic key"
        )
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Root(certificate, begin.timestamp(), end.timestamp())
