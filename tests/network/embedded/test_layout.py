"""The tables' layout: what older versions made is upgraded, what newer ones made is refused."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from fedpact.ledger import LedgerError, inspect_ledger
from fedpact_network.embedded import layout
from fedpact_network.embedded.schema import HEAD, METADATA, OLDER

OLD = """
CREATE TABLE about (name TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (name));
CREATE TABLE blocks (number INTEGER NOT NULL, header_hash BLOB NOT NULL, state_hash BLOB NOT NULL,
  state_residue BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (number));
CREATE TABLE transactions (tx_id TEXT NOT NULL, block INTEGER NOT NULL, position INTEGER NOT NULL,
  code INTEGER NOT NULL, PRIMARY KEY (tx_id)) WITHOUT ROWID;
CREATE TABLE state (namespace TEXT NOT NULL, "key" BLOB NOT NULL, value BLOB NOT NULL, block INTEGER NOT NULL,
  position INTEGER NOT NULL, PRIMARY KEY (namespace, "key")) WITHOUT ROWID;
CREATE TABLE history (namespace TEXT NOT NULL, "key" BLOB NOT NULL, block INTEGER NOT NULL,
  position INTEGER NOT NULL, PRIMARY KEY (namespace, "key", block, position)) WITHOUT ROWID;
INSERT INTO about VALUES ('schema', '1');
"""
COPIED = {
    "blocks": "number, header_hash, state_hash, state_residue, data",
    "transactions": "tx_id, block, position, code",
    "state": "namespace, key, value, block, position",
    "history": "namespace, key, block, position",
}


def make_old(path: Path) -> None:
    """Give a ledger the layout that the first version made."""
    new = path.rename(path.with_name("new.db"))
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLD)
        database.execute("attach ? as new", (str(new),))
        for table, columns in COPIED.items():
            database.execute(f"insert into {table} ({columns}) select {columns} from new.{table}")
        database.commit()


def say(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(statement).rowcount
        database.commit()


@pytest.fixture
def old(world):
    """A closed ledger of the first layout with two keys."""
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    world.client(ledger).run("append", "a", "2")
    ledger.close()
    make_old(world.path)
    return world


def test_an_older_ledger_is_upgraded_and_works(old):
    ledger = old.open()
    client = old.client(ledger)
    assert client.evaluate("read", "a") == b"12"
    client.run("append", "a", "3")
    height, state_hash = ledger.height(), ledger.state_hash()
    assert len(list(ledger.history("kv", "a"))) == 3
    ledger.close()
    with closing(old.open()) as again:
        assert (again.height(), again.state_hash()) == (height, state_hash)
    with closing(sqlite3.connect(old.path)) as database:
        assert database.execute("select version_num from alembic_version").fetchall() == [(HEAD,)]
        assert database.execute("select count(*) from sqlite_master where name = 'about'").fetchone() == (0,)


def test_who_only_reads_upgrades_nothing(old):
    before = old.path.read_bytes()
    with pytest.raises(LedgerError, match="layout 0001") as caught:
        inspect_ledger(old.url)
    assert caught.value.code == "LAYOUT_OLD"
    assert old.path.read_bytes() == before


def test_an_upgrade_that_fails_changes_nothing(old):
    say(old.path, "update about set content = '1'")
    with closing(sqlite3.connect(old.path)) as database:
        database.execute("create table private_writes (x)")  # in the way of the last statements
    with pytest.raises(LedgerError) as caught:
        old.open()
    assert caught.value.code == "LEDGER_DAMAGED"
    with closing(sqlite3.connect(old.path)) as database:
        assert database.execute("select content from about").fetchall() == [("1",)]
        assert len(database.execute("select * from state").fetchone()) == 5


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("update alembic_version set version_num = '9999'", "LAYOUT_UNKNOWN"),
        ("delete from alembic_version", "LEDGER_DAMAGED"),
    ],
)
def test_another_layout_is_refused(world, statement, code):
    world.create().close()
    say(world.path, statement)
    for opening in (world.open, lambda: inspect_ledger(world.url)):
        with pytest.raises(LedgerError) as caught:
            opening()
        assert caught.value.code == code


def test_an_unknown_schema_of_the_first_layout_is_refused(old):
    say(old.path, "update about set content = '2'")
    with pytest.raises(LedgerError, match="layout '2' is not known") as caught:
        old.open()
    assert caught.value.code == "LAYOUT_UNKNOWN"


def test_the_revisions_are_those_of_the_migrations():
    script = ScriptDirectory(layout.MIGRATIONS)
    revisions = [one.revision for one in script.walk_revisions()][::-1]
    assert revisions == [*OLDER, HEAD]
    assert script.get_heads() == [HEAD]


def test_new_tables_equal_upgraded_ones(tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path}/upgraded.db", poolclass=NullPool)
    with closing(sqlite3.connect(tmp_path / "upgraded.db")) as database:
        database.executescript(OLD)
    with engine.begin() as connection:
        layout.upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        upgraded = details(connection)
    new = create_engine("sqlite://")
    with new.begin() as connection:
        layout.make(connection)
        assert details(connection) == upgraded
    new.dispose()


def details(connection):
    tables = inspect(connection)
    return {
        name: (
            {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in tables.get_columns(name)
            },
            tables.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (i["name"], i["column_names"], str(list(map(str, i["dialect_options"].values()))))
                for i in tables.get_indexes(name)
            ),
        )
        for name in sorted(METADATA.tables)
    }


def test_opening_does_not_import_alembic(world):
    world.create().close()
    code = (
        "import sys; from fedpact.ledger import inspect_ledger\n"
        f"from fedpact_network.embedded.database_sqlite import SqliteDatabase\n"
        f"from fedpact_network.embedded.recovery import recover\n"
        f"from fedpact_network.embedded.store import Store\n"
        f"from pathlib import Path\n"
        f"store = Store(SqliteDatabase(Path({str(world.path)!r}))); recover(store); store.close()\n"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_a_missing_alembic_is_named(old, monkeypatch):
    monkeypatch.setitem(sys.modules, "alembic", None)
    with pytest.raises(LedgerError, match=re.escape("fedpact[node]")) as caught:
        old.open()
    assert caught.value.code == "LAYOUT_OLD"
