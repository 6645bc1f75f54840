"""The state as the auditor rebuilds it, write by write, from the blocks alone."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterator

from fedpact.ledger import HistoryRow
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Row, Version
from fedpact.wire.state_hash import Mark, StateHash
from fedpact_chaincode.stub import KeyModification


class ReplayedState:
    """Values, versions and histories of all namespaces."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._keys: dict[str, list[str]] = {}
        self.changes: dict[tuple[str, str], list[HistoryRow]] = {}
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
        """Return a row, or None."""
        return self._rows.get(namespace, {}).get(key)

    def version(self, namespace: str, key: str) -> Version | None:
        """Return where the key was last written, or None."""
        entry = self.get(namespace, key)
        return entry.version if entry else None

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
        """Return None: an audit has the hashes of private data only."""

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, Row]]:
        """Yield nothing: an audit has the hashes of private data only."""
        return iter(())

    def apply(self, rwsets: tuple[NamespaceRwset, ...], version: Version, tx_id: str, time_ns: int) -> None:
        """Apply the writes of a valid transaction."""
        for rwset in rwsets:
            rows = self._rows.setdefault(rwset.namespace, {})
            keys = self._keys.setdefault(rwset.namespace, [])
            for key, value in dict(rwset.writes).items():  # of several writes of one key the last one counts
                old = rows.pop(key, None)
                if old is not None:
                    self._hash.remove(rwset.namespace, key, old[0])
                if value is not None:
                    rows[key] = Row(value, version)
                    self._hash.add(rwset.namespace, key, value)
                if old is None and value is not None:
                    insort(keys, key)
                elif old is not None and value is None:
                    del keys[bisect_left(keys, key)]
                changes = self.changes.setdefault((rwset.namespace, key), [])
                changes.append(HistoryRow(tx_id, version, time_ns, value))

    def hash(self) -> str:
        """Return the state hash, hex."""
        return self._hash.digest().hex()

    def mark(self) -> Mark:
        """Return the present state for `digests_of`."""
        return self._hash.mark()

    def stale(self, rwsets: tuple[NamespaceRwset, ...], touched: Container[tuple[str, str]]) -> bool:
        """Whether a key that was read has another version by now, or was touched by the same block."""
        return any(
            (rwset.namespace, key) in touched or self.version(rwset.namespace, key) != version
            for rwset in rwsets
            for key, version in rwset.reads
        )

    def phantom(self, rwsets: tuple[NamespaceRwset, ...]) -> bool:
        """Whether a range that was scanned holds other keys or versions by now."""
        return any(
            self._scanned(rwset.namespace, query) != [tuple(read) for read in query.reads]
            for rwset in rwsets
            for query in rwset.range_queries
        )

    def _scanned(self, namespace: str, query: RangeQuery) -> list[tuple[str, Version | None]]:
        end = query.end
        if end and not query.exhausted:
            end += "\x00"  # a scan that stopped early protects up to the last key it read, that key included
        return [(key, row.version) for key, row in self.scan(namespace, query.start, end)]
