"""Private data, validation parameters and pages while a contract is executed."""

import pytest
from fabric_protos.msp import identities_pb2
from tests.sdk.wire.committed import Committed

from fedpact.wire import simulation
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import (
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    MetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    RangeQuery,
    Read,
    Row,
    Version,
    Write,
    decode,
    decode_private,
    encode,
    encode_private,
    hash_of,
    hashed,
    hashed_namespace,
)
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.errors import (
    COLLECTION_FORBIDDEN,
    COLLECTION_UNDEFINED,
    PRIVATE_DATA_UNAVAILABLE,
    READS_WITHOUT_PROTECTION,
)
from fedpact_chaincode.memory_stub import MemoryCollection
from fedpact_chaincode.testing import refused

AT = Version(3, 1)
MEMBERS = frozenset({"AlphaMSP"})
COLLECTIONS = {
    "kv": {
        "secrets": MemoryCollection(MEMBERS),
        "closed": MemoryCollection(MEMBERS, member_only_read=True, member_only_write=True),
        "letterbox": MemoryCollection(MEMBERS, member_only_read=True),
    },
    "other": {"theirs": MemoryCollection(MEMBERS)},
}
POLICY = (("VALIDATION_PARAMETER", b"policy"),)


def stub_of(state, mspid="AlphaMSP", collections=COLLECTIONS):
    creator = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=b"x").SerializeToString()
    proposal = build_proposal(creator, channel_id="c", chaincode="kv", args=[b"f"], timestamp_ns=5)
    return Simulation(state, parse_proposal(proposal.proposal_bytes), collections=collections)


@pytest.fixture
def state():
    state = Committed()
    written = PrivateRwset("kv", "secrets", (Write("a", b"A"), Write("b", b"B")))
    closed = PrivateRwset("kv", "closed", (Write("a", b"closed"),))
    public = NamespaceRwset(
        "kv",
        writes=tuple(Write(key, key.encode()) for key in "abcde"),
        metadata=(MetadataWrite("a", POLICY),),
        collections=(
            CollectionRwset(
                "secrets",
                writes=hashed(written).writes,
                metadata=(HashedMetadataWrite(hash_of("a"), POLICY),),
            ),
            hashed(closed),
        ),
    )
    state.apply(public, (written, closed), AT)
    return state


@pytest.fixture
def stub(state):
    return stub_of(state)


def test_private_reads_record_the_version_of_the_hash(stub):
    assert stub.get_private_data("secrets", "a") == b"A"
    assert stub.get_private_data("secrets", "none") is None
    assert stub.get_private_data_hash("secrets", "b") == hash_of(b"B")
    [collection] = stub.rwset().collections
    assert collection == CollectionRwset(
        "secrets",
        (HashedRead(hash_of("a"), AT), HashedRead(hash_of("b"), AT), HashedRead(hash_of("none"), None)),
    )
    assert stub.rwset().reads == ()
    assert stub.private_rwsets() == ()


def test_private_reads_see_the_committed_state_only(stub):
    stub.put_private_data("secrets", "a", b"new")
    stub.delete_private_data("secrets", "b")
    assert [stub.get_private_data("secrets", key) for key in "ab"] == [b"A", b"B"]


def test_what_is_written_is_hashed_for_all_and_plain_for_members(stub):
    stub.put_private_data("secrets", "z", b"Z")
    stub.put_private_data("secrets", "gone", b"x")
    stub.delete_private_data("secrets", "gone")
    stub.purge_private_data("secrets", "burnt")
    stub.purge_private_data("secrets", "back")
    stub.put_private_data("secrets", "back", b"again")
    stub.set_private_data_validation_parameter("secrets", "a", b"policy")
    [private] = stub.private_rwsets()
    assert set(private.writes) == {Write("z", b"Z"), Write("gone", None), Write("back", b"again")}
    assert (private.purges, private.metadata) == (("burnt",), ("a",))
    [collection] = stub.rwset().collections
    assert collection.writes == (
        HashedWrite(hash_of("back"), hash_of(b"again")),
        HashedWrite(hash_of("burnt"), None, purge=True),
        HashedWrite(hash_of("gone"), None),
        HashedWrite(hash_of("z"), hash_of(b"Z")),
    )
    assert collection.metadata == (HashedMetadataWrite(hash_of("a"), POLICY),)
    assert b"again" not in encode([stub.rwset()])
    [decoded] = decode_private(encode_private(stub.private_rwsets()))
    assert hashed(decoded).private_hash == collection.private_hash
    assert decode(encode([stub.rwset()]))[0].collections == (collection,)


