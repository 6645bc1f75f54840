"""A ledger in a schema of a PostgreSQL database, through psycopg 3.

A node holds it by an advisory lock on a connection of its own. When that connection breaks, the server gives
the lock to whoever asks next, so the node stops. Should both nodes write for a moment, the blocks' numbers
keep them apart: the second block of a number is refused. What a URL leaves out comes from where PostgreSQL's
clients look for it, such as PGPASSWORD, PGSSLMODE and ~/.pgpass.
"""

from __future__ import annotations

import hashlib
import os
import select
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from fedpact.ledger import LedgerError
from fedpact_network.embedded.database import DatabaseLostError
from fedpact_network.embedded.layout import revision

if TYPE_CHECKING:
    import psycopg

LOCK_TIMEOUT_MS = 1_000
"""How long opening waits for the lock: the server needs a moment to notice that a killed node is gone."""

_SETTINGS = {
    "synchronous_commit": "on",  # a committed block is on the server's disk
    "idle_in_transaction_session_timeout": "0",  # snapshots and the lock rest as long as nothing happens
    "idle_session_timeout": "0",
    "statement_timeout": "0",
    "tcp_keepalives_idle": "10",  # on the server's side: a node that vanished gives its lock free
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_CONNECT_TIMEOUT_S = 10


class PostgresqlSite:
    """A `Site`: a schema of a database.

    Parameters
    ----------
    url : the ledger's, without a password.
    server : of the driver, with the password.
    schema : holds the tables; letters, digits and underscores.
    keys : folder of the node's identities.
    """

    def __init__(self, url: str, server: URL, *, schema: str, keys: Path) -> None:
        self.url = url
        self.keys = keys
        self._schema = schema
        options = " ".join(f"-c {name}={value}" for name, value in self._settings().items())
        arguments = {
            "options": options,
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "application_name": "fedpact",
            **_KEEPALIVE,
        }
        self._engine = create_engine(server, poolclass=NullPool, connect_args=arguments, hide_parameters=True)

    def create(self, *, with_keys: bool = True) -> PostgresqlDatabase:
        """Make the schema and hold it; one that is there and has no ledger is used."""
        if with_keys and self.keys.is_dir() and any(self.keys.iterdir()):
            raise LedgerError("LEDGER_EXISTS", self.url, "the folder for the node's keys is not empty")
        self._check_absent()
        database = self._hold()
        try:
            self._check_absent()
            database.make_schema()
        except BaseException:
            database.close()
            raise
        return database

    def hold(self) -> PostgresqlDatabase:
        """Take the schema for one node alone."""
        if not self._present():
            raise LedgerError("NO_SUCH_LEDGER", self.url, f"schema {self._schema} has no ledger")
        return self._hold()

    def view(self) -> PostgresqlView:
        """Read the schema."""
        if not self._present():
            raise LedgerError("NO_SUCH_LEDGER", self.url, f"schema {self._schema} has no ledger")
        return PostgresqlView(self._connect(_SNAPSHOT))

    def _settings(self) -> Mapping[str, str]:
        return {**_SETTINGS, "search_path": self._schema}

    def _hold(self) -> PostgresqlDatabase:
        lock = self._connect({"isolation_level": "AUTOCOMMIT"})
        try:
            lock.exec_driver_sql(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
            lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _lock_key(self._schema)})
        except OperationalError as error:
            lock.close()
            raise LedgerError("LEDGER_BUSY", self.url, "another node has this ledger open") from error
        except BaseException:
            lock.close()
            raise
        return PostgresqlDatabase(self._engine, lock, self._schema)

    def _present(self) -> bool:
        with self._connect({}) as connection:
            return revision(connection) is not None

    def _check_absent(self) -> None:
        if self._present():
            raise LedgerError("LEDGER_EXISTS", self.url, f"schema {self._schema} has a ledger already")

    def _connect(self, options: Mapping[str, Any]) -> Connection:
        try:
            return self._engine.connect().execution_options(**options)
        except OperationalError as error:
            reason = " ".join(str(error.orig).split())
            raise LedgerError("DATABASE_UNREACHABLE", self.url, reason) from error


