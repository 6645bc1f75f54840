"""Signing with a P-256 key, the way Fabric signs: SHA-256, DER, and always the lower of the two S."""

from typing import NoReturn, Protocol, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.seeds import P256_ORDER, derive_private_key

__all__ = ["SIGNATURE_ALGORITHM", "PrivateKeySigner", "Signer", "is_low_s", "load_private_key", "lower_s"]

SIGNATURE_ALGORITHM = ec.ECDSA(hashes.SHA256())

_HALF_ORDER = P256_ORDER >> 1
_HALF_ORDER_BYTES = _HALF_ORDER.to_bytes(32, "big")


class Signer(Protocol):
    """Whatever can sign for an identity: a key in memory, a file, a hardware token."""

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature (ECDSA P-256, SHA-256, low S) of a message."""
        ...


class PrivateKeySigner:
    """Signs with a P-256 key held in memory. It cannot be pickled and never prints its key.

    Parameters
    ----------
    key
        The private key.
    deterministic
        Take the nonce from key and message (RFC 6979) instead of the system's random numbers, so
        that equal messages have equal signatures.

    Raises
    ------
    IdentityError
        WRONG_CURVE when the key is not on P-256.
    """

    __slots__ = ("_algorithm", "_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey, *, deterministic: bool = False) -> None:
        if not isinstance(key.curve, ec.SECP256R1):
            raise IdentityError(IdentityCode.WRONG_CURVE, "a signing key must be on P-256")
        self._key = key
        self._algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=deterministic)

    @classmethod
    def generate(cls) -> Self:
        """Make a new random key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_seed(cls, seed: bytes, label: str) -> Self:
        """Derive the key from a seed; it then signs deterministically."""
        return cls(derive_private_key(seed, label), deterministic=True)

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a PEM key; raises what `load_private_key` raises."""
        return cls(load_private_key(pem, password))

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key others verify with."""
        return self._key.public_key()

    def private_key_pem(self, password: bytes | None = None) -> bytes:
        """Return the key as PKCS8 PEM, encrypted when a password is given."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature of a message, with low S."""
        return lower_s(self._key.sign(message, self._algorithm))

    def agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Return the ECDH shared secret with a peer's P-256 key, 32 bytes."""
        return self._key.exchange(ec.ECDH(), peer)

    def __repr__(self) -> str:
        return "PrivateKeySigner(P-256)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a private key is never pickled or copied; pass the path of a wallet instead")


def load_private_key(pem: bytes, password: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a PEM key (PKCS8 or SEC1) on P-256.

    Raises
    ------
    IdentityError
        KEY_LOCKED (missing, wrong, or given for a key in clear), MALFORMED, WRONG_CURVE.
    """
    try:
        key = serialization.load_pem_private_key(pem, password)
    except TypeError as error:
        raise IdentityError(IdentityCode.KEY_LOCKED, "the key's password is missing or not needed") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if password is not None and b"ENCRYPTED" in pem:
            raise IdentityError(
                IdentityCode.KEY_LOCKED, "the key does not open with this password"
            ) from error
        raise IdentityError(IdentityCode.MALFORMED, "this is not a PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError(IdentityCode.WRONG_CURVE, "a signing key must be on P-256")
    return key


def is_low_s(signature: bytes) -> bool:
    """Tell whether a well-formed DER signature carries the lower S (about 0.2 us, no big numbers).

    S ends the signature, so its length byte and its last 32 bytes decide. Only a verified
    signature is known to be well-formed; on anything else the answer means nothing.
    """
    try:
        length = signature[5 + signature[3]]
    except IndexError:
        return False
    return length < 32 or (length == 32 and signature[-32:] <= _HALF_ORDER_BYTES)


def lower_s(signature: bytes) -> bytes:
    """Return the signature (r, min(s, n - s)) for a DER signature (r, s)."""
    if is_low_s(signature):
        return signature
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, P256_ORDER - s)