@pytest.mark.parametrize("row", [None, Row(b"A", Version(2, 0))])
def test_a_value_that_is_not_the_ledgers_is_not_returned(state, stub, row):
    del state.private_rows["kv", "secrets", "a"]
    if row is not None:
        state.private_rows["kv", "secrets", "a"] = row
    with refused(PRIVATE_DATA_UNAVAILABLE, collection="secrets"):
        stub.get_private_data("secrets", "a")
    assert stub.get_private_data_hash("secrets", "a") == hash_of(b"A")


def test_a_value_whose_hash_has_left_the_ledger_is_not_returned(state, stub):
    del state.rows[hashed_namespace("kv", "secrets"), hash_of("a").hex()]
    with refused(PRIVATE_DATA_UNAVAILABLE):
        stub.get_private_data("secrets", "a")


@pytest.mark.parametrize("collections", [COLLECTIONS, {}])
@pytest.mark.parametrize(
    "call",
    [
        lambda stub: stub.get_private_data("theirs", "a"),
        lambda stub: stub.get_private_data_hash("", "a"),
        lambda stub: stub.put_private_data("theirs", "a", b"x"),
        lambda stub: stub.purge_private_data("nothing", "a"),
        lambda stub: list(stub.get_private_data_by_range("nothing", "", "")),
        lambda stub: stub.set_private_data_validation_parameter("nothing", "a", b"x"),
    ],
)
def test_only_the_chaincodes_own_collections_exist(state, collections, call):
    stub = stub_of(state, collections=collections)
    with refused(COLLECTION_UNDEFINED):
        call(stub)
    assert stub.rwset() == NamespaceRwset("kv")


READS = [
    lambda stub, name: stub.get_private_data(name, "a"),
    lambda stub, name: list(stub.get_private_data_by_range(name, "", "")),
    lambda stub, name: stub.get_private_data_validation_parameter(name, "a"),
]
WRITES = [
    lambda stub, name: stub.put_private_data(name, "a", b"x"),
    lambda stub, name: stub.delete_private_data(name, "a"),
    lambda stub, name: stub.purge_private_data(name, "a"),
    lambda stub, name: stub.set_private_data_validation_parameter(name, "a", b"x"),
]


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_member_only_collections_are_closed_to_callers_of_others(state, call):
    with refused(COLLECTION_FORBIDDEN, collection="closed"):
        call(stub_of(state, "BetaMSP"), "closed")
    call(stub_of(state, "AlphaMSP"), "closed")
    call(stub_of(state, "BetaMSP"), "secrets")


def test_others_may_write_where_only_reading_is_restricted_and_see_hashes_everywhere(state):
    stub = stub_of(state, "BetaMSP")
    stub.put_private_data("letterbox", "a", b"x")
    assert stub.get_private_data_hash("closed", "a") == hash_of(b"closed")
    for call in READS:
        with refused(COLLECTION_FORBIDDEN):
            call(stub, "letterbox")


def test_a_creator_that_is_no_identity_is_no_member(state):
    stub = stub_of(state)
    stub.creator = b"\xff"
    with refused(COLLECTION_FORBIDDEN):
        stub.get_private_data("closed", "a")


def test_private_ranges_show_what_this_node_holds_and_record_nothing(stub):
    assert list(stub.get_private_data_by_range("secrets", "", "")) == [("a", b"A"), ("b", b"B")]
    assert list(stub.get_private_data_by_range("secrets", "a", "b")) == [("a", b"A")]
    assert stub.rwset() == NamespaceRwset("kv")


@pytest.mark.parametrize(
    "unprotected",
    [
        lambda stub: stub.get_state_by_range_with_pagination("", "", 1),
        lambda stub: list(stub.get_private_data_by_range("secrets", "", "")),
    ],
)
@pytest.mark.parametrize(
    "write",
    [
        lambda stub: stub.put_state("k", b"v"),
        lambda stub: stub.delete_state("k"),
        lambda stub: stub.set_state_validation_parameter("k", b"v"),
        *(lambda stub, call=call: call(stub, "secrets") for call in WRITES),
    ],
)
def test_who_reads_without_protection_writes_nothing(state, unprotected, write):
    stub = stub_of(state)
    write(stub)
    before = stub.rwset()
    with refused(READS_WITHOUT_PROTECTION):
        unprotected(stub)
    assert stub.rwset() == before
    stub = stub_of(state)
    unprotected(stub)
    with refused(READS_WITHOUT_PROTECTION):
        write(stub)
    assert (stub.rwset().writes, stub.rwset().metadata, stub.private_rwsets()) == ((), (), ())


