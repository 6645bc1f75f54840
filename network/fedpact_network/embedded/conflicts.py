"""The version checks: would a transaction read now what it read when it was executed?

`BlockState` is the state while a block is applied: the committed rows under what valid transactions of the
same block wrote before. As in Fabric, a key that the block has touched conflicts with every later read of
it in that block, and a range conflicts when its keys or their versions differ (a phantom).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from fedpact.wire.commits import Update, ValidationCode
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Row, Version
from fedpact_network.embedded.state_cache import StateKey


class Committed(Protocol):
    """The rows as the block before left them; a `Snapshot` is one."""

    def get(self, namespace: str, key: str) -> Row | None:
        """Return the row of a key."""

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in key order; an empty end is unbounded."""


class BlockState:
    """The state while one block is applied.

    Parameters
    ----------
    committed : the rows as the block before left them.
    number : of the block.

    Attributes
    ----------
    updates : the last write of every key that valid transactions of the block changed, in order of first
        change.
    changes : every valid write as (namespace, key, position).
    """

    def __init__(self, committed: Committed, number: int) -> None:
        self._committed = committed
        self._number = number
        self.updates: dict[StateKey, Update] = {}
        self.changes: list[tuple[str, str, int]] = []

    def check(self, rwsets: Sequence[NamespaceRwset]) -> ValidationCode:
        """Return VALID, MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT. O(keys read)."""
        for rwset in rwsets:
            for key, version in rwset.reads:
                place = (rwset.namespace, key)
                if place in self.updates or self._version(*place) != version:
                    return ValidationCode.MVCC_READ_CONFLICT
        for rwset in rwsets:
            for query in rwset.range_queries:
                if not self._repeats(rwset.namespace, query):
                    return ValidationCode.PHANTOM_READ_CONFLICT
        return ValidationCode.VALID

    def apply(self, rwsets: Sequence[NamespaceRwset], position: int) -> None:
        """Take in the writes of a valid transaction; of several writes of one key the last one counts."""
        version = Version(self._number, position)
        last = {(rwset.namespace, key): value for rwset in rwsets for key, value in rwset.writes}
        for (namespace, key), value in last.items():
            self.updates[namespace, key] = Update(namespace, key, value, version)
            self.changes.append((namespace, key, position))

    def before(self, update: Update) -> Row | None:
        """Return the row that an update replaces."""
        return self._committed.get(update.namespace, update.key)

    def _version(self, namespace: str, key: str) -> Version | None:
        row = self._committed.get(namespace, key)
        return None if row is None else row.version

    def _repeats(self, namespace: str, query: RangeQuery) -> bool:
        """Whether the range would return the same keys in the same versions now."""
        end = query.end
        if not query.exhausted and end:
            end += "\x00"  # the first key after the last one read: that one belongs to the protected range
        expected = {read.key for read in query.reads}
        touched = [key for space, key in self.updates if space == namespace and query.start <= key]
        for key in touched:
            removed = self.updates[namespace, key].value is None
            if (not end or key < end) and (not removed or key in expected):
                return False
        found = (
            (key, row.version)
            for key, row in self._committed.scan(namespace, query.start, end)
            if (namespace, key) not in self.updates
        )
        return all(next(found, None) == read for read in query.reads) and next(found, None) is None
