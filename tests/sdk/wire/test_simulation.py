"""What a contract sees while it is executed, and what is recorded of it."""

import pytest

from fedpact.audit.replayed_state import ReplayedState, Writer
from fedpact.validation import StateUpdate
from fedpact.wire import simulation
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write, decode, encode
from fedpact.wire.simulation import Simulation

COMPOSITE = "\x00kind\x00"
AT = Version(3, 1)


@pytest.fixture
def state() -> ReplayedState:
    state = ReplayedState()
    writes = tuple(Write(key, key.encode()) for key in (COMPOSITE, "a", "b", "c"))
    rwsets = NamespaceRwset("kv", writes=writes), NamespaceRwset("other", writes=(Write("d", b"d"),))
    update = StateUpdate(state, AT.block)
    update.apply(rwsets, AT.tx)
    values = {(rwset.namespace, key): value for rwset in rwsets for key, value in rwset.writes}
    state.apply(update, [None, Writer("tx", 77, values)])
    return state


@pytest.fixture
def stub(state) -> Simulation:
    proposal = build_proposal(
        b"creator", channel_id="channel", chaincode="kv", args=[b"f"], timestamp_ns=5, transient={"s": b"x"}
    )
    parsed = parse_proposal(proposal.proposal_bytes)
    return Simulation(state, parsed, parsed.transient)


def test_the_call_is_the_proposals(stub):
    assert (stub.channel_id, stub.creator, stub.timestamp_ns) == ("channel", b"creator", 5)
    assert (list(stub.args), dict(stub.transient)) == ([b"f"], {"s": b"x"})
    assert len(stub.tx_id) == 64


def test_reads_see_the_committed_state_of_the_own_namespace_only(stub):
    stub.put_state("a", b"new")
    stub.delete_state("b")
    assert [stub.get_state(key) for key in ("a", "b", "d", "nothing")] == [b"a", b"b", None, None]
    assert stub.rwset().reads == (Read("a", AT), Read("b", AT), Read("d", None), Read("nothing", None))


def test_the_last_write_of_a_key_counts(stub):
    stub.put_state("z", b"1")
    stub.put_state("a", b"1")
    stub.delete_state("z")
    assert stub.rwset().writes == (Write("z", None), Write("a", b"1"))
    assert decode(encode([stub.rwset()]))[0].writes == (Write("a", b"1"), Write("z", None))


def test_scans_are_protected_as_far_as_they_went(stub):
    assert [key for key, _ in stub.get_state_by_range("", "")] == ["a", "b", "c"]
    next(unfinished := stub.get_state_by_range("b", ""))
    unfinished.close()
    assert list(stub.get_state_by_range("x", "z")) == []
    assert [key for key, _ in stub.get_state_by_range(COMPOSITE, "b")] == [COMPOSITE, "a"]
    a, b, c = (Read(key, AT) for key in "abc")
    assert stub.rwset().range_queries == (
        RangeQuery("\x01", "", True, (a, b, c)),
        RangeQuery("b", "b", False, (b,)),
        RangeQuery("x", "z", True, ()),
        RangeQuery(COMPOSITE, "b", True, (Read(COMPOSITE, AT), a)),
    )


def test_history_is_told_newest_first(state, stub):
    update = StateUpdate(state, 4)
    update.apply([NamespaceRwset("kv", writes=(Write("a", None),))], 0)
    state.apply(update, [Writer("later", 78, {("kv", "a"): None})])
    told = [
        (change.transaction_id, change.value, change.timestamp_ns) for change in stub.get_history_for_key("a")
    ]
    assert told == [("later", None, 78), ("tx", b"a", 77)]
    assert stub.rwset() == NamespaceRwset("kv")


@pytest.mark.parametrize(
    "call",
    [
        lambda stub: stub.put_state("", b"x"),
        lambda stub: stub.put_state("k", b""),
        lambda stub: stub.delete_state(""),
        lambda stub: stub.set_event("", b"x"),
    ],
)
def test_empty_keys_values_and_event_names_are_refused(stub, call):
    with pytest.raises(ValueError, match=r"empty|name"):
        call(stub)
    assert stub.rwset() == NamespaceRwset("kv")
    assert stub.event is None


def test_a_transaction_scans_a_limited_number_of_rows_in_all(stub, monkeypatch):
    monkeypatch.setattr(simulation, "MAX_RANGE_ROWS", 4)
    assert len(list(stub.get_state_by_range("", ""))) == 3
    with pytest.raises(ValueError, match="at most 4"):
        list(stub.get_state_by_range("", ""))
