"""A ledger's database as the rest of this package sees it: what SQLite and PostgreSQL differ in.

Everything else is SQLAlchemy Core and knows no dialect.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert as Upsert
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, OperationalError

from fedpact.ledger import LedgerError

_DISK_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""SQLite's reasons that say nothing about what a file holds."""


class DatabaseLostError(Exception):
    """The exclusive use of the database is gone; nothing may be written any more."""


class Database(Protocol):
    """A database, held for one node alone."""

    def connect(self, *, snapshot: bool = False) -> Connection:
        """Open a connection.

        Parameters
        ----------
        snapshot : every read of a transaction sees the state of its first one, and nothing can be written.
            Otherwise a commit returns when it is on the disk.
        """

    def check(self) -> None:
        """Raise `DatabaseLostError` if the database is not held any more."""

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have somebody told, once, in a thread of the database, that it is not held any more."""

    def must_checkpoint(self) -> bool:
        """Whether there is a log that has grown large and wants to be folded in."""

    def checkpoint(self, connection: Connection) -> bool:
        """Fold the log in; return whether nobody's reading kept it from that."""

    def close(self) -> None:
        """Release the database; connections are closed before."""

    def discard(self) -> None:
        """Remove what creating the database made, and release it."""


class View(Protocol):
    """One consistent moment of a database, read beside whoever holds it."""

    @property
    def connection(self) -> Connection:
        """A connection in a transaction that only reads."""

    def disturbed(self) -> bool:
        """Whether somebody wrote in a way that what was read may be of two moments."""

    def close(self) -> None:
        """Let the moment go; more than once is allowed."""


class Site(Protocol):
    """Where a ledger's database is or will be."""

    @property
    def url(self) -> str:
        """The ledger's URL, without a password."""

    @property
    def keys(self) -> Path:
        """Folder of the node's identities."""

    def create(self, *, with_keys: bool = True) -> Database:
        """Make an empty database and hold it.

        Parameters
        ----------
        with_keys : whether the node's keys will be written, so that their folder must be free.

        Raises
        ------
        LedgerError
            LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
        """

    def hold(self) -> Database:
        """Take an existing database for one node alone.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_BUSY, DATABASE_UNREACHABLE.
        """

    def view(self) -> View:
        """Read an existing database.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_DAMAGED, DATABASE_UNREACHABLE.
        """


def unreadable(url: str, error: DatabaseError) -> LedgerError:
    """Return what is wrong with a ledger whose database has failed: its disk or server, or what it holds.

    Returns
    -------
    LedgerError
        DATABASE_UNREACHABLE, LEDGER_DAMAGED.
    """
    code = getattr(error.orig, "sqlite_errorcode", 0)
    of_disk = code & 0xFF in _DISK_CODES if isinstance(error.orig, sqlite3.Error) else True
    if isinstance(error, OperationalError) and of_disk:
        return LedgerError("DATABASE_UNREACHABLE", url, f"the database cannot be used: {error.orig}")
    return LedgerError("LEDGER_DAMAGED", url, f"the database: {error.orig}")


def upsert(table: Table) -> Upsert:
    """Return an insert that replaces the row of the same primary key.

    SQLite took PostgreSQL's ON CONFLICT word for word, so the one statement is compiled for both.
    """
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {one.name: statement.excluded[one.name] for one in table.columns if one.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)
