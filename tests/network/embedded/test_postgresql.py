"""What is different on PostgreSQL: the lock, failing connections, passwords, consistent views."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError
from tests.network.embedded.conftest import World
from tests.postgresql_server import PASSWORD, QUOTED_PASSWORD, PostgresqlServer

from fedpact.gateway.transport import Status, TransportError
from fedpact.ledger import Ledger, LedgerError, LedgerView, inspect_ledger, open_ledger
from fedpact.wire.commits import ValidationCode
from fedpact.wire.kv_messages import MAX_KEY_BYTES
from fedpact_network.embedded import layout
from fedpact_network.embedded.database_postgresql import _lock_key
from fedpact_network.embedded.errors import Refusal
from fedpact_network.embedded.schema import HEAD, METADATA
from fedpact_network.embedded.sites import find_site
from fedpact_network.embedded.store import BlockRecord, Store, Tip

VALID = ValidationCode.VALID


@dataclass
class Served(World):
    """A world whose ledger is on the server."""

    server: PostgresqlServer | None = None
    schema: str = ""

    @property
    def url(self) -> str:
        assert self.server is not None
        return self.server.url(self.folder / "keys", self.schema)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        assert self.server is not None
        with self.server.connect() as connection:
            connection.execute(f'SET search_path = "{self.schema}"')
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def served(postgresql: PostgresqlServer, tmp_path: Path) -> Iterator[Served]:
    world = Served(tmp_path, server=postgresql, schema=postgresql.new_schema())
    yield world
    world.close()


def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not happen")


def end_sessions(served: Served) -> None:
    """Break the connections that hold the ledger's lock."""
    ended = served.sql(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and"
        f" ((classid::bigint << 32) | objid::bigint) = {_lock_key(served.schema)}"
    )
    assert ended == [(True,)]


def everything(ledger: LedgerView) -> dict[str, object]:
    return {
        "blocks": list(ledger.blocks()),
        "state": list(ledger.state("kv")),
        "history": list(ledger.history("kv", "a")),
        "counts": ledger.counts(),
        "hash": ledger.state_hash(),
    }


def test_a_node_whose_lock_is_gone_stops_and_another_goes_on(served):
    ledger = served.create()
    client = served.client(ledger)
    assert client.run("put", "a", "1")[0] is VALID
    end_sessions(served)
    told = threading.Event()
    ledger.node._store.when_lost(told.set)
    assert told.wait(10)
    with pytest.raises(TransportError) as caught:
        client.submit("put", "a", "2")
    assert caught.value.status is Status.UNAVAILABLE
    with pytest.raises(Refusal, match="another node may have the database"):
        ledger.node.notifier.check()
    with closing(served.open()) as other:
        assert served.client(other).run("put", "a", "3")[0] is VALID
        assert other.height() == 3
    ledger.close()


def test_two_nodes_that_write_are_kept_apart_by_the_blocks_numbers(served, monkeypatch):
    ledger = served.create()
    first = ledger.node._store
    end_sessions(served)
    until(first._database._lost.is_set)
    monkeypatch.setattr(first._database, "check", lambda: None)  # as if it had not noticed yet
    with closing(served.open()) as other:
        assert served.client(other).run("put", "a", "1")[0] is VALID
        with pytest.raises(IntegrityError):
            first.append(BlockRecord(Tip(1, b"h", b"s", b"r", b"d"), puts=[("kv", "a", b"2", 0, b"")]))
        assert served.client(other).evaluate("read", "a") == b"1"


KILLED = """
import sys
from fedpact_network.embedded.backend import EmbeddedBackend
from tests.network.embedded.conftest import KeyValue
ledger = EmbeddedBackend.open(sys.argv[1], chaincodes={"kv": KeyValue()})
print(ledger.height(), flush=True)
sys.stdin.read()
"""


def test_a_killed_node_leaves_the_ledger_to_the_next(served):
    served.create().close()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, served.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        with pytest.raises(LedgerError) as caught:
            served.open()
        assert caught.value.code == "LEDGER_BUSY"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    served.open().close()


def test_a_reader_beside_a_node_keeps_its_moment_and_writes_nothing(served):
    ledger = served.create()
    client = served.client(ledger)
    client.run("put", "a", "1")
    with closing(inspect_ledger(served.url)) as inspected:
        seen = everything(inspected)
        assert seen == everything(ledger)
        client.run("put", "a", "2")
        assert everything(inspected) == seen
        with pytest.raises(Exception, match="read-only transaction"):
            inspected._connection.exec_driver_sql("delete from blocks")


def test_what_a_url_cannot_reach(served, postgresql):
    def code(url: str) -> str:
        with pytest.raises(LedgerError) as caught:
            open_ledger(url)
        with pytest.raises(LedgerError):
            inspect_ledger(url)
        assert QUOTED_PASSWORD not in str(caught.value)
        return caught.value.code

    keys = served.folder / "keys"
    assert code(served.url) == "NO_SUCH_LEDGER"
    assert code(postgresql.url(keys, served.schema, password=":wrong")) == "DATABASE_UNREACHABLE"
    assert code(served.url.replace(str(postgresql.port), "1")) == "DATABASE_UNREACHABLE"
    assert code(served.url.replace("/postgres?", "/nowhere?")) == "DATABASE_UNREACHABLE"
    assert served.sql(f"select 1 from pg_namespace where nspname = '{served.schema}'") == []


