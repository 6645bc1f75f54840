"""A short run of the fuzzer in every suite, and what longer runs have found (`drive` is the long one)."""

from dataclasses import replace

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.choices import Choices
from tests.fuzz.defects import Defect
from tests.fuzz.doors import DOORS, SLOW_DOORS, fuzz_once
from tests.fuzz.forged_messages import Damage, endorsed_envelope, envelope, read_write_set
from tests.fuzz.target import Target, forged_envelope
from tests.fuzz.wire_mutations import Field, mutate, parse, serialise, varint

from fedpact.wire.config_changes import desired
from fedpact.wire.config_update import compute_update, sign_update, update_envelope
from fedpact.wire.rwsets import NamespaceRwset, PrivateRwset, Write, encode, hashed

SHORT = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module", params=["process", "grpc", "batched"])
def target(request):
    made = Target(request.param)
    yield made
    made.serves()
    made.stays_small()
    made.holds_together()
    made.close()


@settings(SHORT, max_examples=250)
@given(data=st.binary(max_size=96))
def test_nothing_that_is_sent_brings_a_node_down(target, data):
    fuzz_once(target, data)


def test_every_door_is_tried(target):
    for number, door in enumerate(DOORS + SLOW_DOORS):
        door(target, Choices(bytes((number, 7 * number % 256)) * 20))
    assert target.executions >= len(DOORS)


class Changed(Damage):
    """A layer changed in one given way."""

    def __init__(self, layer, change):
        super().__init__(Choices(b""), layer)
        self.change = change

    def at(self, layer, data):
        return self.change(data) if layer == self.layer else data


@pytest.fixture
def node():
    made = Target()
    yield made
    made.close()


def submitted(target, layer, change, peers=None):
    """Submit a transaction that is properly endorsed and signed around the change; return its block."""
    rwset = read_write_set({}, {"key": b"value", "other": b"x"})
    call = target.call(Choices(bytes((99, 0, 0))))
    damage = Changed(layer, change)
    tx_id, signed = envelope(call, target.members[0], target.peers if peers is None else peers, rwset, damage)
    height = target.ledger.height()
    target.submit(signed, tx_id)
    assert target.ledger.height() == height + 1
    return next(iter(target.ledger.blocks(height)))


def test_a_namespace_that_is_named_twice_leaves_one_change_in_the_history(node):
    """Found by the audit: it counted two changes of a key where the node kept one."""
    submitted(node, "rwset", lambda data: data + serialise([parse(data)[-1]]))
    node.holds_together()


@pytest.mark.parametrize("seconds", [2**31, 4_102_444_800])
def test_the_time_of_an_invalid_transaction_moves_no_clock(node, seconds):
    """Found by the audit: a transaction from the far future made every later block's signature expired."""

    def later(header):
        message = common_pb2.ChannelHeader.FromString(header)
        message.timestamp.seconds = seconds
        return message.SerializeToString()

    submitted(node, "channel header", later)
    submitted(node, "channel header", later, peers=[])
    node.serves()
    node.holds_together()


@pytest.mark.parametrize("path", ["Application/Endorsement", "Orderer/BlockValidation", "Writers"])
def test_a_policy_that_administrators_remove_is_satisfied_by_nobody(node, path):
    """The node stopped, or answered INTERNAL, where there was no policy."""
    *groups, name = path.split("/")
    group = changed = desired(node.ledger.bundle)
    for inner in groups:
        group = group.groups[inner]
    del group.policies[name]
    update = compute_update(node.ledger.bundle, changed)
    signed = update_envelope(update, [sign_update(update, admin) for admin in node.admins], node.admins[0])
    node.submit(signed, "", method="broadcast")
    assert node.ledger.bundle.sequence == (path != "Orderer/BlockValidation")
    node.submit(signed, "", method="broadcast")
    tx_id, good = forged_envelope(node, Choices(bytes(20)), Damage(Choices(b"")))
    node.submit(good, tx_id)
    node.holds_together()


def test_the_oracle_notices_a_changed_ledger(node):
    """The checks themselves can fail: a block that nobody submitted is a defect."""
    height = node.ledger.height()
    submitted(node, "", None)
    node.accepted.clear()
    with pytest.raises(Defect, match="nobody submitted"):
        node.explained("looking", height)


def test_mutations_damage_fields_at_every_depth():
    inner = serialise([Field(1, 0, 7), Field(2, 2, b"text")])
    message = serialise([Field(1, 2, inner), Field(3, 1, b"12345678"), Field(4, 5, b"1234")])
    assert serialise(parse(message)) == message
    assert parse(varint(1 << 3 | 2) + varint(2**63)) is None
    made = [mutate(message, Choices(bytes((n, n // 3, 5 * n % 256)) * 9)) for n in range(250)]
    assert len(set(made)) > 100
    touched = [fields[0].value for data in made if (fields := parse(data)) and fields[0].number == 1]
    assert any(isinstance(value, bytes) and value != inner for value in touched)


def test_a_collection_that_is_named_twice_stops_no_node(node):
    """Two private write sets of one transaction had one place in the database, and the block stage failed."""
    private = PrivateRwset("probe", "secrets", (Write("k", b"v"),))
    named = rwset_pb2.TxReadWriteSet.FromString(
        encode([NamespaceRwset("probe", collections=(hashed(private),))])
    )
    named.ns_rwset[0].collection_hashed_rwset.append(named.ns_rwset[0].collection_hashed_rwset[0])
    call = node.call(Choices(bytes((99, 0, 0))))
    call = replace(call, version=node.chaincodes["probe"].version)
    tx_id, signed = endorsed_envelope(
        call, node.members[0], node.peers, named.SerializeToString(), Damage(Choices(b""))
    )
    node.submit(signed, tx_id)
    node.serves()
    node.holds_together()
