"""Views stay as they were while blocks go by."""

import threading

import pytest

from fedpact.wire.rwsets import Row, Version
from fedpact_network.embedded import database_sqlite
from fedpact_network.embedded.database_sqlite import SqliteDatabase
from fedpact_network.embedded.errors import Refusal
from fedpact_network.embedded.snapshots import Snapshots
from fedpact_network.embedded.state_cache import StateCache
from fedpact_network.embedded.store import BlockRecord, Store, Tip


class Chain:
    """Blocks of bare state changes."""

    def __init__(self, path, cache_bytes=1 << 20):
        self.store = Store(SqliteDatabase(path))
        self.store.create(BlockRecord(Tip(0, b"h" * 32, b"s" * 32, b"r", b"genesis")))
        self.snapshots = Snapshots(self.store, StateCache(cache_bytes))
        self.number = 0

    def append(self, **rows):
        """Add a block; None removes a key."""
        self.number += 1
        n = self.number
        puts = [("ns", key, value, 0, b"") for key, value in rows.items() if value is not None]
        deletes = [("ns", key) for key, value in rows.items() if value is None]
        changes = [("ns", key, 0) for key in rows]
        tip = Tip(n, b"h" * 32, b"s" * 32, b"r", b"block")
        self.store.append(BlockRecord(tip, [(f"tx{n}", 0, 0)], puts, deletes, changes))
        after = {k: None if v is None else Row(v, Version(n, 0)) for k, v in rows.items()}
        self.snapshots.advance([(("ns", key), row) for key, row in after.items()])

    def close(self):
        self.snapshots.close()
        self.store.close()


@pytest.fixture(params=[1 << 20, 0], ids=["cached", "uncached"])
def chain(tmp_path, request):
    chain = Chain(tmp_path / "db", request.param)
    yield chain
    chain.close()


def seen(view):
    rows = {key: row.value for key, row in view.scan("ns", "", "")}
    for key in "abcd":
        row = view.get("ns", key)
        assert (None if row is None else row.value) == rows.get(key)
    return rows


def test_a_view_stays_as_it_was(chain):
    chain.append(a=b"1", b=b"1")
    with chain.snapshots.view() as first:
        chain.append(a=b"2", b=None, c=b"2")
        with chain.snapshots.view() as second:
            chain.append(a=None, d=b"3")
            with chain.snapshots.view() as third:
                for _ in range(2):
                    assert seen(first) == {"a": b"1", "b": b"1"}
                    assert seen(second) == {"a": b"2", "c": b"2"}
                    assert seen(third) == {"c": b"2", "d": b"3"}
                assert [v.height for v in (first, second, third)] == [2, 3, 4]
                assert [first.place("tx2"), third.place("tx2")] == [None, (2, 0, 0)]
                assert list(first.reader.changes("ns", "a")) == [(1, 0)]
                assert list(third.reader.changes("ns", "a")) == [(3, 0), (2, 0), (1, 0)]


def test_a_scan_that_is_under_way_does_not_see_later_blocks(chain):
    chain.append(**{f"k{n:04d}": b"x" for n in range(1500)})
    with chain.snapshots.view() as view:
        scan = view.scan("ns", "", "")
        next(scan)
        chain.append(k1400=None, zzz=b"late")
        rest = dict(scan)
    assert len(rest) == 1499
    assert "k1400" in rest
    assert "zzz" not in rest


def test_readers_are_used_again(chain):
    for n in range(50):
        chain.append(a=b"%d" % n)
    assert len(chain.snapshots._spare) == 1
    assert chain.snapshots._pinned == 1


def test_views_from_many_threads_are_each_of_one_piece(chain):
    """A writer keeps a == b; no view may see them differ."""
    stop = threading.Event()
    torn = []

    def look():
        while not stop.is_set():
            with chain.snapshots.view() as view:
                one, other = view.get("ns", "a"), view.get("ns", "b")
                rows = dict(view.scan("ns", "", ""))
                if one != other or rows.get("a") != one or rows.get("b") != other:
                    torn.append((one, other, rows))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(200):
        value = None if n % 7 == 3 else b"%d" % n
        chain.append(a=value, b=value)
    stop.set()
    for thread in threads:
        thread.join()
    assert torn == []


def test_the_log_is_folded_in_while_nobody_reads(chain, monkeypatch):
    monkeypatch.setattr(database_sqlite, "CHECKPOINT_BYTES", 100_000)
    log = chain.store._database._log
    sizes = []
    for n in range(60):
        chain.append(a=b"x" * 10_000, b=b"%d" % n)
        sizes.append(log.stat().st_size)
    assert max(sizes) < 200_000
    with chain.snapshots.view() as view:
        assert view.get("ns", "b").value == b"59"


def test_a_long_view_only_puts_the_folding_off(chain, monkeypatch):
    monkeypatch.setattr(database_sqlite, "CHECKPOINT_BYTES", 100_000)
    chain.append(a=b"first")
    with chain.snapshots.view() as view:
        for _ in range(30):
            chain.append(a=b"x" * 10_000)
        assert view.get("ns", "a").value == b"first"
    assert chain.snapshots._postponed
    for _ in range(70):
        chain.append(a=b"y")
    assert chain.store._database._log.stat().st_size < 100_000


def test_closing_waits_for_views_and_refuses_new_ones(tmp_path):
    chain = Chain(tmp_path / "db")
    chain.append(a=b"1")
    entered, leave = threading.Event(), threading.Event()
    result = []

    def look():
        with chain.snapshots.view() as view:
            entered.set()
            leave.wait(10)
            result.append(view.get("ns", "a").value)

    thread = threading.Thread(target=look)
    thread.start()
    entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    chain.close()
    thread.join()
    assert result == [b"1"]
    with pytest.raises(Refusal), chain.snapshots.view():
        pass