_SNAPSHOT: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class PostgresqlDatabase:
    """A `Database`: a schema, held by an advisory lock.

    Parameters
    ----------
    engine : makes connections.
    lock : a connection, in no transaction, whose session has the lock; closed with this.
    schema : its name.
    """

    def __init__(self, engine: Engine, lock: Connection, schema: str) -> None:
        self._engine = engine
        self._lock = lock
        self._schema = schema
        self._made = False
        self._lost = threading.Event()
        self._tell: list[Callable[[], None]] = []
        self._telling = threading.Lock()
        self._wake, self._closing = os.pipe()
        self._watcher = threading.Thread(target=self._watch, name="database-lock", daemon=True)
        self._watcher.start()

    def connect(self, *, snapshot: bool = False) -> Connection:
        """Open a connection."""
        connection = self._engine.connect()
        return connection.execution_options(**_SNAPSHOT) if snapshot else connection

    def check(self) -> None:
        """Raise `DatabaseLostError` once the lock's connection is broken."""
        if self._lost.is_set():
            raise DatabaseLostError("the connection that held the database is broken")

    def when_lost(self, tell: Callable[[], None]) -> None:
        """Have somebody told, at once if the lock is gone already."""
        with self._telling:
            self._tell.append(tell)
        if self._lost.is_set():
            self._tell_all()

    def must_checkpoint(self) -> bool:
        """There is no log to fold: the server does that itself."""
        return False

    def checkpoint(self, connection: Connection) -> bool:
        """There is no log to fold."""
        return True

    def make_schema(self) -> None:
        """Make the schema unless it is there."""
        with self._engine.begin() as connection:
            found = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
            if connection.execute(found, {"name": self._schema}).scalar() is None:
                connection.exec_driver_sql(f'CREATE SCHEMA "{self._schema}"')
                self._made = True

    def close(self) -> None:
        """Give the lock free."""
        if not self._closing:
            return
        os.close(self._closing)
        self._closing = 0
        self._watcher.join()
        os.close(self._wake)
        if not self._lost.is_set():  # at once; the server would notice the end of the session a little later
            try:
                self._lock.execute(text("SELECT pg_advisory_unlock_all()"))
            except OperationalError:
                self._lost.set()
        if self._lost.is_set():
            self._lock.invalidate()
        self._lock.close()
        self._engine.dispose()

    def discard(self) -> None:
        """Remove the schema if it was made here, and release it; tables come in one transaction or not."""
        if self._made:
            with self._engine.begin() as connection:
                connection.exec_driver_sql(f'DROP SCHEMA "{self._schema}" CASCADE')
        self.close()

    def _watch(self) -> None:
        """Wait until the server ends the lock's session, or `close` does."""
        session = cast("psycopg.Connection[Any]", self._lock.connection.driver_connection).pgconn
        events = select.poll()
        events.register(session.socket, select.POLLIN)
        events.register(self._wake, select.POLLIN)
        while True:
            if any(descriptor == self._wake for descriptor, _ in events.poll()):
                return
            try:
                session.consume_input()  # a notice, or the end
            except Exception:
                break
            if session.status != 0:
                break
        self._lost.set()
        self._tell_all()

    def _tell_all(self) -> None:
        with self._telling:
            waiting, self._tell = self._tell, []
        for tell in waiting:
            tell()


class PostgresqlView:
    """A `View`: a transaction that is REPEATABLE READ, READ ONLY."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def disturbed(self) -> bool:
        """The server keeps the moment."""
        return False

    def close(self) -> None:
        """Let the moment go."""
        self.connection.close()


def _lock_key(schema: str) -> int:
    """Return the number of a schema's lock; the server keeps those of its databases apart."""
    digest = hashlib.sha256(b"fedpact ledger\0" + schema.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