@pytest.mark.parametrize(
    "url",
    [
        "embedded+postgresql://u:secret@h/db",
        "embedded+postgresql://u:secret@h/db?keys=relative",
        "embedded+postgresql://u:secret@h/db?keys=/k&schema=Robert'); drop",
        "embedded+postgresql://u:secret@h/db?keys=/k&password=x",
        "embedded+postgresql://u:secret@h/?keys=/k",
        "embedded+postgresql://u:secret@h:port/db?keys=/k",
        "embedded+postgresql://u:secret@[h/db?keys=/k",
        "embedded+postgresql://u:sec/ret@h/db?keys=/k",
        "embedded+mysql://u:secret@h/db?keys=/k",
        "imbedded://u:secret@h/db",
        "u:secret@h",
    ],
)
def test_a_wrong_url_is_refused_without_telling_the_password(url):
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    assert caught.value.code == "UNKNOWN_SCHEME"
    shown = f"{caught.value} {caught.value!r} {caught.value.url}"
    assert "sec" not in shown.replace("expected", "")
    assert caught.value.__cause__ is None


def test_nobody_is_told_the_password(served, caplog):
    caplog.set_level(logging.DEBUG)
    with closing(served.create()) as ledger:
        assert ledger.url == served.url.replace(f":{QUOTED_PASSWORD}", "")
        site = find_site(served.url)
        shown = [caplog.text, repr(ledger), repr(site), str(site._engine), repr(ledger.node._store._database)]
    with closing(inspect_ledger(served.url)) as inspected:
        shown += [inspected.url, repr(inspected)]
    for text in shown:
        assert PASSWORD not in text
        assert QUOTED_PASSWORD not in text


def test_the_password_may_come_from_elsewhere(served, monkeypatch):
    with closing(served.create()) as ledger:
        shown = ledger.url
    with pytest.raises(LedgerError, match="DATABASE_UNREACHABLE"):
        inspect_ledger(shown)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    inspect_ledger(shown).close()


def test_a_folder_with_keys_of_something_else_is_left_alone(served):
    wallet = served.folder / "keys"
    wallet.mkdir()
    (wallet / "precious").write_text("key")
    with pytest.raises(LedgerError, match="keys is not empty") as caught:
        served.create()
    assert caught.value.code == "LEDGER_EXISTS"
    assert [path.name for path in wallet.iterdir()] == ["precious"]
    assert served.sql(f"select 1 from pg_namespace where nspname = '{served.schema}'") == []


def test_a_failed_creation_leaves_nothing(served, monkeypatch):
    monkeypatch.setattr(Store, "create", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        served.create()
    monkeypatch.undo()
    assert served.sql(f"select 1 from pg_namespace where nspname = '{served.schema}'") == []
    assert not (served.folder / "keys").exists()
    served.create().close()


def test_a_schema_that_is_there_is_used_and_kept(served):
    served.sql(f'create schema "{served.schema}"')
    served.sql("create table mine (x int)")
    served.create().close()
    assert served.sql("select * from mine") == []


def test_texts_that_postgresql_cannot_hold_are_not_there(served):
    ledger: Ledger = served.create()
    assert ledger.locate("a\0b") is None
    with closing(inspect_ledger(served.url)) as inspected:
        assert inspected.locate("a\0b") is None


def test_keys_and_values_of_all_bytes(served):
    ledger = served.create()
    client = served.client(ledger)
    key, value = "\0type\0ключ\U0010ffff", "\0\U0001f600" * 1000
    assert client.run("put", key, value)[0] is VALID
    assert client.evaluate("read", key) == value.encode()
    assert [row.key for row in ledger.state("kv", "\0", "\1")] == [key]


def test_new_tables_equal_upgraded_ones(served):
    served.sql(f'create schema "{served.schema}"')
    site = find_site(served.url)
    with site._engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(layout.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        assert layout.revision(connection) == "0001"
        layout.upgrade(connection)
        assert layout.revision(connection) == HEAD
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    upgraded = _columns(served)
    served.sql(f'drop schema "{served.schema}" cascade')
    served.create().close()
    assert _columns(served) == upgraded


def _columns(served: Served) -> list[tuple[object, ...]]:
    columns = served.sql(
        "select table_name, column_name, data_type, is_nullable from information_schema.columns"
        f" where table_schema = '{served.schema}' order by 1, 2"
    )
    indexes = served.sql(
        f"select tablename, indexdef from pg_indexes where schemaname = '{served.schema}' order by 1, 2"
    )
    assert len(columns) > 40
    return columns + indexes


def test_a_closed_ledger_leaves_no_session(served):
    with closing(served.create()):
        pass
    with closing(inspect_ledger(served.url)):
        pass
    sessions = "select query from pg_stat_activity where application_name = 'fedpact'"
    until(lambda: served.sql(sessions) == [])


def test_a_node_whose_server_is_gone_stops_and_can_be_closed(served):
    ledger = served.create()
    client = served.client(ledger)
    assert client.run("put", "a", "1")[0] is VALID
    ended = served.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'fedpact'"
    )
    assert len(ended) >= 3  # the lock's, the writer's, a reader's
    until(ledger.node._store._database._lost.is_set)
    with pytest.raises(TransportError):
        client.run("put", "a", "2")
    ledger.close()
    with closing(served.open()) as again:
        assert served.client(again).evaluate("read", "a") == b"1"


def test_the_longest_key_is_held_and_a_longer_one_is_refused(served):
    ledger = served.create()
    client = served.client(ledger)
    key = "".join(secrets.choice(string.ascii_letters) for _ in range(MAX_KEY_BYTES - 4)) + "\U0010ffff"
    assert client.run("put", key, "1")[0] is VALID  # random, so that the index cannot compress it
    assert client.evaluate("read", key) == b"1"
    with pytest.raises(TransportError):
        client.submit("put", f"{key}x", "1")
    assert client.run("put", "a", "2")[0] is VALID
