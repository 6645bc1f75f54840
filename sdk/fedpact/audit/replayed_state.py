"""The state as the auditor rebuilds it, block by block, from the chain alone."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fedpact.ledger import HistoryRow
from fedpact.validation import Expiry, StateUpdate
from fedpact.wire.commits import StateKey
from fedpact.wire.rwsets import Row, Version
from fedpact.wire.state_hash import Mark, StateHash
from fedpact_chaincode.stub import KeyModification


class Writer(NamedTuple):
    """A transaction that changed something: its id, its time, and what it wrote last to each public key."""

    transaction_id: str
    timestamp_ns: int
    values: dict[StateKey, bytes | None]


class ReplayedState:
    """Rows and histories of all namespaces; of private data the hashes, it is itself unknown here."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._keys: dict[str, list[str]] = {}
        self._due: dict[int, list[Expiry]] = {}
        self.changes: dict[StateKey, list[HistoryRow]] = {}
        self._hash = StateHash()

    @property
    def namespaces(self) -> list[str]:
        """Every namespace that was ever written, sorted."""
        return sorted(self._rows)

    @property
    def rows(self) -> int:
        """How many keys there are."""
        return sum(map(len, self._rows.values()))

    def get(self, namespace: str, key: str) -> Row | None:
        """Return the row of a key."""
        return self._rows.get(namespace, {}).get(key)

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in key order; an empty end is unbounded."""
        keys = self._keys.get(namespace, [])
        rows = self._rows.get(namespace, {})
        last = bisect_left(keys, end) if end else len(keys)
        for key in keys[bisect_left(keys, start) : last]:
            yield key, rows[key]

    def history(self, namespace: str, key: str) -> Iterator[KeyModification]:
        """Yield the changes of a key, newest first."""
        for change in reversed(self.changes.get((namespace, key), [])):
            yield KeyModification(change.transaction_id, change.value, change.timestamp_ns)

    def private(self, namespace: str, collection: str, key: str) -> Row | None:
        """Know nothing."""
        return None

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, Row]]:
        """Know nothing."""
        return iter(())

    def due(self, number: int) -> list[Expiry]:
        """Return the private rows that a block may have to remove."""
        return self._due.get(number, [])

    def apply(self, update: StateUpdate, writers: Sequence[Writer | None]) -> None:
        """Apply what a block changes.

        Parameters
        ----------
        update : its changes.
        writers : its transactions by position; None for those that changed nothing.
        """
        for (namespace, key), row in update.rows():
            self._put(namespace, key, row)
        for namespace, key, position in update.changes:
            writer = writers[position]
            if writer is None:
                raise ValueError("a transaction that wrote nothing changed a key")
            version = Version(update.number, position)
            change = HistoryRow(
                writer.transaction_id, version, writer.timestamp_ns, writer.values[namespace, key]
            )
            self.changes.setdefault((namespace, key), []).append(change)
        for expiry in update.expiries:
            self._due.setdefault(expiry.block, []).append(expiry)
        self._due.pop(update.number, None)

    def hash(self) -> str:
        """Return the state hash, hex."""
        return self._hash.digest().hex()

    def mark(self) -> Mark:
        """Return the present state for `digests_of`."""
        return self._hash.mark()

    def _put(self, namespace: str, key: str, row: Row | None) -> None:
        rows = self._rows.setdefault(namespace, {})
        keys = self._keys.setdefault(namespace, [])
        old = rows.pop(key, None)
        self._hash.replace(namespace, key, old, row)
        if row is not None:
            rows[key] = row
        if old is None and row is not None:
            insort(keys, key)
        elif old is not None and row is None:
            del keys[bisect_left(keys, key)]
