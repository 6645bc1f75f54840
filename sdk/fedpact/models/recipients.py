"""Content keys for recipients: ECIES on their certificates' P-256 keys.

Scheme: ephemeral ECDH, HKDF-SHA256 over both public keys, AES-256-GCM with the model's hash and the
recipient's fingerprint as associated data. A wrapped key can therefore be moved neither to another
model nor to another recipient. The certificate's one key both signs and agrees; the derivation labels
keep the two uses apart.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated, Protocol, runtime_checkable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedpact.identity.certificates import load_certificate
from fedpact.models.errors import ModelCode, ModelError

KEY_BYTES = 32
NONCE = bytes(12)
"""Every key here encrypts one plaintext only, so a fixed nonce never meets two."""


@runtime_checkable
class KeyAgreement(Protocol):
    """A signer whose key can also open what was wrapped for it."""

    def agree(self, peer: ec.EllipticCurvePublicKey) -> bytes:
        """Return the ECDH shared secret with a peer's P-256 key, 32 bytes."""
        ...


class WrappedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A content key that one recipient can open.

    Attributes
    ----------
    ephemeral : the sender's one-time public key, uncompressed point of 65 bytes.
    sealed : the encrypted content key and its tag, 48 bytes.
    """

    ephemeral: Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
    sealed: Annotated[bytes, msgspec.Meta(min_length=48, max_length=48)]


@lru_cache(maxsize=4_096)
def certificate_key(certificate_pem: bytes) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key of a member's certificate.

    Raises
    ------
    ModelError
        MALFORMED if it is no certificate of a P-256 key.
    """
    try:
        key = load_certificate(certificate_pem).public_key()
    except Exception as error:  # hostile bytes in a foreign parser: whatever it raises means the same
        raise ModelError(ModelCode.MALFORMED, f"not a usable certificate: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ModelError(ModelCode.MALFORMED, "a certificate's key must be on P-256")
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of a public key (SubjectPublicKeyInfo), hexadecimal; renewal does not change it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def wrap_key(content_key: bytes, model_hash: str, recipient: ec.EllipticCurvePublicKey) -> WrappedKey:
    """Encrypt a content key for one recipient; about 0.2 ms."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    point = _point(ephemeral.public_key())
    shared = ephemeral.exchange(ec.ECDH(), recipient)
    cipher = AESGCM(_wrapping_key(shared, point, recipient))
    return WrappedKey(point, cipher.encrypt(NONCE, content_key, _bound_to(model_hash, recipient)))


def unwrap_key(
    wrapped: WrappedKey, model_hash: str, owner: KeyAgreement, public_key: ec.EllipticCurvePublicKey
) -> bytes:
    """Open a content key that was wrapped for the owner of `public_key`.

    Raises
    ------
    ModelError
        MALFORMED if it was wrapped for somebody else or another model, or was altered.
    """
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), wrapped.ephemeral)
        cipher = AESGCM(_wrapping_key(owner.agree(peer), wrapped.ephemeral, public_key))
        return cipher.decrypt(NONCE, wrapped.sealed, _bound_to(model_hash, public_key))
    except (InvalidTag, ValueError):
        raise ModelError(ModelCode.MALFORMED, "the wrapped key does not open", hash=model_hash) from None


def content_key(secret: bytes, model_hash: str) -> bytes:
    """Derive a model's content key from its store's secret: HKDF-SHA256, salted with the hash."""
    hkdf = HKDF(hashes.SHA256(), KEY_BYTES, bytes.fromhex(model_hash), b"fedpact/model/content/1")
    return hkdf.derive(secret)


def _wrapping_key(shared: bytes, ephemeral: bytes, recipient: ec.EllipticCurvePublicKey) -> bytes:
    salt = ephemeral + _point(recipient)
    return HKDF(hashes.SHA256(), KEY_BYTES, salt, b"fedpact/model/wrap/1").derive(shared)


def _bound_to(model_hash: str, recipient: ec.EllipticCurvePublicKey) -> bytes:
    return bytes.fromhex(model_hash) + bytes.fromhex(fingerprint(recipient))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
