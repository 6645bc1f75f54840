"""Typed state against a dictionary, and the order of composite keys."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.errors import MALFORMED_KEY, RECORD_EXISTS, RECORD_NOT_FOUND, Rejected
from fedpact_chaincode.memory_stub import MemoryStub
from fedpact_chaincode.state import MAPS, MAX_KEY_PART, Item, Map, Record, encode_part, split_key
from fedpact_chaincode.stub import KeyModification
from fedpact_chaincode.testing import MemoryLedger, refused
from fedpact_chaincode.transaction_state import State


class Entry(Record, frozen=True, kw_only=True):
    book: str
    number: int
    value: int = 0


class Setting(Record, frozen=True, kw_only=True):
    value: int


ENTRIES = Map("tests.entry", Entry, key=("book", "number"))
SETTING = Item("tests.setting", Setting)


def stub_over(committed: dict[str, bytes] | None = None) -> MemoryStub:
    ledger = MemoryLedger(Chaincode([]))
    ledger.state = dict(committed or {})
    return MemoryStub(ledger, b"", [], "tx")


KEYS = st.sampled_from(["a", "b", "ba", "c", "d"])
VALUES = st.binary(min_size=1, max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, VALUES),
        st.tuples(st.just("delete"), KEYS, st.none()),
        st.tuples(st.just("get"), KEYS, st.none()),
        st.tuples(st.just("range"), KEYS, KEYS),
    ),
    max_size=20,
)


@given(st.dictionaries(KEYS, VALUES), STEPS)
def test_a_transaction_sees_the_committed_state_under_its_own_writes(
    committed: dict[str, bytes], steps: list[tuple]
) -> None:
    stub = stub_over(committed)
    state, model = State(stub), dict(committed)
    touched = False
    for step, key, other in steps:
        if step == "put":
            state.put(key, other)
            model[key] = other
        elif step == "delete":
            state.delete(key)
            model.pop(key, None)
        elif step == "get":
            assert state.get(key) == model.get(key)
        else:
            expected = sorted((k, v) for k, v in model.items() if key <= k < other)
            assert list(state.range(key, other)) == expected
        touched |= step in {"put", "delete"}
    assert state.written is touched
    assert stub.writes == {}, "nothing reaches the stub before flush"
    state.flush()
    assert list(stub.writes) == sorted(stub.writes)
    applied = {**committed, **{k: v for k, v in stub.writes.items() if v is not None}}
    for key, value in stub.writes.items():
        if value is None:
            applied.pop(key, None)
    assert applied == model


def test_a_key_is_read_and_written_once() -> None:
    class Counting(MemoryStub):
        reads: tuple[str, ...] = ()
        puts: tuple[str, ...] = ()

        def get_state(self, key: str) -> bytes | None:
            self.reads += (key,)
            return super().get_state(key)

        def put_state(self, key: str, value: bytes) -> None:
            self.puts += (key,)
            super().put_state(key, value)

    stub = Counting(MemoryLedger(Chaincode([])), b"", [], "tx")
    state = State(stub)
    for value in (b"1", b"2"):
        assert state.get("k") is None
        state.put("other", value)
    assert stub.reads == ("k",)
    state.flush()
    assert stub.puts == ("other",)


def test_pages_of_an_untouched_range_fetch_no_more_than_they_show() -> None:
    fetched: list[str] = []

    class Watching(MemoryStub):
        def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
            for key, value in super().get_state_by_range(start, end):
                fetched.append(key)
                yield key, value

    ledger = MemoryLedger(Chaincode([]))
    filling = stub_over()
    _fill(State(filling), [("a", number) for number in range(10)])
    ledger.state = dict(filling.writes)
    scan = ENTRIES.scan(State(Watching(ledger, b"", [], "tx")), "a")
    assert [next(scan).number, next(scan).number] == [0, 1]
    assert len(fetched) == 2


def _fill(state: State, places: list[tuple[str, int]]) -> None:
    for book, number in places:
        ENTRIES.create(state, Entry(book=book, number=number))
    state.flush()


PARTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4).filter(
    lambda s: "\U0010ffff" not in s
)


@given(st.sets(st.tuples(PARTS, st.integers(0, 10**20 - 1)), max_size=12), PARTS, st.integers(0, 10**20 - 1))
def test_scans_follow_the_order_of_the_parts(places: set, book: str, number: int) -> None:
    state = State(stub_over())
    _fill(state, list(places))
    found = [(entry.book, entry.number) for entry in ENTRIES.scan(state)]
    assert found == sorted(places)
    assert [(e.book, e.number) for e in ENTRIES.scan(state, book)] == sorted(
        p for p in places if p[0] == book
    )
    assert [(e.book, e.number) for e in ENTRIES.scan(state, after=book)] == sorted(
        p for p in places if p[0] > book
    )
    assert [(e.book, e.number) for e in ENTRIES.scan(state, after=(book, number))] == sorted(
        p for p in places if p > (book, number)
    )
    assert [(e.book, e.number) for e in ENTRIES.scan(state, book, after=number)] == sorted(
        p for p in places if p[0] == book and p[1] > number
    )
    assert list(ENTRIES.scan(state, after=())) == list(ENTRIES.scan(state))


@given(PARTS, PARTS)
def test_text_order_is_byte_order(first: str, second: str) -> None:
    keys = [ENTRIES.key_of(first, 0), ENTRIES.key_of(second, 0)]
    assert sorted(keys) == sorted(keys, key=lambda key: key.encode())


@given(PARTS, st.integers(0, 10**20 - 1))
def test_keys_are_fabric_composite_keys_and_can_be_split(book: str, number: int) -> None:
    key = ENTRIES.key_of(book, number)
    assert key == f"\x00tests.entry\x00{book}\x00{number:020d}\x00"
    assert split_key(key) == ("tests.entry", (book, f"{number:020d}"))
    assert MAPS[split_key(key)[0]] is ENTRIES


def test_an_item_has_one_key() -> None:
    assert split_key(SETTING.key_of()) == ("tests.setting", ())
    assert split_key("simple") == ("", ("simple",))


@pytest.mark.parametrize(
    "part", ["", "x" * (MAX_KEY_PART + 1), "a\x00b", "tab\t", "\x7f", "\U0010ffff", -1, 10**20]
)
def test_unusable_key_parts(part: str | int) -> None:
    with refused(MALFORMED_KEY):
        encode_part(part)
    with refused(MALFORMED_KEY):
        ENTRIES.get(State(stub_over()), part)


def test_load_create_save_delete() -> None:
    state = State(stub_over())
    with refused(RECORD_NOT_FOUND, record="tests.entry", key=["b", "1"]):
        ENTRIES.load(state, "b", 1)
    assert ENTRIES.get(state, "b", 1) is None
    entry = ENTRIES.create(state, Entry(book="b", number=1, value=5))
    assert ENTRIES.load(state, "b", 1) == entry
    with refused(RECORD_EXISTS, record="tests.entry", key=["b", "1"]):
        ENTRIES.create(state, entry)
    ENTRIES.save(state, msgspec.structs.replace(entry, value=6))
    assert ENTRIES.load(state, "b", 1).value == 6
    ENTRIES.delete(state, "b", 1)
    assert not ENTRIES.has(state, "b", 1)
    SETTING.save(state, Setting(value=1))
    assert SETTING.load(state) == Setting(value=1)


def test_a_record_that_breaks_its_bounds_is_not_written() -> None:
    stub = stub_over()
    state = State(stub)
    with pytest.raises(msgspec.ValidationError):
        ENTRIES.save(state, Entry(book="b", number=1, value="not a number"))  # type: ignore[arg-type]
    state.flush()
    assert stub.writes == {}


def test_a_prefix_is_used_once() -> None:
    with pytest.raises(ValueError, match="used twice"):
        Map("tests.entry", Entry, key=("book",))


def test_history_is_the_ledgers() -> None:
    ledger = MemoryLedger(Chaincode([]))
    change = KeyModification("tx1", b"{}", 1)
    ledger.changes[ENTRIES.key_of("b", 1)] = [change, KeyModification("tx2", None, 2)]
    state = State(MemoryStub(ledger, b"", [], "tx"))
    assert [m.transaction_id for m in ENTRIES.history(state, "b", 1)] == ["tx2", "tx1"]


def test_refused_says_what_happened_instead() -> None:
    with pytest.raises(AssertionError, match="nothing was refused"), refused(RECORD_NOT_FOUND):
        pass
    with pytest.raises(Rejected, match="RECORD_EXISTS"), refused(RECORD_NOT_FOUND):
        raise Rejected(RECORD_EXISTS)
    with pytest.raises(AssertionError, match="does not dispute"), refused(RECORD_EXISTS, key="b"):
        raise Rejected(RECORD_EXISTS, key="a")
