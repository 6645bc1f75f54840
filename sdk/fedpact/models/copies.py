"""Where a store keeps its owners' copies of models, and reading them with every check but the content's.

<first two digits>/<hash>/<owner's fingerprint>/sealed
<first two digits>/<hash>/<owner's fingerprint>/grants/<recipient's fingerprint>
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from fedpact.models.errors import ModelCode, ModelError
from fedpact.models.files import StoreFiles
from fedpact.models.recipients import WrappedKey
from fedpact.models.sealed import (
    MAX_ENVELOPE_BYTES,
    TAG_BYTES,
    Envelope,
    ModelHeader,
    Verifier,
    unpack,
    verify_header,
)

MAX_COPIES = 64
_MAX_GRANT_BYTES = 1_024
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Copy:
    """One owner's copy of a model, its signature verified, its content still sealed."""

    holder: str
    envelope: Envelope
    header: ModelHeader
    ciphertext: memoryview


class Copies:
    """The copies in a store.

    Parameters
    ----------
    files : the store's files.
    members : tells members' signatures from others'; None: any whole signature will do.
    max_bytes : longest model that is read.
    """

    def __init__(self, files: StoreFiles, members: Verifier | None, max_bytes: int) -> None:
        self._files = files
        self._members = members
        self._max_bytes = max_bytes

    def holders(self, model_hash: str) -> list[str]:
        """Return the fingerprints of up to 64 owners who hold a copy, sorted.

        Raises
        ------
        ModelError
            MALFORMED if this is no hash, UNAVAILABLE if the storage fails.
        """
        names = self._files.names(_folder(model_hash))
        return [name for name in names if _HASH.fullmatch(name)][:MAX_COPIES]

    def read(self, model_hash: str, holder: str) -> Copy | None:
        """Return an owner's copy, or None if there is none.

        Raises
        ------
        ModelError
            UNAVAILABLE, MALFORMED, TOO_LARGE, HASH_MISMATCH, BAD_SIGNATURE.
        """
        limit = self._max_bytes + MAX_ENVELOPE_BYTES + TAG_BYTES + 8
        stored = self._files.read(f"{_folder(model_hash)}/{holder}/sealed", limit)
        if stored is None:
            return None
        envelope, header, ciphertext = unpack(stored, model_hash)
        if max(header.size_bytes, len(ciphertext) - TAG_BYTES) > self._max_bytes:
            raise ModelError(ModelCode.TOO_LARGE, f"more than {self._max_bytes} bytes", hash=model_hash)
        verify_header(envelope, header, self._members)
        return Copy(holder, envelope, header, ciphertext)

    def write(self, model_hash: str, holder: str, stored: bytes) -> None:
        """Replace an owner's copy by these bytes, at once."""
        self._files.write(f"{_folder(model_hash)}/{holder}/sealed", stored)

    def grant(self, model_hash: str, holder: str, recipient: str) -> WrappedKey | None:
        """Return the key that an owner wrapped for a recipient after storing, or None.

        Raises
        ------
        ModelError
            MALFORMED, TOO_LARGE, UNAVAILABLE.
        """
        stored = self._files.read(_grant_name(model_hash, holder, recipient), _MAX_GRANT_BYTES)
        try:
            return None if stored is None else msgspec.json.decode(stored, type=WrappedKey)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError(ModelCode.MALFORMED, f"the grant: {error}", hash=model_hash) from None

    def write_grant(self, model_hash: str, holder: str, recipient: str, key: WrappedKey) -> None:
        """Keep a key that an owner wrapped for a recipient after storing."""
        self._files.write(_grant_name(model_hash, holder, recipient), msgspec.json.encode(key))


def _folder(model_hash: str) -> str:
    if not _HASH.fullmatch(model_hash):
        raise ModelError(ModelCode.MALFORMED, f"no model hash: {model_hash!r:.80}")
    return f"{model_hash[:2]}/{model_hash}"


def _grant_name(model_hash: str, holder: str, recipient: str) -> str:
    return f"{_folder(model_hash)}/{holder}/grants/{recipient}"
