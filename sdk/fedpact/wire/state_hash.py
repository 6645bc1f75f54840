"""The state hash: one digest of a ledger's whole state, by content only.

MuHash3072 (Bellare and Micciancio 1997, "A new paradigm for collision-free hashing"; parameters as in
Bitcoin Core's `crypto/muhash`): every (namespace, key, value) becomes a number modulo a prime of 3072 bits,
the state's number is their product, and its SHA-256 is the hash. The product does not depend on order, so
neither block cutting nor the order of writes shows, and one write costs O(1): divide by the old row,
multiply by the new one. Where Bitcoin Core expands an element with ChaCha20, this expands it with SHAKE-256.

A row with metadata is two elements: (namespace, key, value) and (namespace + "$$m", key, metadata). Hashed
rows of private data are ordinary rows of their hashed namespace. Versions do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from fedpact.wire.rwset_records import Row

_BITS = 3072
_EXCESS = 1103717
_PRIME = 2**_BITS - _EXCESS
_MASK = 2**_BITS - 1
RESIDUE_BYTES = _BITS // 8
METADATA_SUFFIX = "$$m"
"""What follows a namespace where the metadata of its rows count."""


Mark = tuple[int, int]
"""A state as a fraction, whose digest is not computed yet."""


class StateHash:
    """The incremental hash of a state.

    Parameters
    ----------
    residue : where to go on from: what `residue` returned; absent, the empty state.

    Raises
    ------
    ValueError
        If the residue is not `RESIDUE_BYTES` long or not a number from 1 to the prime minus 1.
    """

    __slots__ = ("_denominator", "_numerator")

    def __init__(self, residue: bytes | None = None) -> None:
        self._numerator = 1 if residue is None else _number(residue)
        self._denominator = 1

    def add(self, namespace: str, key: str, value: bytes) -> None:
        """Take an element into the state. O(len(value)). Whoever has rows with metadata calls `replace`."""
        self._numerator = _reduced(self._numerator * _element(namespace, key, value))

    def remove(self, namespace: str, key: str, value: bytes) -> None:
        """Take an element, which must be there exactly so, out of the state. O(len(value))."""
        self._denominator = _reduced(self._denominator * _element(namespace, key, value))

    def replace(self, namespace: str, key: str, old: Row | None, new: Row | None) -> None:
        """Exchange a row, which must be there exactly so, for another; None is no row. Metadata count.

        What does not differ costs nothing: a change of metadata alone does not touch the value's element.
        """
        for space, before, after in (
            (namespace, old and old.value, new and new.value),
            (namespace + METADATA_SUFFIX, (old and old.metadata) or None, (new and new.metadata) or None),
        ):
            if before == after:
                continue
            if before is not None:
                self.remove(space, key, before)
            if after is not None:
                self.add(space, key, after)

    def mark(self) -> Mark:
        """Return the present state for `digests_of`, which is cheaper than many times `digest`."""
        return self._numerator, self._denominator

    def residue(self) -> bytes:
        """Return the state's number, `RESIDUE_BYTES` long, little-endian; removals cost one inversion."""
        number: int = self._numerator % _PRIME
        if self._denominator != 1:
            number = number * pow(self._denominator, -1, _PRIME) % _PRIME
        self._numerator, self._denominator = number, 1
        return number.to_bytes(RESIDUE_BYTES, "little")

    def digest(self) -> bytes:
        """Return the hash, 32 bytes."""
        return digest_of_residue(self.residue())


def digest_of_residue(residue: bytes) -> bytes:
    """Return the hash of a state whose number is known."""
    return hashlib.sha256(residue).digest()


def digests_of(marks: Sequence[Mark]) -> list[bytes]:
    """Return the hashes of many states with one inversion for all (Montgomery 1987, section 10.3.1).

    An inversion costs as much as some 150 multiplications; this makes four a state.
    """
    before = [1]
    for _, denominator in marks:
        before.append(_reduced(before[-1] * denominator))
    inverse = pow(before.pop(), -1, _PRIME)
    digests = []
    for (numerator, denominator), product in zip(reversed(marks), reversed(before), strict=True):
        number = numerator * _reduced(inverse * product) % _PRIME
        digests.append(digest_of_residue(number.to_bytes(RESIDUE_BYTES, "little")))
        inverse = _reduced(inverse * denominator)
    return digests[::-1]


def elements_of(namespace: str, key: str, row: Row) -> Iterator[tuple[str, str, bytes]]:
    """Yield what a row is in the hash: its value and, if it has any, its metadata."""
    yield namespace, key, row.value
    if row.metadata:
        yield namespace + METADATA_SUFFIX, key, row.metadata


def state_hash_of(rows: Iterable[tuple[str, str, bytes]]) -> str:
    """Return the hash, hex, of a state given as elements (`elements_of`), each once, in any order."""
    state = StateHash()
    for namespace, key, value in rows:
        state.add(namespace, key, value)
    return state.digest().hex()


def _element(namespace: str, key: str, value: bytes) -> int:
    """Return the number of one row; lengths in front keep ("a", "bc") apart from ("ab", "c")."""
    first, second = namespace.encode(), key.encode()
    row = b"".join((len(first).to_bytes(4, "big"), first, len(second).to_bytes(4, "big"), second, value))
    return int.from_bytes(hashlib.shake_256(row).digest(RESIDUE_BYTES), "little")


def _reduced(product: int) -> int:
    """Fold a product of two 3072-bit numbers to 3072 bits, congruent modulo the prime (2**3072 = excess)."""
    product = (product & _MASK) + (product >> _BITS) * _EXCESS
    product = (product & _MASK) + (product >> _BITS) * _EXCESS
    return product - _PRIME if product >= _PRIME else product


def _number(residue: bytes) -> int:
    number = int.from_bytes(residue, "little")
    if len(residue) != RESIDUE_BYTES or not 0 < number < _PRIME:
        raise ValueError("no residue of a state hash")
    return number
