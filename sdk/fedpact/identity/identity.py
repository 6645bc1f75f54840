"""Who acts: a certificate of an organisation and something that signs with its key."""

from functools import cached_property
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.msp import identities_pb2

from fedpact.identity.certificates import check_mspid, common_name, load_certificate, role_of
from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.signer import PrivateKeySigner, Signer

__all__ = ["Identity"]


class Identity:
    """A member of an organisation, able to sign.

    It holds a private key or the means to use one, so it can be neither pickled nor copied: a
    worker process is given the path of a wallet, or an address to call.

    Parameters
    ----------
    mspid
        The organisation's MSP identifier, such as ``Org1MSP``.
    certificate_pem
        The member's certificate.
    signer
        Signs with the certificate's key.

    Raises
    ------
    IdentityError
        MALFORMED or BAD_NAME for the certificate, WRONG_CURVE when its key is not on P-256,
        KEY_MISMATCH when the signer's key is visibly another one.
    """

    def __init__(self, mspid: str, certificate_pem: bytes, signer: Signer) -> None:
        self.mspid = check_mspid(mspid)
        self.certificate_pem = certificate_pem
        self.signer = signer
        self.certificate: x509.Certificate = load_certificate(certificate_pem)
        self.name: str = common_name(self.certificate)
        self.role: str | None = role_of(self.certificate)
        key = self.certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise IdentityError(IdentityCode.WRONG_CURVE, "the certificate's key must be on P-256")
        if isinstance(signer, PrivateKeySigner) and signer.public_key != key:
            raise IdentityError(
                IdentityCode.KEY_MISMATCH, "the private key does not belong to the certificate"
            )
        self.public_key: ec.EllipticCurvePublicKey = key

    @property
    def id(self) -> str:
        """The stable identifier contracts know the caller by: ``<mspid>/<common name>``."""
        return f"{self.mspid}/{self.name}"

    @cached_property
    def creator(self) -> bytes:
        """The serialised ``msp.SerializedIdentity`` that goes into proposals and endorsements."""
        message = identities_pb2.SerializedIdentity(mspid=self.mspid, id_bytes=self.certificate_pem)
        return bytes(message.SerializeToString())

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature (ECDSA P-256, SHA-256, low S) of a message."""
        return self.signer.sign(message)

    def __repr__(self) -> str:
        return f"Identity({self.id!r}, role={self.role!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an identity is never pickled or copied; pass the path of a wallet instead")
