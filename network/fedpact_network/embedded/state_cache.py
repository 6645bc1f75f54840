"""The rows that were read or written last, in memory, absent keys included.

An entry holds from a height on until the next commit of its key, which replaces it. So a reader at height
h may use an entry that holds since h or before, and must ask the database for anything else; a reader at
the newest height finds here what a second reading of the database would give.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

from fedpact.wire.commits import StateKey
from fedpact.wire.rwsets import Row

_OVERHEAD_BYTES = 400  # of one entry: tuples, dictionary slot, texts


class Entry(NamedTuple):
    """A row, None where the key is absent, and the height from which on that is so."""

    since: int
    row: Row | None


class StateCache:
    """A bounded cache; the entries that came first leave first.

    Parameters
    ----------
    limit_bytes : estimated memory that all entries together may take.
    """

    def __init__(self, limit_bytes: int = 64 << 20) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._height = 0
        self._entries: dict[StateKey, Entry] = {}
        self._lock = threading.Lock()

    def find(self, key: StateKey, height: int) -> Entry | None:
        """Return the entry that holds at a height; None where only the database knows."""
        entry = self._entries.get(key)
        return entry if entry is not None and entry.since <= height else None

    def learn(self, key: StateKey, row: Row | None, height: int) -> None:
        """Keep what was read from the database at a height, unless a later block is in already."""
        with self._lock:
            if height == self._height and key not in self._entries:
                self._keep(key, Entry(height, row))

    def advance(self, height: int, changes: Iterable[tuple[StateKey, Row | None]]) -> None:
        """Take in what a block left changed; `height` counts that block."""
        with self._lock:
            self._height = height
            for key, row in changes:
                self._drop(key)
                self._keep(key, Entry(height, row))

    def _keep(self, key: StateKey, entry: Entry) -> None:
        self._size += _cost(key, entry)
        self._entries[key] = entry
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: StateKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= _cost(key, entry)


def _cost(key: StateKey, entry: Entry) -> int:
    value = 0 if entry.row is None else len(entry.row.value) + len(entry.row.metadata)
    return _OVERHEAD_BYTES + len(key[1]) + value
