"""Writing the database: one transaction a block, on one connection, used by the block stage's thread only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select

from fedpact_network.embedded import layout
from fedpact_network.embedded.database import Database, upsert
from fedpact_network.embedded.reader import Reader
from fedpact_network.embedded.schema import BLOCKS, HISTORY, STATE, TRANSACTIONS


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
    puts : (namespace, key, value, position) of every key the block leaves changed.
    deletes : (namespace, key) of every key it leaves removed.
    changes : (namespace, key, position) of every valid write, for the history.
    """

    tip: Tip
    transactions: Sequence[tuple[str, int, int]] = ()
    puts: Sequence[tuple[str, str, bytes, int]] = ()
    deletes: Sequence[tuple[str, str]] = ()
    changes: Sequence[tuple[str, str, int]] = ()


_INSERT_BLOCK = insert(BLOCKS)
_INSERT_TRANSACTION = insert(TRANSACTIONS)
_INSERT_CHANGE = insert(HISTORY)
_PUT = upsert(STATE)
_DELETE = delete(STATE).where(STATE.c.namespace == bindparam("ns"), STATE.c.key == bindparam("k"))
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
        self._writer = database.engine.connect()

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
        with self._writer.begin():
            self._write(record)

    def reader(self) -> Reader:
        """Open another reader."""
        return Reader(self._database.engine.connect())

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

    def _write(self, record: BlockRecord) -> None:
        execute, number = self._writer.execute, record.tip.number
        execute(_INSERT_BLOCK, record.tip._asdict())
        if record.transactions:
            rows = [
                {"tx_id": tx_id, "block": number, "position": position, "code": code}
                for tx_id, position, code in record.transactions
            ]
            execute(_INSERT_TRANSACTION, rows)
        if record.puts:
            puts = [
                {"namespace": ns, "key": key.encode(), "value": value, "block": number, "position": position}
                for ns, key, value, position in record.puts
            ]
            execute(_PUT, puts)
        if record.deletes:
            execute(_DELETE, [{"ns": ns, "k": key.encode()} for ns, key in record.deletes])
        if record.changes:
            changes = [
                {"namespace": ns, "key": key.encode(), "block": number, "position": position}
                for ns, key, position in record.changes
            ]
            execute(_INSERT_CHANGE, changes)
