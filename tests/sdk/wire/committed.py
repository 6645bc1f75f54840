"""A committed state in memory, to which read/write sets are applied as a node does."""

from __future__ import annotations

from collections.abc import Iterator

from fedpact.wire.rwsets import (
    NamespaceRwset,
    PrivateRwset,
    Row,
    Version,
    encode_metadata,
    hashed_namespace,
)
from fedpact_chaincode.stub import KeyModification


class Committed:
    """Rows by (namespace, key), private rows by (namespace, collection, key)."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.private_rows: dict[tuple[str, str, str], Row] = {}
        self.changes: dict[tuple[str, str], list[KeyModification]] = {}

    def get(self, namespace: str, key: str) -> Row | None:
        return self.rows.get((namespace, key))

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Row]]:
        found = {key: row for (space, key), row in self.rows.items() if space == namespace}
        return iter(sorted(item for item in found.items() if start <= item[0] and (not end or item[0] < end)))

    def private(self, namespace: str, collection: str, key: str) -> Row | None:
        return self.private_rows.get((namespace, collection, key))

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, Row]]:
        for (space, name, key), row in sorted(self.private_rows.items()):
            if (space, name) == (namespace, collection) and start <= key and (not end or key < end):
                yield key, row

    def history(self, namespace: str, key: str) -> Iterator[KeyModification]:
        return reversed(self.changes.get((namespace, key), []))

    def apply(self, public: NamespaceRwset, private: tuple[PrivateRwset, ...], version: Version) -> None:
        """Apply writes, then metadata, which an absent key does not take."""
        self._change(public.namespace, public.writes, public.metadata, version)
        for key, value in public.writes:
            change = KeyModification(f"{version.block}/{version.tx}", value, version.block)
            self.changes.setdefault((public.namespace, key), []).append(change)
        for item in public.collections:
            space = hashed_namespace(public.namespace, item.collection)
            writes = [(write.key_hash.hex(), write.value_hash) for write in item.writes]
            metadata = [(write.key_hash.hex(), write.entries) for write in item.metadata]
            self._change(space, writes, metadata, version)
        for rwset in private:
            for key, value in (*rwset.writes, *((key, None) for key in rwset.purges)):
                self.private_rows.pop((rwset.namespace, rwset.collection, key), None)
                if value is not None:
                    self.private_rows[rwset.namespace, rwset.collection, key] = Row(value, version)
            for key in rwset.metadata:
                place = (rwset.namespace, rwset.collection, key)
                if place in self.private_rows:
                    self.private_rows[place] = self.private_rows[place]._replace(version=version)

    def _change(self, namespace, writes, metadata, version) -> None:
        for key, value in writes:
            old = self.rows.pop((namespace, key), None)
            if value is not None:
                self.rows[namespace, key] = Row(value, version, old.metadata if old else b"")
        for key, entries in metadata:
            old = self.rows.get((namespace, key))
            if old is not None:
                self.rows[namespace, key] = Row(old.value, version, encode_metadata(entries))
