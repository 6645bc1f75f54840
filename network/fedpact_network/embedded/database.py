"""What differs between databases: connecting, exclusive use, upserts, and SQLite's log.

Everything else in this package is SQLAlchemy Core and knows no dialect. SQLite runs in WAL mode with
`synchronous=FULL`: a committed block survives a power cut, and readers never wait for the writer.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.dialects.sqlite.dml import Insert
    from sqlalchemy.pool import ConnectionPoolEntry

CHECKPOINT_BYTES = 8 << 20
"""The write-ahead log is folded into the database when it has grown to this size."""

BUSY_TIMEOUT_MS = 10_000


class Database:
    """An SQLite file, held exclusively.

    Parameters
    ----------
    path : of the file; created if absent.

    Raises
    ------
    BlockingIOError
        If another node, of this process or another one, holds the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._lock = _hold(path.with_name(f"{path.name}.lock"))
        self.engine = _engine(path)

    def must_checkpoint(self) -> bool:
        """Whether the write-ahead log has grown large."""
        try:
            return self._log.stat().st_size > CHECKPOINT_BYTES
        except FileNotFoundError:
            return False

    def checkpoint(self, connection: Connection) -> bool:
        """Fold the write-ahead log into the database; return whether nobody's reading kept it from that.

        Readers of other processes, as an audit, are not waited for: blocks must go on.
        """
        # Past SQLAlchemy, which would begin a transaction first.
        raw = cast("sqlite3.Connection", connection.connection.driver_connection)
        raw.execute("PRAGMA busy_timeout=0").close()
        try:
            busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").close()
        return not busy

    def close(self) -> None:
        """Release the file."""
        self.engine.dispose()
        # Unlocked by hand, because a forked child may still hold a copy of the descriptor.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)


def upsert(table: Table) -> Insert:
    """Return an insert that replaces the row of the same primary key."""
    insert = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {
        column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys
    }
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


def _hold(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _engine(path: Path) -> Engine:
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, see `_begin`
    wait = f"busy_timeout={BUSY_TIMEOUT_MS}"
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=0", wait):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
