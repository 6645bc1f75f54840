"""Private data that come late: what was missing when its block was committed, fetched from another node.

The chain holds the hash of every private write set, so that it does not matter who supplies it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select, tuple_, update

from fedpact.validation import HashedKey
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import CollectionRwset, PrivateRwset, hash_of, hashed
from fedpact_network.embedded.database import upsert
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.private_commit import content_of
from fedpact_network.embedded.private_tables import without
from fedpact_network.embedded.schema import PRIVATE_STATE, PRIVATE_WRITES
from fedpact_network.embedded.submission import Submission

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from fedpact_network.embedded.snapshots import Snapshot, Snapshots
    from fedpact_network.embedded.store import Store

_W = PRIVATE_WRITES.c
_PLACE = (
    _W.block == bindparam("b"),
    _W.position == bindparam("p"),
    _W.namespace == bindparam("ns"),
    _W.collection == bindparam("coll"),
)
_MISSING = (
    select(_W.block, _W.position, _W.namespace, _W.collection)
    .where(_W.content.is_(None))
    .order_by(_W.block, _W.position, _W.namespace, _W.collection)
    .limit(bindparam("limit"))
)
_IS_MISSING = select(_W.block).where(*_PLACE, _W.content.is_(None))
_LATER = (
    select(_W.block, _W.position)
    .where(
        _W.namespace == bindparam("ns"),
        _W.collection == bindparam("coll"),
        tuple_(_W.block, _W.position) > tuple_(bindparam("b"), bindparam("p")),
    )
    .order_by(_W.block, _W.position)
)
_FILL = update(PRIVATE_WRITES).where(*_PLACE).values(content=bindparam("found"))


class Missing(NamedTuple):
    """A write set that this node should hold and does not."""

    block: int
    position: int
    namespace: str
    collection: str


class PrivateSupply:
    """Fills in what is missing.

    Parameters
    ----------
    store, snapshots : the database and its views.
    writing : held while blocks are committed.
    """

    def __init__(self, store: Store, snapshots: Snapshots, writing: threading.Lock) -> None:
        self._store = store
        self._snapshots = snapshots
        self._writing = writing

    def missing(self, limit: int = 100) -> list[Missing]:
        """Return what is missing here, oldest first."""
        with self._store.connection() as connection:
            return [Missing(*row) for row in connection.execute(_MISSING, {"limit": limit})]

    def supply(self, block: int, position: int, rwsets: Sequence[PrivateRwset]) -> int:
        """Store private data that were missing when their block was committed.

        Parameters
        ----------
        block, position : of the valid transaction that wrote them.
        rwsets : what it wrote into collections; each must have the hash that the transaction holds.

        Returns
        -------
        int
            How many of them were missing here and are stored now. Values that later blocks have replaced,
            removed or purged stay so.

        Raises
        ------
        Refusal
            MALFORMED; nothing is stored then.
        """
        with self._writing:
            with self._snapshots.view() as snapshot, self._store.connection() as connection:
                transaction = _valid_transaction(snapshot, block, position)
                for rwset in rwsets:
                    _check(transaction, rwset)
                wanted = [rwset for rwset in rwsets if _is_missing(connection, block, position, rwset)]
                rests = [_rest(connection, snapshot, block, position, rwset) for rwset in wanted]
                rows = [row for rwset in wanted for row in _present_rows(snapshot, rwset)]
            if not wanted:
                return 0
            fills = [
                {**_place(block, position, rwset), "found": rest}
                for rwset, rest in zip(wanted, rests, strict=True)
            ]
            with self._store.connection() as connection, connection.begin():
                connection.execute(_FILL, fills)
                if rows:
                    connection.execute(upsert(PRIVATE_STATE), rows)
            self._snapshots.advance(())
        return len(wanted)


def _valid_transaction(snapshot: Snapshot, number: int, position: int) -> ParsedTransaction:
    data = snapshot.reader.block(number)
    block = None if data is None else parse_block(data)
    if block is not None and 0 <= position < len(block.envelopes):
        transaction = Submission.read(block.envelopes[position]).transaction
        if transaction is not None and block.filter[position] == ValidationCode.VALID:
            return transaction
    raise Refusal(RefusalCode.MALFORMED, f"there is no valid transaction {position} in block {number}")


def _collections(transaction: ParsedTransaction, namespace: str, name: str) -> Iterator[CollectionRwset]:
    for rwset in transaction.rwset:
        if rwset.namespace == namespace:
            yield from (found for found in rwset.collections if found.collection == name)


def _check(transaction: ParsedTransaction, rwset: PrivateRwset) -> None:
    try:
        given = hashed(rwset).private_hash
    except WireError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from error
    for public in _collections(transaction, rwset.namespace, rwset.collection):
        if public.private_hash == given:
            return
    text = f"not what transaction {transaction.transaction_id} wrote into {rwset.collection[:128]}"
    raise Refusal(RefusalCode.MALFORMED, text)


def _is_missing(connection: Connection, block: int, position: int, rwset: PrivateRwset) -> bool:
    return connection.execute(_IS_MISSING, _place(block, position, rwset)).first() is not None


def _rest(
    connection: Connection, snapshot: Snapshot, block: int, position: int, rwset: PrivateRwset
) -> bytes:
    """Return a write set's content without what was purged since. O(later write sets of the collection)."""
    content = content_of(rwset)
    purged: set[bytes] = set()
    for number, later in connection.execute(_LATER, _place(block, position, rwset)).fetchall():
        transaction = _valid_transaction(snapshot, number, later)
        for public in _collections(transaction, rwset.namespace, rwset.collection):
            purged.update(write.key_hash for write in public.writes if write.purge)
    rest = without(content, purged)
    return content if rest is None else rest


def _present_rows(snapshot: Snapshot, rwset: PrivateRwset) -> Iterator[dict[str, object]]:
    """Yield the rows whose hashed ones still have these values."""
    for key, value in rwset.writes:
        if value is None:
            continue
        place = HashedKey(rwset.namespace, rwset.collection, hash_of(key))
        row = snapshot.get(*place.place)
        if row is not None and row.value == hash_of(value):
            yield {
                **place._asdict(),
                "key": key.encode(),
                "value": value,
                "block": row.version.block,
                "position": row.version.tx,
            }


def _place(block: int, position: int, rwset: PrivateRwset) -> dict[str, object]:
    return {"b": block, "p": position, "ns": rwset.namespace, "coll": rwset.collection}
