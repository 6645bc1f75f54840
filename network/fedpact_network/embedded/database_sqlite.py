"""A ledger in an SQLite file.

WAL mode with `synchronous=FULL`: a committed block survives a power cut, and readers never wait for the
writer. Beside the file lie `<file>.keys` (the node's identities, 0700) and `<file>.lock`, which keeps a
second node away.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from fedpact.ledger import LedgerError
from fedpact_network.embedded.database import unreadable

if TYPE_CHECKING:
    from sqlalchemy.pool import ConnectionPoolEntry

CHECKPOINT_BYTES = 8 << 20
"""The write-ahead log is folded into the database when it has grown to this size."""

BUSY_TIMEOUT_MS = 10_000


class SqliteSite:
    """A `Site`: a file.

    Parameters
    ----------
    url : the ledger's.
    path : the file it names.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.path = path
        self.keys = path.with_name(f"{path.name}.keys")

    def create(self, *, with_keys: bool = True) -> SqliteDatabase:
        """Make the file's folder and hold it; the file comes with its first connection.

        The keys' folder has the file's name: what lies there was of a ledger that is gone.
        """
        self._check_absent()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        database = self._hold()
        try:
            self._check_absent()
        except LedgerError:
            database.close()
            raise
        return database

    def hold(self) -> SqliteDatabase:
        """Take the file for one node alone."""
        self._check_present()
        return self._hold()

    def view(self) -> SqliteView:
        """Read the file."""
        self._check_present()
        try:
            return SqliteView(self.path)
        except DatabaseError as error:
            raise unreadable(self.url, error) from error

    def _hold(self) -> SqliteDatabase:
        try:
            return SqliteDatabase(self.path)
        except BlockingIOError as error:
            raise LedgerError("LEDGER_BUSY", self.url, "another node has this ledger open") from error

    def _check_absent(self) -> None:
        if self.path.exists():
            raise LedgerError("LEDGER_EXISTS", self.url, "there is a file already")

    def _check_present(self) -> None:
        if not self.path.is_file():
            raise LedgerError("NO_SUCH_LEDGER", self.url, "there is no such file")


class SqliteDatabase:
    """A `Database`: an SQLite file, held exclusively.

    Parameters
    ----------
    path : of the file; created if absent.
    durable : whether a commit is on the disk when it returns.

    Raises
    ------
    BlockingIOError
        If another node, of this process or another one, holds the file.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._lock = _hold(path.with_name(f"{path.name}.lock"))
        self._inherited = True  # the log may be of a process that ended without closing it
        self._engine = _engine(path, durable=durable)

    def connect(self, *, snapshot: bool = False) -> Connection:
        """Open a connection; every transaction of SQLite is a snapshot.

        The first one makes the file, for its owner only: it holds private data. SQLite's other files follow.
        """
        if not self._path.exists():  # never on an open one: closing it again would free SQLite's locks
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return self._engine.connect()

    def check(self) -> None:
        """A file's lock lasts as long as the process."""

    def when_lost(self, tell: Callable[[], None]) -> None:
        """A file's lock lasts as long as the process."""

    def must_checkpoint(self) -> bool:
        """Whether the write-ahead log has grown large, or was left behind by another process.

        After a failed flush the system shows pages of the log that the disk does not have, and no later flush
        brings them. Folding the log in writes them again, before anybody is told what is in them.
        """
        try:
            size = self._log.stat().st_size
        except FileNotFoundError:
            size = 0
        self._inherited = self._inherited and size > 0
        return self._inherited or size > CHECKPOINT_BYTES

    def checkpoint(self, connection: Connection) -> bool:
        """Fold the write-ahead log into the database; return whether nobody's reading kept it from that.

        Readers of other processes, as an audit, are not waited for: blocks must go on.
        """
        # Past SQLAlchemy, which would begin a transaction first.
        raw = cast("sqlite3.Connection", connection.connection.driver_connection)
        raw.execute("PRAGMA busy_timeout=0").close()
        try:
            busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise OperationalError("PRAGMA wal_checkpoint", None, error) from error
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").close()
        self._inherited = self._inherited and bool(busy)
        return not busy

    def close(self) -> None:
        """Release the file."""
        self._engine.dispose()
        # Unlocked by hand, because a forked child may still hold a copy of the descriptor.
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)

    def discard(self) -> None:
        """Remove the file, then release it."""
        self._engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)
        self.close()


class SqliteView:
    """A `View` of a file. Nothing is written, not even SQLite's side files.

    Without a write-ahead log (no node has the ledger open) the file is read as immutable; `disturbed` tells
    when it changes nevertheless. A node that runs beside it cannot fold its log in before this is closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_log = path.with_name(f"{path.name}-wal").exists()
        self._file = _signature(path)
        mode = "mode=ro" if self._has_log else "immutable=1"
        address = f"file:{quote(str(path.absolute()))}?{mode}"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False),
            poolclass=NullPool,
            hide_parameters=True,
        )
        event.listen(engine, "begin", _begin)
        self.connection = engine.connect()

    def disturbed(self) -> bool:
        """Whether the file itself was written, which only folding the log in does."""
        return not self._has_log and _signature(self._path) != self._file

    def close(self) -> None:
        """Let the file go."""
        self.connection.close()


def _hold(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _engine(path: Path, *, durable: bool) -> Engine:
    url = URL.create("sqlite", database=str(path))
    # Values are nobody's business in a log: private data are among them.
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"check_same_thread": False}, hide_parameters=True
    )
    event.listen(engine, "connect", partial(_configure, durable=durable))
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry, *, durable: bool) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, see `_begin`
    wait = f"busy_timeout={BUSY_TIMEOUT_MS}"
    flushed = f"synchronous={'FULL' if durable else 'OFF'}"
    for pragma in ("journal_mode=WAL", flushed, "wal_autocheckpoint=0", wait):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _signature(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