def test_pages_follow_each_other_and_each_is_recorded(stub):
    pages, bookmark = [], ""
    while True:
        rows, bookmark = stub.get_state_by_range_with_pagination("a", "e", 2, bookmark)
        pages.append([key for key, _ in rows])
        if not bookmark:
            break
    assert pages == [["a", "b"], ["c", "d"]]
    a, b, c, d = (Read(key, AT) for key in "abcd")
    assert stub.rwset().range_queries == (
        RangeQuery("a", "b", False, (a, b)),
        RangeQuery("c", "e", True, (c, d)),
    )
    assert stub.get_state_by_range_with_pagination("x", "", 5) == ([], "")


@pytest.mark.parametrize(("size", "bookmark"), [(0, ""), (-1, ""), (10**6, ""), (1, "A"), (1, "e"), (1, "x")])
def test_pages_are_bounded_and_bookmarks_stay_in_their_range(stub, size, bookmark):
    with pytest.raises(ValueError, match=r"page|bookmark"):
        stub.get_state_by_range_with_pagination("a", "e", size, bookmark)


def test_rows_of_pages_and_private_ranges_count_too(stub, monkeypatch):
    monkeypatch.setattr(simulation, "MAX_RANGE_ROWS", 6)
    stub.get_state_by_range_with_pagination("", "", 5)
    with pytest.raises(ValueError, match="at most 6"):
        list(stub.get_private_data_by_range("secrets", "", ""))


def test_a_range_scanned_twice_is_recorded_once_as_in_fabric(stub):
    list(stub.get_state_by_range("a", "c"))
    list(stub.get_state_by_range("a", "c"))
    next(stub.get_state_by_range("a", "c"))
    a, b = Read("a", AT), Read("b", AT)
    assert stub.rwset().range_queries == (
        RangeQuery("a", "c", True, (a, b)),
        RangeQuery("a", "a", False, (a,)),
    )


def test_validation_parameters_are_read_with_their_version_and_written_as_metadata(stub):
    assert [stub.get_state_validation_parameter(key) for key in ("a", "b", "none")] == [b"policy", None, None]
    stub.set_state_validation_parameter("b", b"policy")
    stub.set_state_validation_parameter("a", b"")
    rwset = stub.rwset()
    assert rwset.reads == (Read("a", AT), Read("b", AT), Read("none", None))
    assert rwset.writes == ()
    assert set(rwset.metadata) == {
        MetadataWrite("b", POLICY),
        MetadataWrite("a", (("VALIDATION_PARAMETER", b""),)),
    }


def test_an_empty_validation_parameter_is_none(state, stub):
    stub.set_state_validation_parameter("a", b"")
    stub.set_private_data_validation_parameter("secrets", "a", b"")
    state.apply(stub.rwset(), stub.private_rwsets(), Version(4, 0))
    later = stub_of(state)
    assert later.get_state_validation_parameter("a") is None
    assert later.get_private_data_validation_parameter("secrets", "a") is None
    assert later.get_private_data("secrets", "a") == b"A", "its version moved with the metadata's"


def test_private_validation_parameters_are_read_from_the_hash(stub):
    found = [stub.get_private_data_validation_parameter("secrets", key) for key in ("a", "b", "none")]
    assert found == [b"policy", None, None]
    [collection] = stub.rwset().collections
    assert len(collection.reads) == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda stub: stub.put_private_data("secrets", "", b"x"),
        lambda stub: stub.put_private_data("secrets", "k", b""),
        lambda stub: stub.delete_private_data("secrets", ""),
        lambda stub: stub.purge_private_data("secrets", ""),
        lambda stub: stub.set_state_validation_parameter("", b"x"),
        lambda stub: stub.set_private_data_validation_parameter("secrets", "", b"x"),
    ],
)
def test_empty_keys_and_values_are_refused(stub, call):
    with pytest.raises(ValueError, match="empty"):
        call(stub)
    assert stub.rwset() == NamespaceRwset("kv")
