"""The memory ledger of the contracts' tests means what the node's simulation means."""

from types import SimpleNamespace

from fabric_protos.msp import identities_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sdk.wire.committed import Committed

from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import Version
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.memory_stub import MemoryCollection, MemoryStub
from fedpact_chaincode.testing import MemoryLedger

COLLECTIONS = {
    "open": MemoryCollection(frozenset({"AlphaMSP"})),
    "closed": MemoryCollection(frozenset({"AlphaMSP"}), member_only_read=True, member_only_write=True),
}
KEYS = st.sampled_from(["", "a", "b", "c", "\x00t\x00"])
NAMES = st.sampled_from(["open", "closed", "undefined"])
VALUES = st.sampled_from([b"", b"1", b"2"])
CALLS = st.one_of(
    st.tuples(st.just("get_state"), KEYS),
    st.tuples(st.just("put_state"), KEYS, VALUES),
    st.tuples(st.just("delete_state"), KEYS),
    st.tuples(st.just("get_state_by_range"), KEYS, KEYS),
    st.tuples(st.just("get_state_by_range_with_pagination"), KEYS, KEYS, st.integers(0, 2), KEYS),
    st.tuples(st.just("get_state_validation_parameter"), KEYS),
    st.tuples(st.just("set_state_validation_parameter"), KEYS, VALUES),
    st.tuples(st.just("get_private_data"), NAMES, KEYS),
    st.tuples(st.just("get_private_data_hash"), NAMES, KEYS),
    st.tuples(st.just("put_private_data"), NAMES, KEYS, VALUES),
    st.tuples(st.just("delete_private_data"), NAMES, KEYS),
    st.tuples(st.just("purge_private_data"), NAMES, KEYS),
    st.tuples(st.just("get_private_data_by_range"), NAMES, KEYS, KEYS),
    st.tuples(st.just("get_private_data_validation_parameter"), NAMES, KEYS),
    st.tuples(st.just("set_private_data_validation_parameter"), NAMES, KEYS, VALUES),
)
TRANSACTIONS = st.lists(
    st.tuples(st.sampled_from(["AlphaMSP", "BetaMSP"]), st.lists(CALLS, max_size=5)), max_size=6
)


def answer(stub, name, *arguments):
    try:
        found = getattr(stub, name)(*arguments)
        return found if isinstance(found, bytes | tuple | None) else list(found)
    except Rejected as rejected:
        return rejected.code
    except ValueError:
        return ValueError


@settings(deadline=None, max_examples=300)
@given(TRANSACTIONS)
def test_both_answer_alike_and_end_in_the_same_state(transactions):
    state, ledger = Committed(), MemoryLedger(Chaincode([]), collections=COLLECTIONS)
    for number, (mspid, calls) in enumerate(transactions):
        creator = identities_pb2.SerializedIdentity(mspid=mspid, id_bytes=b"x").SerializeToString()
        proposal = build_proposal(creator, channel_id="c", chaincode="kv", args=[b"f"], timestamp_ns=5)
        parsed = parse_proposal(proposal.proposal_bytes)
        simulation = Simulation(state, parsed, collections={"kv": COLLECTIONS})
        memory = MemoryStub(ledger, creator, [], f"{number}")
        for call in calls:
            assert answer(simulation, *call) == answer(memory, *call), call
        state.apply(simulation.rwset(), simulation.private_rwsets(), Version(number, 0))
        ledger.apply(memory)
        assert {key: row.value for (space, key), row in state.rows.items() if space == "kv"} == ledger.state
        held = {place[1:]: row.value for place, row in state.private_rows.items()}
        assert held == ledger.private


def test_the_model_of_a_collection_is_a_protocol():
    """Whatever has these three attributes will do, such as the definitions' collections."""
    terms = SimpleNamespace(members=frozenset(), member_only_read=False, member_only_write=False)
    ledger = MemoryLedger(Chaincode([]), collections={"c": terms})
    assert MemoryStub(ledger, b"", [], "tx").get_private_data("c", "k") is None
