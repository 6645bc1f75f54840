"""What fedpact reads from, and writes into, an X.509 certificate."""

import json
import re
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from fedpact.identity.errors import IdentityCode, IdentityError

__all__ = [
    "ATTRIBUTES_OID",
    "NODE_OUS",
    "ROLES",
    "attributes_extension",
    "check_mspid",
    "check_name",
    "common_name",
    "load_certificate",
    "organisational_units",
    "public_key_hex",
    "role_of",
]

ATTRIBUTES_OID: Final = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""Fabric CA's extension: JSON ``{"attrs": {"role": "admin"}}``."""

ROLES: Final = frozenset({"admin", "member", "device", "manager", "validator"})
"""Roles of the consortium, carried as the certificate's `role` attribute."""

NODE_OUS: Final = frozenset({"client", "peer", "admin", "orderer"})
"""Fabric's Node OUs: what kind of party in the network the certificate belongs to."""

MAX_CERTIFICATE_BYTES: Final = 16 * 1024

_MSPID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_PEM_END = b"-----END CERTIFICATE-----"
_MAX_NAME = 64


def check_name(name: str) -> str:
    """Return a common name when it is 1 to 64 printable characters without '/'.

    The rule keeps ``<mspid>/<name>`` unambiguous and safe to print and to use inside ledger keys.

    Raises
    ------
    IdentityError
        BAD_NAME.
    """
    printable = all(
        unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in ("Zl", "Zp") for c in name
    )
    if not 1 <= len(name) <= _MAX_NAME or "/" in name or not printable:
        raise IdentityError(IdentityCode.BAD_NAME, "a name has 1 to 64 printable characters and no '/'")
    return name


def check_mspid(mspid: str) -> str:
    """Return an MSP identifier when it is 1 to 64 letters, digits, dots and hyphens (Fabric's alphabet).

    Raises
    ------
    IdentityError
        BAD_NAME.
    """
    if not _MSPID.fullmatch(mspid):
        raise IdentityError(IdentityCode.BAD_NAME, "an MSP id has 1 to 64 letters, digits, dots and hyphens")
    return mspid


def load_certificate(pem: bytes) -> x509.Certificate:
    """Read exactly one PEM certificate of at most 16 KiB, with no other text around it.

    Raises
    ------
    IdentityError
        MALFORMED.
    """
    alone = pem.startswith(_PEM_BEGIN) and pem.rstrip().endswith(_PEM_END) and pem.count(b"-----BEGIN") == 1
    if len(pem) > MAX_CERTIFICATE_BYTES or not alone:
        raise IdentityError(IdentityCode.MALFORMED, "expected exactly one PEM certificate of at most 16 KiB")
    try:
        return x509.load_pem_x509_certificate(pem)
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise IdentityError(IdentityCode.MALFORMED, "this is not an X.509 certificate") from error


def common_name(certificate: x509.Certificate) -> str:
    """Return the one common name of the certificate's subject.

    Raises
    ------
    IdentityError
        BAD_NAME when there is none, more than one, or one that `check_name` refuses.
    """
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1 or not isinstance(names[0].value, str):
        raise IdentityError(IdentityCode.BAD_NAME, "a certificate must have exactly one common name")
    return check_name(names[0].value)


def organisational_units(certificate: x509.Certificate) -> frozenset[str]:
    """Return the subject's organisational units; exactly one of them is expected to be a Node OU."""
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return frozenset(str(unit.value) for unit in units)


def attributes_extension(role: str | None) -> x509.UnrecognizedExtension:
    """Build Fabric CA's attribute extension that carries the role.

    Raises
    ------
    IdentityError
        BAD_ROLE when the role is not one of `ROLES`.
    """
    if role is not None and role not in ROLES:
        raise IdentityError(
            IdentityCode.BAD_ROLE, f"unknown role {role!r}; known are {', '.join(sorted(ROLES))}"
        )
    attributes = {} if role is None else {"role": role}
    value = json.dumps({"attrs": attributes}, separators=(",", ":"), sort_keys=True)
    return x509.UnrecognizedExtension(ATTRIBUTES_OID, value.encode())


def role_of(certificate: x509.Certificate) -> str | None:
    """Return the role attribute, or None when the certificate has none.

    A role outside `ROLES`, which a foreign CA may have issued for its own ends, is returned as it
    is: whoever checks a role compares it with the one that is required.

    Raises
    ------
    IdentityError
        MALFORMED when the extension is not what Fabric CA writes.
    """
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return None
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise IdentityError(IdentityCode.MALFORMED, "the certificate's extensions cannot be read") from error
    return _role_in(extension.value if isinstance(extension, x509.UnrecognizedExtension) else b"")


def public_key_hex(certificate: x509.Certificate) -> str:
    """Return the certificate's public key as the hex of its uncompressed point (65 bytes for P-256)."""
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    return certificate.public_key().public_bytes(encoding, form).hex()


def _role_in(value: bytes) -> str | None:
    try:
        document = json.loads(value)
        role = document.get("attrs", {}).get("role")
    except (ValueError, AttributeError, RecursionError) as error:
        raise IdentityError(
            IdentityCode.MALFORMED, "the attribute extension is not Fabric CA's JSON"
        ) from error
    if role is not None and (not isinstance(role, str) or not 1 <= len(role) <= _MAX_NAME):
        raise IdentityError(IdentityCode.MALFORMED, "the role attribute is not a short text")
    return role
