"""Typed state: `Map` and `Item` constants are a contract's whole storage layout.

They work on the public state and on collections of private data alike (`transaction_state`).
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from fedpact_chaincode.errors import MALFORMED_KEY, RECORD_EXISTS, RECORD_NOT_FOUND, Rejected
from fedpact_chaincode.exactness import refuse_floats
from fedpact_chaincode.stub import KeyModification
from fedpact_chaincode.transaction_state import State

KeyPart = str | int
MAX_KEY_PART = 512
_SEPARATOR = "\x00"
_LAST = "\U0010ffff"
_INT_DIGITS = 20


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a contract stores. Immutable; encoded as JSON with its fields in order of declaration."""


R = TypeVar("R", bound=Record)


class Map(Generic[R]):
    """A typed map of records under one prefix.

    Parameters
    ----------
    prefix : object type of Fabric's composite key, `contract.record`; unique.
    record : the stored type.
    key : names of the record's fields that make up the key, most significant first. Text parts are
        1..512 characters without control characters; integers are 0 or more and keep their order.
    """

    def __init__(self, prefix: str, record: type[R], *, key: tuple[str, ...]) -> None:
        if prefix in MAPS:
            raise ValueError(f"state prefix {prefix} is used twice")
        refuse_floats(record)
        self.prefix = prefix
        self.record = record
        self.key = key
        self._decoder = msgspec.json.Decoder(record)
        MAPS[prefix] = typing.cast(Map[Record], self)

    def key_of(self, *parts: KeyPart) -> str:
        """Return the composite key of these leading parts."""
        return (
            _SEPARATOR + self.prefix + _SEPARATOR + "".join(encode_part(part) + _SEPARATOR for part in parts)
        )

    def get(self, state: State, *parts: KeyPart) -> R | None:
        """Return the record, or None."""
        value = state.get(self.key_of(*parts))
        return None if value is None else self._decoder.decode(value)

    def load(self, state: State, *parts: KeyPart) -> R:
        """Return the record.

        Raises
        ------
        Rejected
            RECORD_NOT_FOUND.
        """
        record = self.get(state, *parts)
        if record is None:
            raise Rejected(RECORD_NOT_FOUND, record=self.prefix, key=[str(part) for part in parts])
        return record

    def has(self, state: State, *parts: KeyPart) -> bool:
        """Whether the record exists."""
        return state.get(self.key_of(*parts)) is not None

    def save(self, state: State, record: R) -> R:
        """Write the record under its own key and return it.

        Raises
        ------
        msgspec.ValidationError
            The record breaks its own bounds: written, it could never be read again.
        """
        value = encode(record)
        self._decoder.decode(value)
        state.put(self.key_of(*self._parts(record)), value)
        return record

    def create(self, state: State, record: R) -> R:
        """Write a record that must not exist yet.

        Raises
        ------
        Rejected
            RECORD_EXISTS.
        """
        parts = self._parts(record)
        if self.has(state, *parts):
            raise Rejected(RECORD_EXISTS, record=self.prefix, key=[str(part) for part in parts])
        return self.save(state, record)

    def delete(self, state: State, *parts: KeyPart) -> None:
        """Remove the record."""
        state.delete(self.key_of(*parts))

    def scan(
        self, state: State, *leading: KeyPart, after: KeyPart | tuple[KeyPart, ...] | None = None
    ) -> Iterator[R]:
        """Yield the records whose key begins with these parts, in key order.

        Parameters
        ----------
        state : where.
        *leading : the first parts of the key.
        after : skip the records whose next part (or parts) is up to and including this: how pages go on.
        """
        first = self.key_of(*leading)
        passed = after if isinstance(after, tuple) else () if after is None else (after,)
        start = self.key_of(*leading, *passed) + _LAST if passed else first
        for _, value in state.range(start, first + _LAST):
            yield self._decoder.decode(value)

    def page(self, state: State, *leading: KeyPart, size: int, bookmark: str = "") -> tuple[list[R], str]:
        """Return up to `size` committed records whose key begins with these parts, and the next bookmark."""
        first = self.key_of(*leading)
        rows, following = state.page(first, first + _LAST, size, bookmark)
        return [self._decoder.decode(value) for _, value in rows], following

    def history(self, state: State, *parts: KeyPart) -> Iterator[KeyModification]:
        """Yield the committed changes of one record, newest first."""
        return state.history(self.key_of(*parts))

    def decode(self, value: bytes) -> R:
        """Decode a stored value."""
        return self._decoder.decode(value)

    def _parts(self, record: R) -> tuple[KeyPart, ...]:
        return tuple(getattr(record, name) for name in self.key)


class Item(Map[R]):
    """A map of exactly one record."""

    def __init__(self, prefix: str, record: type[R]) -> None:
        super().__init__(prefix, record, key=())


MAPS: dict[str, Map[Record]] = {}
"""Every map by its prefix: who reads the raw state finds the record type here."""


def encode(value: msgspec.Struct | list[msgspec.Struct]) -> bytes:
    """Encode canonically: struct fields in order of declaration, dictionaries by key."""
    return msgspec.json.encode(value, order="deterministic")


def encode_part(part: KeyPart) -> str:
    """Encode one key part; integers get leading zeros so that text order is their order.

    Raises
    ------
    Rejected
        MALFORMED_KEY.
    """
    if isinstance(part, int):
        if not 0 <= part < 10**_INT_DIGITS:
            raise Rejected(MALFORMED_KEY, part=str(part))
        return f"{part:0{_INT_DIGITS}d}"
    if not 0 < len(part) <= MAX_KEY_PART or any(c < " " or c in "\x7f\U0010ffff" for c in part):
        raise Rejected(MALFORMED_KEY, part=part[:MAX_KEY_PART])
    return part


def split_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Return (prefix, parts) of a composite key; ('', (key,)) for a simple one."""
    if not key.startswith(_SEPARATOR):
        return "", (key,)
    prefix, *parts = key[1:].rstrip(_SEPARATOR).split(_SEPARATOR)
    return prefix, tuple(parts)
