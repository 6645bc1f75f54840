"""Endorsements that this process made itself and so need not verify.

Sound because an entry stands for exactly one (endorser, message, signature), is made only where the
signature is, and can be used once. What came from elsewhere, or was made before a restart, is verified.
"""

from __future__ import annotations

import threading
from hashlib import sha256

_Entry = tuple[bytes, bytes, bytes]


class OwnSignatures:
    """A bounded memory; what came first is forgotten first.

    Parameters
    ----------
    limit : entries kept.
    """

    def __init__(self, limit: int = 32_768) -> None:
        self._limit = limit
        self._made: dict[_Entry, None] = {}
        self._lock = threading.Lock()

    def remember(self, endorser: bytes, message: bytes, signature: bytes) -> None:
        """Keep a signature that was just made here."""
        entry = (endorser, sha256(message).digest(), signature)
        with self._lock:
            self._made[entry] = None
            if len(self._made) > self._limit:
                del self._made[next(iter(self._made))]

    def take(self, endorser: bytes, message: bytes, signature: bytes) -> bool:
        """Whether exactly this signature was made here and not asked for before."""
        entry = (endorser, sha256(message).digest(), signature)
        with self._lock:
            return self._made.pop(entry, entry) is None
