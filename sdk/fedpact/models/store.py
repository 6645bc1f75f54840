"""The content-addressed model store: models rest encrypted and signed; the ledger holds their hashes."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

import msgspec

from fedpact.identity.identity import Identity
from fedpact.models.copies import Copies, Copy
from fedpact.models.errors import ModelCode, ModelError
from fedpact.models.files import StoreFiles
from fedpact.models.recipients import (
    KEY_BYTES,
    KeyAgreement,
    certificate_key,
    content_key,
    fingerprint,
    unwrap_key,
    wrap_key,
)
from fedpact.models.reference import ModelRef
from fedpact.models.sealed import Envelope, ModelHeader, Verifier, check_metadata, decrypt, encrypt, pack
from fedpact.models.tensors import Array, decode_tensors, encode_tensors

T = TypeVar("T")

DEFAULT_MAX_BYTES = 512 * 1024 * 1024
MAX_RECIPIENTS = 4_096
CLOSEST_FIRST = (
    ModelCode.NOT_A_RECIPIENT,
    ModelCode.HASH_MISMATCH,
    ModelCode.TOO_LARGE,
    ModelCode.MALFORMED,
    ModelCode.BAD_SIGNATURE,
    ModelCode.UNAVAILABLE,
)
"""Which refusal is raised when no copy opens: that of the copy that came closest to being usable."""


class ModelStore:
    """A member's view of a shared store of models.

    Each owner's copy of a model is a file of its own, so nobody can take the place of another's model
    by storing something under its hash first.

    Parameters
    ----------
    url : the store's place, for fsspec: a local folder, "memory://...", "s3://...".
    identity : who stores, and who opens.
    members : if given, owners must be members (a `Membership`) at the time that the header states; else
        a signature only proves that the copy is whole, not who made it.
    secret : 32 bytes from which content keys are derived; None: random. For seeded demonstrations and
        tests; the owner can always open what it stored, with its own key.
    max_bytes : longest model that is stored or opened.
    clock_ms : milliseconds since the epoch, for the header.
    """

    def __init__(
        self,
        url: str,
        identity: Identity,
        *,
        members: Verifier | None = None,
        secret: bytes | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        if secret is not None and len(secret) != KEY_BYTES:
            raise ValueError(f"a store's secret has {KEY_BYTES} bytes")
        self._copies = Copies(StoreFiles(url), members, max_bytes)
        self._identity = identity
        self._me = fingerprint(identity.public_key)
        self._secret = secret or secrets.token_bytes(KEY_BYTES)
        self._max_bytes = max_bytes
        self._clock_ms = clock_ms

    def put(
        self,
        arrays: Mapping[str, Array],
        *,
        metadata: Mapping[str, str] | None = None,
        recipients: Sequence[bytes] = (),
    ) -> ModelRef:
        """Store a model for oneself and for recipients; storing it again adds recipients.

        Parameters
        ----------
        arrays : the model's tensors by name.
        metadata : texts to sign with it; readable by everybody who can read the store.
        recipients : certificates (PEM) of those who may open it, at most 4,096.

        Raises
        ------
        ModelError
            MALFORMED, TOO_LARGE, UNAVAILABLE.
        """
        if len(recipients) > MAX_RECIPIENTS:
            raise ModelError(ModelCode.TOO_LARGE, f"{len(recipients)} recipients")
        keys = {fingerprint(key): key for key in map(certificate_key, recipients)}
        keys[self._me] = self._identity.public_key
        plaintext = encode_tensors(arrays)
        if len(plaintext) > self._max_bytes:
            raise ModelError(ModelCode.TOO_LARGE, f"{len(plaintext)} bytes, more than {self._max_bytes}")
        model_hash = hashlib.sha256(plaintext).hexdigest()
        header = msgspec.json.encode(self._header(model_hash, len(plaintext), metadata or {}))
        before = self._usable_copy(model_hash)
        content = before[1] if before else content_key(self._secret, model_hash)
        known = before[0].envelope.keys if before else {}
        wrapped = {name: wrap_key(content, model_hash, key) for name, key in keys.items()}
        envelope = Envelope(header, self._identity.sign(header), {**known, **wrapped})
        self._copies.write(model_hash, self._me, pack(envelope, encrypt(plaintext, content, model_hash)))
        return ModelRef(model_hash, len(plaintext), f"store://{model_hash}")

    def get(self, model_hash: str, *, owner: str | None = None) -> dict[str, Array]:
        """Open a model: hash and owner's signature are verified before anything is returned.

        Parameters
        ----------
        model_hash : 64 hexadecimal digits, from the ledger.
        owner : if given, only a copy that this member ("<mspid>/<name>") signed is taken.

        Raises
        ------
        ModelError
            UNAVAILABLE, HASH_MISMATCH, BAD_SIGNATURE, NOT_A_RECIPIENT, MALFORMED, TOO_LARGE. Of several
            owners' copies the first that opens is returned; if none does, see `CLOSEST_FIRST`.
        """
        return self._first(model_hash, owner, lambda copy: decode_tensors(self._open(copy)))

    def describe(self, model_hash: str, *, owner: str | None = None) -> ModelHeader:
        """Return the verified header of a copy: who stored it, when, with which metadata.

        Raises
        ------
        ModelError
            As `get`, but nobody needs to be a recipient.
        """
        return self._first(model_hash, owner, lambda copy: copy.header)

    def has(self, model_hash: str) -> bool:
        """Whether anybody's copy of the model is there; it is not opened.

        Raises
        ------
        ModelError
            MALFORMED if this is no hash, UNAVAILABLE if the storage fails.
        """
        return bool(self._copies.holders(model_hash))

    def grant(self, model_hash: str, recipient: bytes) -> None:
        """Let another member open one's own copy of a model.

        Parameters
        ----------
        model_hash : of a model that this identity has stored.
        recipient : the member's certificate, PEM.

        Raises
        ------
        ModelError
            UNAVAILABLE if this identity has not stored it, HASH_MISMATCH if it can no longer open it, and
            what `get` raises if its copy was altered.
        """
        key = certificate_key(recipient)
        copy = self._copies.read(model_hash, self._me)
        if copy is None:
            raise ModelError(ModelCode.UNAVAILABLE, "you have not stored it", hash=model_hash)
        wrapped = wrap_key(self._own_key(copy), model_hash, key)
        self._copies.write_grant(model_hash, self._me, fingerprint(key), wrapped)

    def _header(self, model_hash: str, size_bytes: int, metadata: Mapping[str, str]) -> ModelHeader:
        return ModelHeader(
            hash=model_hash,
            size_bytes=size_bytes,
            mspid=self._identity.mspid,
            certificate=self._identity.certificate_pem.decode(),
            created_ms=self._clock_ms(),
            metadata=check_metadata(metadata),
        )

    def _first(self, model_hash: str, owner: str | None, use: Callable[[Copy], T]) -> T:
        refusals = [ModelError(ModelCode.UNAVAILABLE, "the store does not have it", hash=model_hash)]
        # one's own copy first: it opens for certain
        for holder in sorted(self._copies.holders(model_hash), key=lambda one: (one != self._me, one)):
            try:
                copy = self._copies.read(model_hash, holder)
                if copy is None:
                    continue
                if owner is not None and copy.header.owner != owner:
                    detail = f"signed by {copy.header.owner}, not by {owner}"
                    raise ModelError(ModelCode.BAD_SIGNATURE, detail, hash=model_hash)
                return use(copy)
            except ModelError as error:
                refusals.append(error)
        raise min(refusals, key=lambda error: CLOSEST_FIRST.index(error.code))

    def _open(self, copy: Copy) -> bytes:
        plaintext = decrypt(copy.ciphertext, self._unwrap(copy), copy.header.hash)
        if len(plaintext) != copy.header.size_bytes:
            raise ModelError(ModelCode.MALFORMED, "not of the signed size", hash=copy.header.hash)
        return plaintext

    def _unwrap(self, copy: Copy) -> bytes:
        model_hash, signer = copy.header.hash, self._identity.signer
        wrapped = copy.envelope.keys.get(self._me) or self._copies.grant(model_hash, copy.holder, self._me)
        if wrapped is None or not isinstance(signer, KeyAgreement):
            why = "no key was wrapped for you" if wrapped is None else "your signer cannot agree on keys"
            raise ModelError(ModelCode.NOT_A_RECIPIENT, why, hash=model_hash)
        return unwrap_key(wrapped, model_hash, signer, self._identity.public_key)

    def _own_key(self, copy: Copy) -> bytes:
        try:
            content = self._unwrap(copy)
        except ModelError:
            # a signer without key agreement still has the store's secret while it lives
            content = content_key(self._secret, copy.header.hash)
        decrypt(copy.ciphertext, content, copy.header.hash)
        return content

    def _usable_copy(self, model_hash: str) -> tuple[Copy, bytes] | None:
        """Return one's own copy and its key: stored again under the same key, its grants stay good."""
        try:
            copy = self._copies.read(model_hash, self._me)
            return (copy, self._own_key(copy)) if copy else None
        except ModelError as error:
            if error.code is ModelCode.UNAVAILABLE:
                raise
            return None  # altered, or its key is lost: it is replaced

    def __repr__(self) -> str:
        return f"ModelStore({self._identity.id!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a model store holds secrets and is never pickled; open it again where it is needed")
