"""The authorities of an organisation: roots, intermediates below them, and what they have revoked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedpact.identity.certificates import check_mspid, load_certificate
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.signer import lower_s
from fedpact.wire.organisations import Organisation

__all__ = [
    "Authority",
    "check_distinct",
    "issuer_of",
    "load_authorities",
    "load_revocation_list",
    "signed_by",
]

MAX_AUTHORITIES = 64
MAX_REVOCATION_LISTS = 64

_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of an organisation.

    Attributes
    ----------
    certificate
        Its certificate.
    not_before_s, not_after_s
        When it and all above it are valid, in seconds since the epoch.
    chain
        SHA-256 over its certificate and those above it: Fabric's certifiers' identifier.
    certificates
        Its certificate in DER and those above it, as they go into `chain`.
    below
        How many further authorities its path may have; None: any number.
    revocation_lists
        The lists that it has signed.
    issues_members
        Whether it vouches for members itself. One with authorities below does not, as in Fabric.
    """

    certificate: x509.Certificate
    not_before_s: float
    not_after_s: float
    chain: bytes
    certificates: tuple[bytes, ...]
    below: int | None
    revocation_lists: tuple[x509.CertificateRevocationList, ...] = ()
    issues_members: bool = True

    def has_revoked(self, serial_number: int) -> bool:
        """Tell whether a certificate that it issued was revoked."""
        lists = self.revocation_lists
        return any(known.get_revoked_certificate_by_serial_number(serial_number) for known in lists)


def load_authorities(organisation: Organisation) -> tuple[Authority, ...]:
    """Read an organisation's authorities.

    Raises
    ------
    IdentityError
        BAD_ROOT when there is no root, one is not an authority, or an intermediate is not below a
        root or was revoked; BAD_REVOCATION_LIST, MALFORMED, BAD_NAME.
    """
    mspid = check_mspid(organisation.mspid)
    intermediates = [load_certificate(pem) for pem in organisation.intermediate_certificates]
    roots = [load_certificate(pem) for pem in organisation.root_certificates]
    if not 1 <= len(roots) <= len(roots) + len(intermediates) <= MAX_AUTHORITIES:
        raise _bad_root(f"{mspid} needs at least one root certificate, at most {MAX_AUTHORITIES} authorities")
    lists = [load_revocation_list(pem) for pem in organisation.revocation_lists]
    if len(lists) > MAX_REVOCATION_LISTS:
        raise IdentityError(
            IdentityCode.BAD_REVOCATION_LIST, f"at most {MAX_REVOCATION_LISTS} revocation lists"
        )
    found = [_authority(certificate, None, lists) for certificate in roots]
    while intermediates:
        waiting = []
        for certificate in intermediates:
            try:
                parent = issuer_of(certificate, found)
            except IdentityError:
                waiting.append(certificate)
                continue
            found[found.index(parent)] = parent = replace(parent, issues_members=False)
            found.append(_authority(certificate, parent, lists))
        if len(waiting) == len(intermediates):
            raise _bad_root(f"an intermediate certificate of {mspid} is below none of its roots")
        intermediates = waiting
    return tuple(found)


def check_distinct(organisations: Iterable[Organisation]) -> None:
    """Refuse (BAD_ROOT) organisations that share a root: members of the one could speak for the other.

    Raises what `load_authorities` raises.
    """
    owners: dict[bytes, str] = {}
    for organisation in organisations:
        for authority in load_authorities(organisation):
            key = authority.certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
            owner = owners.setdefault(key, organisation.mspid)
            if owner != organisation.mspid:
                raise _bad_root(f"{organisation.mspid} and {owner} share a root certificate")


def issuer_of(certificate: x509.Certificate, authorities: Sequence[Authority]) -> Authority:
    """Return the authority that has signed this certificate, with SHA-256 or stronger.

    Raises
    ------
    IdentityError
        FOREIGN_CA when none has.
    """
    if isinstance(certificate.signature_hash_algorithm, _STRONG_HASHES):
        for authority in authorities:
            try:
                certificate.verify_directly_issued_by(authority.certificate)
            except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                continue
            return authority
    raise IdentityError(
        IdentityCode.FOREIGN_CA, "no authority of the organisation has issued this certificate"
    )


def load_revocation_list(pem: bytes) -> x509.CertificateRevocationList:
    """Read a revocation list; it names its authority's key, as Fabric wants it.

    Raises
    ------
    IdentityError
        BAD_REVOCATION_LIST.
    """
    try:
        found = x509.load_pem_x509_crl(pem)
        found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise IdentityError(
            IdentityCode.BAD_REVOCATION_LIST, "this is no revocation list that names its authority's key"
        ) from error
    return found


def signed_by(revocations: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Tell whether an authority has signed a revocation list."""
    key = authority.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and revocations.is_signature_valid(key)


def _authority(
    certificate: x509.Certificate,
    parent: Authority | None,
    lists: Sequence[x509.CertificateRevocationList],
) -> Authority:
    below = _path_length(certificate)
    begin = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    above: tuple[bytes, ...] = ()
    if parent is not None:
        if parent.has_revoked(certificate.serial_number):
            raise _bad_root("an intermediate certificate was revoked")
        if parent.below is not None:
            if parent.below == 0:
                raise _bad_root("an authority's path is longer than its certificate allows")
            below = parent.below - 1 if below is None else min(below, parent.below - 1)
        begin, end = max(begin, parent.not_before_s), min(end, parent.not_after_s)
        above = parent.certificates
    own = tuple(known for known in lists if signed_by(known, certificate))
    certificates = (_canonical(certificate), *above)
    chain = sha256(b"".join(certificates)).digest()
    return Authority(certificate, begin, end, chain, certificates, below, own)


def _path_length(certificate: x509.Certificate) -> int | None:
    """Check that a certificate is an authority's; return how long its path may be."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usable = constraints.ca and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        usable = usable and usage.key_cert_sign
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise _bad_root("the root's constraints cannot be read") from error
    if not usable:
        raise _bad_root("a root must be a certificate authority with an elliptic key")
    return constraints.path_length


def _canonical(certificate: x509.Certificate) -> bytes:
    """Return the certificate in DER with a low S in its signature: what Fabric makes of it."""
    data = certificate.public_bytes(Encoding.DER)
    if not isinstance(certificate.signature_algorithm_parameters, ec.ECDSA):
        return data
    signed = certificate.tbs_certificate_bytes
    begin = data.index(signed) + len(signed)
    algorithm = data[begin : begin + 2 + data[begin + 1]]
    signature = b"\0" + lower_s(certificate.signature)
    body = signed + algorithm + b"\x03" + _length(signature) + signature
    return b"\x30" + _length(body) + body


def _length(content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((size,))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(length),)) + length


def _bad_root(detail: str) -> IdentityError:
    return IdentityError(IdentityCode.BAD_ROOT, detail)
