"""What can be read of the state and of its past, and in which order."""

# ruff: noqa: S101

from __future__ import annotations

from fedpact.ledger import Counts
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases
from fedpact.testing.probe.cells import CELLS, Filling, Past, Place, Plain, Rows, Span
from fedpact.testing.stage import SHELF, Client, Stage
from fedpact.wire.commits import ValidationCode

PLAIN = ("A", "a", "aa", "b", "z", "~", "ß", "é", "中", "\uffee", "\U0001f600")
"""In the order of their UTF-8 bytes; by UTF-16 units the last two would change places."""

PLACES = ("1", "10", "2", "B", "a", "a b", "aa", "é", "中", "\uffee", "\U0001f600")


class ReadingCases(LedgerCases):
    """Keys are ordered by their UTF-8 bytes everywhere."""

    def test_a_range_goes_by_the_bytes_of_its_keys(self, stage: Stage) -> None:
        """From its start on, up to its end and without it."""
        client = stage.client()
        for key in reversed(PLAIN):
            client.submit("cells:put", Plain(key=key, value=f"value of {key}"))
        assert _span(client) == list(PLAIN)
        assert _span(client, "a", "b") == ["a", "aa"]
        assert _span(client, "b") == list(PLAIN[3:])
        assert _span(client, "", "b") == ["A", "a", "aa"]
        assert _span(client, "é", "\U0001f600") == ["é", "中", "\uffee"]
        assert _span(client, "x", "y") == []
        assert client.ask("cells:span", Span(start="中", end="中a"), Rows).rows == [("中", "value of 中")]

    def test_the_ledgers_own_ranges_are_the_same(self, stage: Stage) -> None:
        """With composite keys first, as they begin with U+0000."""
        client = stage.client()
        client.create("place")
        for key in reversed(PLAIN):
            client.submit("cells:put", Plain(key=key, value=key))
        composite = CELLS.key_of(SHELF, "place")
        assert [row.key for row in stage.ledger.state(probe.NAME)] == [composite, *PLAIN]
        assert [row.key for row in stage.ledger.state(probe.NAME, "b")] == list(PLAIN[3:])
        assert [row.key for row in stage.ledger.state(probe.NAME, "a", "b")] == ["a", "aa"]
        assert [row.key for row in stage.ledger.state(probe.NAME, "", "A")] == [composite]
        assert list(stage.ledger.state("nothing")) == []

    def test_composite_keys_stay_out_of_open_ranges(self, stage: Stage) -> None:
        """As on Fabric: a range without a start begins behind them."""
        client = stage.client()
        client.create("place")
        client.submit("cells:put", Plain(key="plain", value="x"))
        assert _span(client) == ["plain"]

    def test_a_shelf_is_listed_in_order(self, stage: Stage) -> None:
        """And page by page; other shelves do not show, whatever their names begin with."""
        client = stage.client()
        for place in reversed(PLACES):
            client.create(place)
        for other in (SHELF + "s", SHELF[:-1], SHELF + " ", "é"):
            client.create("elsewhere", shelf=other)
        assert client.places() == list(PLACES)
        assert client.places(after="a") == list(PLACES[5:])
        assert client.places(after=PLACES[-1]) == []
        assert client.places(shelf="é") == ["elsewhere"]
        assert client.places(shelf="nothing") == []

    def test_a_long_range_is_complete(self, stage: Stage) -> None:
        """However a ledger pages."""
        client = stage.client()
        for first in range(0, 1_300, 260):
            client.submit("cells:fill", Filling(shelf=SHELF, first=first, number=260))
        expected = [f"{number:05d}" for number in range(1_300)]
        assert client.places() == expected
        assert client.places(after="00100") == expected[101:]
        assert [CELLS.decode(row.value).place for row in stage.rows()] == expected

    def test_removing(self, stage: Stage) -> None:
        """What is removed is gone; it can come back; removing what is not there is nothing."""
        client = stage.client()
        client.create("a", "1")
        client.create("b", "2")
        client.remove("a")
        client.remove("nothing")
        assert client.places() == ["b"]
        assert [CELLS.decode(row.value).place for row in stage.rows()] == ["b"]
        client.create("a", "3")
        assert client.read("a") == "3"

    def test_history_is_told_newest_first(self, stage: Stage) -> None:
        """With removals, and without what was invalid; by contract and ledger alike."""
        client = stage.client()
        results = [
            client.create("a", "1"),
            client.write("a", "2"),
            client.remove("a"),
            client.write("a", "3"),
        ]
        client.create("b", "another key")
        stale = client.endorse("cells:create", probe.cells.Written(shelf=SHELF, place="c", text="x"))
        client.create("c", "y")
        stage.outcome(stale)
        texts = ["3", None, "2", "1"]
        ids = [result.transaction_id for result in reversed(results)]
        told = client.ask("cells:past", Place(shelf=SHELF, place="a"), Past).changes
        assert [(transaction_id, text) for transaction_id, text, _ in told] == list(
            zip(ids, texts, strict=True)
        )
        rows = list(stage.ledger.history(probe.NAME, CELLS.key_of(SHELF, "a")))
        assert [row.transaction_id for row in rows] == ids
        assert [row.value and CELLS.decode(row.value).text for row in rows] == texts
        assert [row.timestamp_ns // 1_000_000 for row in rows] == [time_ms for _, _, time_ms in told]
        assert [row.version.block for row in rows] == [result.block_number for result in reversed(results)]
        assert len(list(stage.ledger.history(probe.NAME, CELLS.key_of(SHELF, "c")))) == 1
        assert list(stage.ledger.history(probe.NAME, CELLS.key_of(SHELF, "nothing"))) == []
        assert client.ask("cells:past", Place(shelf=SHELF, place="nothing"), Past).changes == []

    def test_everything_that_is_stored_is_counted(self, stage: Stage) -> None:
        """Over all chaincodes: keys, changes, and transactions whatever their verdict."""
        assert stage.ledger.counts() == Counts(state=0, history=0, transactions=0)
        client = stage.client()
        client.create("a")
        stale = client.endorse("cells:create", probe.cells.Written(shelf=SHELF, place="b", text="x"))
        client.create("b")
        client.remove("a")
        assert stage.outcome(stale) is ValidationCode.MVCC_READ_CONFLICT
        assert stage.ledger.counts() == Counts(state=1, history=3, transactions=4)


def _span(client: Client, start: str = "", end: str = "") -> list[str]:
    return [key for key, _ in client.ask("cells:span", Span(start=start, end=end), Rows).rows]
