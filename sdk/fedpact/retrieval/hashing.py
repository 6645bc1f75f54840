"""Profiles as they go onto the ledger: keyed hashes of terms with quantised weights, never a term in clear.

The key is the consortium's: members can compare profiles, outsiders cannot try out a dictionary. A member
can; what a term reveals to members is what its owner publishes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

from fedpact.retrieval.terms import Profile, scaled
from fedpact_chaincode.arithmetic import share

TOTAL_WEIGHT = 2**16 - 1
MAX_TERMS = 256
KEY_BYTES = 32
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HashedProfile:
    """Hashed terms with weights of 16 bits that add up to exactly 65,535.

    Attributes
    ----------
    weights : 1 to 65,535 by hashed term (64 hexadecimal digits), sorted by term; 1 to 256 terms.

    Raises
    ------
    ValueError
        If the weights are not of this form.
    """

    weights: Mapping[str, int]

    def __post_init__(self) -> None:
        if not 1 <= len(self.weights) <= MAX_TERMS:
            raise ValueError(f"a profile has 1 to {MAX_TERMS} terms")
        if not all(_HASH.fullmatch(term) for term in self.weights):
            raise ValueError("a hashed term has 64 hexadecimal digits")
        if min(self.weights.values()) < 1 or sum(self.weights.values()) != TOTAL_WEIGHT:
            raise ValueError(f"weights are positive and add up to {TOTAL_WEIGHT}")
        object.__setattr__(self, "weights", MappingProxyType(dict(sorted(self.weights.items()))))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self.weights.items())

    def __len__(self) -> int:
        return len(self.weights)


class TermHasher:
    """Hashes terms under the consortium's retrieval key.

    Parameters
    ----------
    key : at least 32 secret bytes that all members share.

    Raises
    ------
    ValueError
        If the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a retrieval key has at least {KEY_BYTES} bytes")
        self._key = bytes(key)

    def term(self, term: str) -> str:
        """Return a term's HMAC-SHA256, 64 hexadecimal digits; case and width of letters do not matter."""
        folded = unicodedata.normalize("NFKC", term).casefold().strip()
        message = b"fedpact/term/1\0" + folded.encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def profile(self, profile: Profile) -> HashedProfile:
        """Hash a profile's terms and quantise its weights.

        Parameters
        ----------
        profile : terms with weights; terms that fold to the same are added. Terms too light for one part
            in 65,535 are dropped.

        Raises
        ------
        ValueError
            If no weight is positive, or there are more than 256 terms.
        """
        hashed: dict[str, float] = {}
        for term, weight in sorted(scaled(profile).items()):
            name = self.term(term)
            hashed[name] = hashed.get(name, 0.0) + weight
        return HashedProfile(quantise(hashed))

    def __repr__(self) -> str:
        return "TermHasher(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a retrieval key is never pickled")


def quantise(weights: Mapping[str, float]) -> dict[str, int]:
    """Turn weights that add up to about 1 into 16-bit integers that add up to exactly 65,535.

    Largest-remainder method, ties to the alphabetically first term; terms that get 0 are left out.
    """
    names = sorted(weights)
    # 2**40 parts hold a double's weight far finer than the 16 bits asked for
    parts = share(TOTAL_WEIGHT, [round(weights[name] * 2**40) for name in names])
    return {name: part for name, part in zip(names, parts, strict=True) if part}
