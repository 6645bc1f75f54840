"""Looking into a ledger's database: without keys and lock, beside a node, and leaving no trace."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from fedpact.ledger import Counts, LedgerError, inspect_ledger
from fedpact_network.embedded import database_sqlite, inspection
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.database_sqlite import SqliteView
from fedpact_network.embedded.inspection import InspectedLedger


@pytest.fixture
def written(world) -> Path:
    """A closed ledger in which one key was written, changed and removed, and another one stands."""
    ledger = world.create()
    client = world.client(ledger)
    for call in [("put", "a", "1"), ("put", "b", "x"), ("put", "a", "2"), ("delete", "a")]:
        client.run(*call)
    ledger.close()
    return world.folder


def reads(ledger) -> dict[str, object]:
    height = ledger.height()
    return {
        "channel": ledger.channel_id,
        "height": height,
        "blocks": list(ledger.blocks()),
        "later blocks": list(ledger.blocks(2)),
        "state": list(ledger.state("kv")),
        "range": list(ledger.state("kv", "b", "c")),
        "other namespace": list(ledger.state("other")),
        "histories": [list(ledger.history("kv", key)) for key in ("a", "b", "c")],
        "located": [ledger.locate(row.transaction_id) for row in ledger.history("kv", "a")],
        "unknown": ledger.locate("0" * 64),
        "counts": ledger.counts(),
        "hash": ledger.state_hash(),
        "hashes": [ledger.state_hash_at(number) for number in range(height)],
    }


def test_it_reads_what_the_node_reads(world, written):
    with closing(inspect_ledger(world.url)) as inspected:
        seen = reads(inspected)
    with closing(world.open()) as ledger:
        assert seen == reads(ledger)
    assert [len(history) for history in seen["histories"]] == [3, 1, 0]
    assert seen["histories"][0][0].value is None
    assert seen["counts"] == Counts(state=1, history=4, transactions=4)


def test_it_needs_no_keys_and_leaves_no_trace(world, written):
    shutil.rmtree(written / "ledger.db.keys")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in written.iterdir())
    with closing(inspect_ledger(world.url)) as ledger:
        reads(ledger)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in written.iterdir()) == before


def test_beside_a_running_node_it_keeps_seeing_the_moment_of_its_opening(world, written):
    with closing(world.open()) as ledger:
        client = world.client(ledger)
        client.run("put", "c", "new")
        with closing(inspect_ledger(world.url)) as inspected:
            seen = reads(inspected)
            client.run("put", "c", "newer")
            assert reads(inspected) == seen
            assert seen["height"] == ledger.height() - 1
        with closing(inspect_ledger(world.url)) as inspected:
            assert inspected.height() == ledger.height()


def test_a_node_whose_log_has_grown_goes_on_beside_it(world, written, monkeypatch):
    monkeypatch.setattr(database_sqlite, "CHECKPOINT_BYTES", 1)
    log = written / "ledger.db-wal"
    with closing(world.open()) as ledger:
        client = world.client(ledger)
        client.run("put", "c", "new")
        with closing(inspect_ledger(world.url)) as inspected:
            seen = reads(inspected)
            for number in range(3):
                client.status(client.submit("put", "c", str(number)), timeout_s=5)
            assert reads(inspected) == seen
        size = log.stat().st_size
        deadline = time.monotonic() + 60
        while log.stat().st_size >= size and time.monotonic() < deadline:
            client.run("put", "c", "again")
        assert log.stat().st_size < size


def test_a_node_that_writes_the_file_while_it_is_read_is_noticed(world, written):
    with closing(inspect_ledger(world.url)) as inspected:
        assert inspected.height() > 0
        with closing(world.open()) as ledger:
            world.client(ledger).run("put", "c", "new")
        with pytest.raises(LedgerError) as caught:
            inspected.state_hash()
    assert caught.value.code == "LEDGER_BUSY"


def test_there_is_no_block_beyond_the_last(world, written):
    with closing(inspect_ledger(world.url)) as ledger, pytest.raises(IndexError):
        ledger.state_hash_at(ledger.height())


def test_what_histories_keep_in_memory_is_bounded(world, written, monkeypatch):
    with closing(inspect_ledger(world.url)) as ledger:
        expected = [list(ledger.history("kv", key)) for key in ("a", "b")]
    monkeypatch.setattr(inspection, "CACHED_BYTES", 1)
    with closing(inspect_ledger(world.url)) as ledger:
        assert [list(ledger.history("kv", key)) for key in ("a", "b", "a")] == [*expected, expected[0]]
        assert len(ledger._pasts) == 1


def test_what_was_removed_from_the_database_is_not_made_up(world, written):
    with sqlite3.connect(written / "ledger.db") as rows:
        rows.execute("delete from transactions")
        rows.execute("insert into history values ('kv', cast('a' as blob), 2, 77)")
        rows.execute("insert into state values ('kv', x'ff', x'00', 1, 0, null)")
    rows.close()
    with closing(inspect_ledger(world.url)) as ledger:
        rows = list(ledger.history("kv", "a"))
        assert [row.transaction_id for row in rows] == [""] * 4
        assert [(row.timestamp_ns, row.value) for row in rows if row.version.tx == 77] == [(0, None)]
        assert [row.key for row in ledger.state("kv")] == ["b", "\\xff"]


def test_values_of_another_type_are_read_as_bytes(world, written):
    with sqlite3.connect(written / "ledger.db") as rows:
        rows.execute("update state set value = 'text', position = 'x'")
        rows.execute("update blocks set data = 5, state_hash = 'abc' where number = 1")
    rows.close()
    with closing(inspect_ledger(world.url)) as ledger:
        assert [(row.value, row.version) for row in ledger.state("kv")] == [(b"text", (2, "x"))]
        assert next(ledger.blocks(1)) == b"5"
        assert ledger.state_hash_at(1) == b"abc".hex()
        assert len(list(ledger.history("kv", "a"))) == 3


def test_a_missing_block_ends_the_chain_but_not_its_height(world, written):
    with sqlite3.connect(written / "ledger.db") as rows:
        rows.execute("delete from blocks where number = 2")
    rows.close()
    with closing(inspect_ledger(world.url)) as ledger:
        assert len(list(ledger.blocks())) == 2 < ledger.height()


def test_no_ledger_is_said_to_be_none(world):
    with pytest.raises(LedgerError) as caught:
        inspect_ledger(world.url)
    assert caught.value.code == "NO_SUCH_LEDGER"
    assert not world.path.exists()


@pytest.mark.parametrize("content", [b"", b"no database at all, but longer than a header of SQLite" * 3])
def test_another_file_is_no_ledger(world, content):
    world.path.write_bytes(content)
    with pytest.raises(LedgerError) as caught:
        EmbeddedBackend.inspect(world.url)
    assert caught.value.code == "LEDGER_DAMAGED"


def test_a_damaged_genesis_block_leaves_the_rest_readable(world, written):
    with sqlite3.connect(written / "ledger.db") as rows:
        rows.execute("update blocks set data = x'ffff' where number = 0")
    rows.close()
    with closing(inspect_ledger(world.url)) as ledger:
        with pytest.raises(LedgerError, match="genesis"):
            _ = ledger.channel_id
        assert len(list(ledger.blocks())) == ledger.height()


def test_a_path_may_hold_any_character(tmp_path, make_world):
    world = make_world()
    world.create().close()
    odd = tmp_path / "a ? b # c % d"
    odd.mkdir()
    shutil.copy(world.path, odd / "ledger.db")
    with closing(InspectedLedger("embedded:///x", SqliteView(odd / "ledger.db"))) as ledger:
        assert ledger.height() == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_read_all_the_same(world, written):
    written.chmod(0o500)
    try:
        with closing(inspect_ledger(world.url)) as ledger:
            assert ledger.height() > 1
    finally:
        written.chmod(0o700)
