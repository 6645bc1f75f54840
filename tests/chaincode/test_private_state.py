"""Private data, pages, composite keys and policies of single keys, as contracts use them."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.composite_keys import create_composite_key, partial_range, split_composite_key
from fedpact_chaincode.contract import Context, Contract, Message, Nothing, Result
from fedpact_chaincode.errors import (
    COLLECTION_FORBIDDEN,
    COLLECTION_UNDEFINED,
    PRIVATE_DATA_UNAVAILABLE,
    READS_WITHOUT_PROTECTION,
)
from fedpact_chaincode.key_policies import endorsed_by
from fedpact_chaincode.memory_stub import MemoryCollection, MemoryStub
from fedpact_chaincode.state import Map, Record
from fedpact_chaincode.testing import MemoryLedger, refused
from fedpact_chaincode.transaction_state import PrivateState, State

MEMBERS = frozenset({"AlphaMSP"})
COLLECTIONS = {
    "bids": MemoryCollection(MEMBERS),
    "closed": MemoryCollection(MEMBERS, member_only_read=True, member_only_write=True),
}


class Bid(Record, frozen=True, kw_only=True):
    lot: str
    bidder: str
    amount: int


BIDS = Map("tests.bid", Bid, key=("lot", "bidder"))
contract = Contract("auction", "Bids in private")


class Step(Message, frozen=True, kw_only=True):
    collection: str = "bids"
    bidder: str = "b"
    amount: int = 0


class Listed(Result, frozen=True, kw_only=True):
    bidders: list[str]


@contract.transaction
def offer(ctx: Context, message: Step) -> Bid:
    """Write, and read what was written."""
    private = ctx.private(message.collection)
    BIDS.save(private, Bid(lot="lot", bidder=message.bidder, amount=message.amount))
    assert not BIDS.has(ctx.state, "lot", message.bidder)
    return BIDS.load(ctx.private(message.collection), "lot", message.bidder)


@contract.transaction
def list_and_write(ctx: Context, message: Step) -> None:
    """Refused: a private range is not protected."""
    list(BIDS.scan(ctx.private("bids"), "lot"))
    ctx.state.put("k", b"v")


@contract.query
def read(ctx: Context, message: Step) -> Bid:
    """Return a bid."""
    return BIDS.load(ctx.private(message.collection), "lot", message.bidder)


@contract.query
def listing(ctx: Context, message: Nothing) -> Listed:
    """Return all bidders."""
    return Listed(bidders=[bid.bidder for bid in BIDS.scan(ctx.private("bids"), "lot")])


@contract.query
def sneaky(ctx: Context, message: Nothing) -> None:
    """Write in private, which a query must not."""
    ctx.private("bids").delete("k")


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger(Chaincode([contract]), collections=COLLECTIONS)


@pytest.fixture
def member(people) -> bytes:
    return people("AlphaMSP", "alice", "member")


@pytest.fixture
def stranger(people) -> bytes:
    return people("BetaMSP", "bob", "member")


def state_over(ledger: MemoryLedger) -> tuple[State, MemoryStub]:
    identity = identities_pb2.SerializedIdentity(mspid="AlphaMSP", id_bytes=b"x").SerializeToString()
    stub = MemoryStub(ledger, identity, [], "tx")
    return State(stub), stub


def commit(ledger: MemoryLedger, state: State, stub: MemoryStub) -> None:
    state.flush()
    ledger.apply(stub)


def test_maps_work_on_collections_and_see_their_own_writes(ledger, member) -> None:
    made = msgspec.json.decode(ledger.submit(member, "auction:offer", Step(amount=7)), type=Bid)
    assert made == Bid(lot="lot", bidder="b", amount=7)
    assert ledger.ask(member, "auction:read", Step(), Bid) == made
    assert ledger.ask(member, "auction:listing", None, Listed).bidders == ["b"]
    assert ledger.state == {}
    [(place, value)] = ledger.private.items()
    assert ledger.hashes == {place: hashlib.sha256(value).digest()}


def test_a_collection_must_be_defined_and_open_to_the_caller(ledger, member, stranger) -> None:
    with refused(COLLECTION_UNDEFINED, collection="none"):
        ledger.submit(member, "auction:offer", Step(collection="none"))
    with refused(COLLECTION_FORBIDDEN, collection="closed"):
        ledger.submit(stranger, "auction:offer", Step(collection="closed"))
    ledger.submit(member, "auction:offer", Step(collection="closed"))
    with refused(COLLECTION_FORBIDDEN):
        ledger.evaluate(stranger, "auction:read", Step(collection="closed"))


def test_a_node_without_the_data_says_so(ledger, member) -> None:
    ledger.submit(member, "auction:offer", Step())
    ledger.private.clear()
    with refused(PRIVATE_DATA_UNAVAILABLE, collection="bids"):
        ledger.evaluate(member, "auction:read", Step())


def test_private_ranges_and_writes_do_not_go_together(ledger, member) -> None:
    with refused(READS_WITHOUT_PROTECTION):
        ledger.submit(member, "auction:list_and_write", Step())
    assert ledger.state == {}


def test_queries_do_not_write_privately_either(ledger, member) -> None:
    response = ledger.chaincode.invoke(MemoryStub(ledger, member, [b"auction:sneaky"], "tx"))
    assert "TypeError" in response.message


KEYS = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.binary(min_size=1, max_size=2)),
        st.tuples(st.just("delete"), KEYS, st.none()),
        st.tuples(st.just("purge"), KEYS, st.none()),
        st.tuples(st.just("get"), KEYS, st.none()),
    ),
    max_size=12,
)


@given(st.lists(STEPS, max_size=3))
def test_private_state_against_a_dictionary(transactions) -> None:
    ledger, model = MemoryLedger(Chaincode([]), collections=COLLECTIONS), {}
    for steps in transactions:
        state, stub = state_over(ledger)
        private = state.private("bids")
        purged: dict[str, bool] = {}
        for step, key, value in steps:
            if step == "get":
                assert private.get(key) == model.get(key)
                continue
            purged[key] = step == "purge"
            if value is None:
                getattr(private, step)(key)
                model.pop(key, None)
            else:
                private.put(key, value)
                model[key] = value
        assert state.written == bool(purged)
        commit(ledger, state, stub)
        assert {key for _, key in stub.outcome.purges} == {key for key, was in purged.items() if was}
        assert {key: value for (_, key), value in ledger.private.items()} == model
        fresh = state_over(ledger)[0].private("bids")
        assert dict(fresh.range("", "z")) == model
        assert {key: fresh.hash(key) for key in model} == {
            key: hashlib.sha256(value).digest() for key, value in model.items()
        }


@pytest.mark.parametrize("private", [False, True])
def test_policies_of_keys(ledger, private: bool) -> None:
    def view() -> tuple[State, State, MemoryStub]:
        state, stub = state_over(ledger)
        return (state.private("bids") if private else state), state, stub

    policy = endorsed_by("AlphaMSP")
    rows, state, stub = view()
    rows.set_validation_parameter("absent", policy)
    commit(ledger, state, stub)
    rows, state, stub = view()
    assert rows.validation_parameter("absent") is None, "an absent key takes no metadata"
    rows.put("k", b"v")
    rows.set_validation_parameter("k", policy)
    assert rows.validation_parameter("k") == policy
    commit(ledger, state, stub)
    rows, state, stub = view()
    assert rows.validation_parameter("k") == policy
    rows.put("k", b"w")
    commit(ledger, state, stub)
    rows, state, stub = view()
    assert rows.validation_parameter("k") == policy, "a new value keeps the policy"
    rows.set_validation_parameter("k", b"")
    assert rows.validation_parameter("k") is None
    assert state.written
    commit(ledger, state, stub)
    rows, state, stub = view()
    assert rows.validation_parameter("k") is None
    rows.set_validation_parameter("k", policy)
    rows.delete("k")
    commit(ledger, state, stub)
    rows, state, stub = view()
    rows.put("k", b"v")
    commit(ledger, state, stub)
    assert view()[0].validation_parameter("k") is None, "with the key its policy is gone"


def test_a_collection_has_neither_pages_nor_history_nor_collections(ledger) -> None:
    private = state_over(ledger)[0].private("bids")
    assert isinstance(private, PrivateState)
    for call in (
        lambda: private.page("", "", 1),
        lambda: private.history("k"),
        lambda: private.private("bids"),
    ):
        with pytest.raises(TypeError):
            call()


def test_pages_of_records(ledger) -> None:
    state, stub = state_over(ledger)
    bids = [Bid(lot=lot, bidder=f"{n}", amount=n) for lot in ("a", "ab") for n in range(5)]
    for bid in bids:
        BIDS.save(state, bid)
    commit(ledger, state, stub)
    state, stub = state_over(ledger)
    found, bookmark = BIDS.page(state, "a", size=3)
    rest, end = BIDS.page(state, "a", size=3, bookmark=bookmark)
    assert (found + rest, end) == (bids[:5], "")
    state.put("k", b"v")
    with refused(READS_WITHOUT_PROTECTION):
        BIDS.page(state, "a", size=3)
    with refused(READS_WITHOUT_PROTECTION):
        state.flush()


PARTS = st.text(st.characters(exclude_characters="\x00\U0010ffff", exclude_categories=["Cs"]), max_size=4)


@given(PARTS, st.lists(PARTS, max_size=3), PARTS)
def test_composite_keys_come_apart_again(kind, attributes, more) -> None:
    key = create_composite_key(kind, attributes)
    assert split_composite_key(key) == (kind, tuple(attributes))
    start, end = partial_range(kind, attributes)
    assert start <= create_composite_key(kind, [*attributes, more]) < end
    assert not start <= create_composite_key(kind + "x", attributes) < end


def test_composite_keys_are_fabrics() -> None:
    assert create_composite_key("marble", ["red", "small"]) == "\x00marble\x00red\x00small\x00"
    assert partial_range("marble", []) == ("\x00marble\x00", "\x00marble\x00\U0010ffff")
    assert BIDS.key_of("lot", "b") == create_composite_key("tests.bid", ["lot", "b"])


@pytest.mark.parametrize("part", ["a\x00", "\U0010ffff", "\ud800"])
def test_parts_that_break_composite_keys_are_refused(part: str) -> None:
    for arguments in ((part, []), ("kind", ["x", part])):
        with pytest.raises(ValueError, match=r"U\+0000|surrogates"):
            create_composite_key(*arguments)


@pytest.mark.parametrize("key", ["", "simple", "\x00", "\x00kind", "kind\x00"])
def test_simple_keys_do_not_come_apart(key: str) -> None:
    with pytest.raises(ValueError, match="not a composite key"):
        split_composite_key(key)


def test_a_keys_policy_is_fabrics_and_names_all() -> None:
    envelope = policies_pb2.SignaturePolicyEnvelope.FromString(endorsed_by("B", "A", "B", role="member"))
    roles = [msp_principal_pb2.MSPRole.FromString(item.principal) for item in envelope.identities]
    assert [(role.msp_identifier, role.role) for role in roles] == [("A", 0), ("B", 0)]
    rule = envelope.rule.n_out_of
    assert (rule.n, [item.signed_by for item in rule.rules], envelope.version) == (2, [0, 1], 0)
    peer = policies_pb2.SignaturePolicyEnvelope.FromString(endorsed_by("A")).identities[0]
    assert msp_principal_pb2.MSPRole.FromString(peer.principal).role == msp_principal_pb2.MSPRole.PEER
    with pytest.raises(ValueError, match="at least one"):
        endorsed_by()
