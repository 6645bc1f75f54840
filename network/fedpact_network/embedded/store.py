"""Writing the database: one transaction a block, on one connection, used by the block stage's thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select

from fedpact.validation import Expiry
from fedpact_network.embedded import layout
from fedpact_network.embedded.database import Database, upsert
from fedpact_network.embedded.private_commit import PrivateChanges
from fedpact_network.embedded.private_tables import write_private
from fedpact_network.embedded.reader import Reader
from fedpact_network.embedded.schema import BLOCKS, EXPIRIES, HISTORY, PRIVATE_STATE, STATE, TRANSACTIONS
from fedpact_network.embedded.statements import PreparedInsert


class Tip(NamedTuple):
    """The last block."""

    number: int
    header_hash: bytes
    state_hash: bytes
    state_residue: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """All that one block changes.

    Attributes
    ----------
    tip : the block itself.
    transactions : (transaction id, position, code) of those that own their id.
    puts : (namespace, key, value, position, metadata) of every key the block leaves changed.
    deletes : (namespace, key) of every key it leaves removed.
    changes : (namespace, key, position) of every valid write, for the history.
    expiries : private rows that go with later blocks.
    due : whether earlier blocks' expiries have their time now.
    private : what the tables of private data are changed by.
    """

    tip: Tip
    transactions: Sequence[tuple[str, int, int]] = ()
    puts: Sequence[tuple[str, str, bytes, int, bytes]] = ()
    deletes: Sequence[tuple[str, str]] = ()
    changes: Sequence[tuple[str, str, int]] = ()
    expiries: Sequence[Expiry] = ()
    due: bool = False
    private: PrivateChanges | None = None


_DELETE = delete(STATE).where(STATE.c.namespace == bindparam("ns"), STATE.c.key == bindparam("k"))
_EXPIRED = delete(EXPIRIES).where(EXPIRIES.c.expires_block <= bindparam("n"))
_BLOCK = select(BLOCKS.c.data).where(BLOCKS.c.number == bindparam("n"))
_TIP = select(*[BLOCKS.c[name] for name in Tip._fields]).order_by(BLOCKS.c.number.desc()).limit(1)


class Store:
    """The database of one channel.

    Parameters
    ----------
    database : where; the tables are made by `create`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = database.connect()
        self._insert_block = PreparedInsert(self._writer, insert(BLOCKS))
        self._insert_transactions = PreparedInsert(self._writer, insert(TRANSACTIONS))
        self._insert_changes = PreparedInsert(self._writer, insert(HISTORY))
        self._put = PreparedInsert(self._writer, upsert(STATE))
        # Of two versions of a key that end together only the later one is there still.
        self._expire = upsert(EXPIRIES)
        self._put_private = upsert(PRIVATE_STATE)

    def create(self, genesis: BlockRecord) -> None:
        """Make the tables and store the genesis block, in one transaction."""
        with self._writer.begin():
            layout.make(self._writer)
            self._write(genesis)

    def upgrade(self) -> None:
        """Bring the tables of an older version to the present layout; see `layout.upgrade`."""
        with self._writer.begin():
            layout.upgrade(self._writer)

    def tip(self) -> Tip | None:
        """Return the last block."""
        with self._writer.begin():
            found = self._writer.execute(_TIP).fetchone()
        return None if found is None else Tip(*found)

    def block(self, number: int) -> bytes:
        """Return a serialised block; empty where it is missing."""
        with self._writer.begin():
            data: bytes | None = self._writer.execute(_BLOCK, {"n": number}).scalar()
        return data or b""

    def append(self, record: BlockRecord) -> None:
        """Commit a block and everything it changes; all of it or nothing."""
        self._database.check()
        with self._writer.begin():
            self._write(record)

    def reader(self) -> Reader:
        """Open another reader."""
        return Reader(self._database.connect(snapshot=True))

    def connection(self) -> Connection:
        """Open another connection for writing what no block changes."""
        return self._database.connect()

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have somebody told, once and from another thread, that the database is not this node's any more."""
        self._database.when_lost(tell)

    def must_checkpoint(self) -> bool:
        """Whether the database's log should be folded in soon."""
        return self._database.must_checkpoint()

    def checkpoint(self) -> bool:
        """Fold the log in; return whether no reader was in the way."""
        return self._database.checkpoint(self._writer)

    def close(self) -> None:
        """Close the writer and release the database; readers are closed before."""
        self._writer.close()
        self._database.close()

    def discard(self) -> None:
        """Remove what making the database made, and release it."""
        self._writer.close()
        self._database.discard()

    def _write(self, record: BlockRecord) -> None:
        execute, number = self._writer.execute, record.tip.number
        self._insert_block.run([record.tip._asdict()])
        if record.transactions:
            rows = [
                {"tx_id": tx_id, "block": number, "position": position, "code": code}
                for tx_id, position, code in record.transactions
            ]
            self._insert_transactions.run(rows)
        if record.puts:
            puts = [
                {
                    "namespace": ns,
                    "key": key.encode(),
                    "value": value,
                    "block": number,
                    "position": position,
                    "metadata": metadata or None,
                }
                for ns, key, value, position, metadata in record.puts
            ]
            self._put.run(puts)
        if record.deletes:
            execute(_DELETE, [{"ns": ns, "k": key.encode()} for ns, key in record.deletes])
        if record.changes:
            changes = [
                {"namespace": ns, "key": key.encode(), "block": number, "position": position}
                for ns, key, position in record.changes
            ]
            self._insert_changes.run(changes)
        if record.due:
            execute(_EXPIRED, {"n": number})
        if record.expiries:
            execute(self._expire, [_expiry(item) for item in record.expiries])
        if record.private is not None:
            write_private(self._writer, self._put_private, number, record.private)


def _expiry(item: Expiry) -> dict[str, object]:
    block, key, version = item
    return {"expires_block": block, **key._asdict(), "block": version.block, "position": version.tx}
