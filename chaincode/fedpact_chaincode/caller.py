"""Who calls: what the certificate says, and nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from fabric_protos.msp import identities_pb2

from fedpact_chaincode.errors import MALFORMED_IDENTITY, NOT_THE_OWNER, ROLE_REQUIRED, Rejected

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")
"""The extension in which Fabric CA keeps certificate attributes, as JSON."""

_MSPID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,64}")
_P256_POINT_BYTES = 65


@dataclass(frozen=True, slots=True)
class Caller:
    """The creator of a transaction.

    Attributes
    ----------
    mspid : the organisation whose CA issued the certificate.
    name : the certificate's common name; unique within the organisation.
    role : `admin`, `member`, `device`, `manager`, `validator`; empty where the certificate has none.
    public_key : subject public key, uncompressed point, hex.
    """

    mspid: str
    name: str
    role: str
    public_key: str

    @property
    def id(self) -> str:
        """The caller's stable identifier, `mspid/name`; survives a renewal of the certificate."""
        return f"{self.mspid}/{self.name}"

    def require_role(self, *roles: str) -> None:
        """Refuse (ROLE_REQUIRED) unless the certificate carries one of the roles."""
        if self.role not in roles:
            raise Rejected(ROLE_REQUIRED, caller=self.id, role=self.role, required=list(roles))

    def require_organisation(self, mspid: str) -> None:
        """Refuse (NOT_THE_OWNER) callers of another organisation."""
        if self.mspid != mspid:
            raise Rejected(NOT_THE_OWNER, caller=self.id, owner=mspid)

    def require_identity(self, identifier: str) -> None:
        """Refuse (NOT_THE_OWNER) anybody but `mspid/name`."""
        if self.id != identifier:
            raise Rejected(NOT_THE_OWNER, caller=self.id, owner=identifier)


@lru_cache(maxsize=4096)
def caller_of(creator: bytes) -> Caller:
    """Read a serialised identity. The ledger has verified the signature and the chain; this only reads.

    A member's own authority could certify anything: names that would break keys and records are refused.

    Raises
    ------
    Rejected
        MALFORMED_IDENTITY.
    """
    try:
        identity = identities_pb2.SerializedIdentity.FromString(creator)
        certificate = x509.load_pem_x509_certificate(identity.id_bytes)
        [common_name] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        role = _role(certificate)
        key = certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    except Exception as error:
        raise Rejected(MALFORMED_IDENTITY, reason=type(error).__name__) from error
    name = str(common_name.value)
    if not (_MSPID.fullmatch(identity.mspid) and _NAME.fullmatch(name) and len(key) == _P256_POINT_BYTES):
        raise Rejected(MALFORMED_IDENTITY, reason="mspid, common name or kind of key")
    return Caller(identity.mspid, name, role, key.hex())


def _role(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID).value
    except x509.ExtensionNotFound:
        return ""
    if not isinstance(extension, x509.UnrecognizedExtension):
        return ""
    return str(json.loads(extension.value).get("attrs", {}).get("role", ""))
