"""Fabric's composite keys: U+0000, a type, and attributes, each followed by U+0000.

Maps make such keys by themselves, with typed parts; this is the plain form, for keys that other chaincode of
the same ledger shall be able to read.
"""

from __future__ import annotations

from collections.abc import Sequence

_MARK = "\x00"
_LAST = "\U0010ffff"


def create_composite_key(object_type: str, attributes: Sequence[str]) -> str:
    """Return the composite key.

    Raises
    ------
    ValueError
        If a part holds U+0000 or U+10FFFF, or is no text that UTF-8 can carry.
    """
    for part in (object_type, *attributes):
        if _MARK in part or _LAST in part:
            raise ValueError("a part of a composite key holds U+0000 or U+10FFFF")
        part.encode()
    return "".join((_MARK, object_type, _MARK, *(attribute + _MARK for attribute in attributes)))


def split_composite_key(key: str) -> tuple[str, tuple[str, ...]]:
    """Return the type and the attributes of a composite key.

    Raises
    ------
    ValueError
        If it is none.
    """
    if len(key) < 2 or not (key.startswith(_MARK) and key.endswith(_MARK)):
        raise ValueError("not a composite key")
    object_type, *attributes = key[1:-1].split(_MARK)
    return object_type, tuple(attributes)


def partial_range(object_type: str, attributes: Sequence[str]) -> tuple[str, str]:
    """Return (start, end) of all keys that begin with these parts: for ranges and for pages.

    Raises
    ------
    ValueError
        As `create_composite_key`.
    """
    start = create_composite_key(object_type, attributes)
    return start, start + _LAST
