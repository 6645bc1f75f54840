"""What a block changes: the rows of the state, the history, and when private data goes again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fedpact.validation.channel_rules import Committed
from fedpact.wire.commits import StateKey, Update
from fedpact.wire.rwsets import Entries, NamespaceRwset, Row, Version, encode_metadata, hashed_namespace


class HashedKey(NamedTuple):
    """A key of a collection, as everybody may know it."""

    namespace: str
    collection: str
    key_hash: bytes

    @property
    def place(self) -> StateKey:
        """Where its row is."""
        return hashed_namespace(self.namespace, self.collection), self.key_hash.hex()


class Expiry(NamedTuple):
    """A private row that the commit of block `block` removes, if its version still is `version` then."""

    block: int
    key: HashedKey
    version: Version


class StateUpdate:
    """The changes of one block, built up transaction by transaction.

    Parameters
    ----------
    committed : the rows as the block before left them.
    number : of the block.

    Attributes
    ----------
    updates : every key that valid transactions of the block changed, as the block leaves it, in order of
        first change; hashed rows under `hashed_namespace`.
    changes : every valid write of a public key as (namespace, key, position), for the history.
    hashed : the private keys among the updates.
    purges : private keys whose past goes too, with the position of the transaction.
    expired : hashed rows whose time is over. They are no transaction's doing and not in the commit hash.
    expiries : what expires later because of this block.
    """

    def __init__(self, committed: Committed, number: int) -> None:
        self._committed = committed
        self.number = number
        self.updates: dict[StateKey, Update] = {}
        self.changes: list[tuple[str, str, int]] = []
        self.hashed: dict[StateKey, HashedKey] = {}
        self.purges: list[tuple[HashedKey, int]] = []
        self.expired: list[HashedKey] = []
        self.expiries: list[Expiry] = []

    def apply(self, rwsets: Sequence[NamespaceRwset], position: int) -> None:
        """Take in the writes of a valid transaction; of several writes of one key the last one counts."""
        values: dict[StateKey, bytes | None] = {}
        metadata: dict[StateKey, Entries] = {}
        for rwset in rwsets:
            for key, value in rwset.writes:
                values[rwset.namespace, key] = value
            for item in rwset.metadata:
                metadata[rwset.namespace, item.key] = item.entries
        self.changes += [(namespace, key, position) for namespace, key in values]
        for rwset in rwsets:
            for collection in rwset.collections:
                names = rwset.namespace, collection.collection
                for write in collection.writes:
                    key_hash = HashedKey(*names, write.key_hash)
                    values[self._hashed_place(key_hash)] = write.value_hash
                    if write.purge:
                        self.purges.append((key_hash, position))
                for hashed in collection.metadata:
                    metadata[self._hashed_place(HashedKey(*names, hashed.key_hash))] = hashed.entries
        version = Version(self.number, position)
        for place, value in values.items():
            self._write(place, value, metadata.pop(place, None), version)
        for place, entries in metadata.items():
            row = self.latest(place)
            if row is not None:  # metadata of a key that does not exist is without effect
                self._write(place, row.value, entries, version)

    def latest(self, place: StateKey) -> Row | None:
        """Return a row as the valid transactions so far leave it."""
        update = self.updates.get(place)
        return self._committed.get(*place) if update is None else update.row

    def before(self, place: StateKey) -> Row | None:
        """Return a row as the block before left it."""
        return self._committed.get(*place)

    def expire(self, due: Iterable[Expiry]) -> None:
        """Remove the rows whose time is over; called once, after all transactions."""
        for expiry in due:
            place = expiry.key.place
            row = None if place in self.updates else self._committed.get(*place)
            if row is not None and row.version == expiry.version:
                self.expired.append(expiry.key)

    def rows(self) -> Iterator[tuple[StateKey, Row | None]]:
        """Yield every row that changes, None where it goes."""
        for place, update in self.updates.items():
            yield place, update.row
        for key in self.expired:
            yield key.place, None

    def _write(self, place: StateKey, value: bytes | None, entries: Entries | None, version: Version) -> None:
        if value is None:
            kept = b""
        elif entries is None:
            row = self.latest(place)
            kept = b"" if row is None else row.metadata
        else:
            kept = encode_metadata(entries) if entries else b""
        self.updates[place] = Update(*place, value, version, kept)

    def _hashed_place(self, key: HashedKey) -> StateKey:
        place = key.place
        self.hashed[place] = key
        return place
