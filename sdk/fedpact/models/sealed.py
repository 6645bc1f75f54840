"""A sealed model as it rests in a store: signed header, wrapped keys, ciphertext.

    "FPM1" | length of the envelope (4 bytes, big endian) | envelope (JSON) | ciphertext (AES-256-GCM)

The owner signs the header's exact bytes. The associated data of the ciphertext is the model's hash
alone, so that one content key never encrypts two different inputs, whatever the header says.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Annotated, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fedpact.identity.certificates import common_name, load_certificate
from fedpact.identity.errors import IdentityError
from fedpact.identity.signer import SIGNATURE_ALGORITHM
from fedpact.models.errors import ModelCode, ModelError
from fedpact.models.recipients import NONCE, WrappedKey, certificate_key

MAGIC = b"FPM1"
MAX_ENVELOPE_BYTES = 4 * 1024 * 1024
TAG_BYTES = 16

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Metadata = Annotated[dict[Label, Annotated[str, msgspec.Meta(max_length=4_096)]], msgspec.Meta(max_length=64)]


class ModelHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an owner says, and signs, about a model.

    Attributes
    ----------
    hash : SHA-256 of the canonical safetensors bytes, hexadecimal.
    size_bytes : their length.
    mspid : the owner's organisation.
    certificate : the owner's certificate, PEM.
    created_ms : when it was stored, by the owner's clock, milliseconds since the epoch.
    metadata : up to 64 texts of up to 4,096 characters.
    """

    hash: Digest
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    mspid: Label
    certificate: Annotated[str, msgspec.Meta(max_length=16_384)]
    created_ms: Annotated[int, msgspec.Meta(ge=0)]
    metadata: Metadata

    @property
    def owner(self) -> str:
        """The owner's stable id, "<mspid>/<common name>".

        Raises
        ------
        ModelError
            BAD_SIGNATURE if the certificate names nobody.
        """
        try:
            return f"{self.mspid}/{common_name(load_certificate(self.certificate.encode()))}"
        except IdentityError as error:
            raise ModelError(ModelCode.BAD_SIGNATURE, error.detail, hash=self.hash) from None


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything of a sealed model but the ciphertext.

    Attributes
    ----------
    header : JSON of the `ModelHeader`: the bytes that were signed.
    signature : the owner's, DER.
    keys : the content key, wrapped per recipient, by the recipient's fingerprint.
    """

    header: bytes
    signature: bytes
    keys: dict[Digest, WrappedKey]


class Verifier(Protocol):
    """Tells a member's signature from everybody else's; `fedpact.wire.membership.Membership` does."""

    def verify(self, creator: bytes, message: bytes, signature: bytes, at_s: float | None = None) -> object:
        """Return whose signature it is, or raise `IdentityError`."""
        ...


def pack(envelope: Envelope, ciphertext: bytes) -> bytes:
    """Return the stored bytes."""
    text = msgspec.json.encode(envelope, order="sorted")
    return b"".join([MAGIC, struct.pack(">I", len(text)), text, ciphertext])


def unpack(stored: bytes, model_hash: str) -> tuple[Envelope, ModelHeader, memoryview]:
    """Take stored bytes apart; nothing is verified yet but the form and the hash that is named.

    Raises
    ------
    ModelError
        MALFORMED, TOO_LARGE for the envelope, HASH_MISMATCH if it is of another model.
    """
    if stored[:4] != MAGIC or len(stored) < 8:
        raise ModelError(ModelCode.MALFORMED, "no sealed model", hash=model_hash)
    (length,) = struct.unpack(">I", stored[4:8])
    if length > MAX_ENVELOPE_BYTES:
        raise ModelError(ModelCode.TOO_LARGE, f"an envelope of {length} bytes", hash=model_hash)
    try:
        envelope = msgspec.json.decode(stored[8 : 8 + length], type=Envelope)
        header = msgspec.json.decode(envelope.header, type=ModelHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(ModelCode.MALFORMED, f"the envelope: {error}", hash=model_hash) from None
    if header.hash != model_hash:
        raise ModelError(ModelCode.HASH_MISMATCH, "the header names another model", hash=model_hash)
    return envelope, header, memoryview(stored)[8 + length :]


def verify_header(envelope: Envelope, header: ModelHeader, members: Verifier | None) -> None:
    """Check the owner's signature, and with `members` that the owner was a member when it was made.

    Raises
    ------
    ModelError
        BAD_SIGNATURE.
    """
    pem = header.certificate.encode()
    try:
        if members is not None:
            creator = _creator(header.mspid, pem)
            members.verify(creator, envelope.header, envelope.signature, header.created_ms / 1000)
            return
        certificate_key(pem).verify(envelope.signature, envelope.header, SIGNATURE_ALGORITHM)
    except InvalidSignature:
        raise ModelError(ModelCode.BAD_SIGNATURE, "not the owner's signature", hash=header.hash) from None
    except (IdentityError, ModelError) as error:
        raise ModelError(ModelCode.BAD_SIGNATURE, error.detail, hash=header.hash) from None


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata sorted by key, so that one model's header has one form.

    Raises
    ------
    ModelError
        MALFORMED if there are more than 64 entries, or one is too long.
    """
    try:
        return msgspec.convert(dict(sorted(metadata.items())), Metadata)
    except msgspec.ValidationError as error:
        raise ModelError(ModelCode.MALFORMED, f"metadata: {error}") from None


def encrypt(plaintext: bytes, key: bytes, model_hash: str) -> bytes:
    """Encrypt a model's canonical bytes under its content key; the same input gives the same bytes."""
    return AESGCM(key).encrypt(NONCE, plaintext, bytes.fromhex(model_hash))


def decrypt(ciphertext: memoryview, key: bytes, model_hash: str) -> bytes:
    """Return the canonical bytes that have this hash.

    Raises
    ------
    ModelError
        HASH_MISMATCH if the ciphertext was altered or hides another model.
    """
    try:
        plaintext = AESGCM(key).decrypt(NONCE, ciphertext, bytes.fromhex(model_hash))
    except (InvalidTag, ValueError):
        raise ModelError(ModelCode.HASH_MISMATCH, "the ciphertext was altered", hash=model_hash) from None
    if hashlib.sha256(plaintext).hexdigest() != model_hash:
        raise ModelError(ModelCode.HASH_MISMATCH, "the content is another model", hash=model_hash)
    return plaintext


def _creator(mspid: str, certificate_pem: bytes) -> bytes:
    from fabric_protos.msp import identities_pb2

    message = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=certificate_pem)
    return bytes(message.SerializeToString())
