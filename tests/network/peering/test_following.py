"""A node that orders and nodes that follow it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from fabric_protos.common import common_pb2
from tests.network.peering.conftest import until

from fedpact.wire.blocks import TRANSACTIONS_FILTER, parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config_changes import desired, set_batch_rules
from fedpact.wire.config_update import compute_update, sign_update, update_envelope
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.submission import Submission
from fedpact_network.peering import broadcasting, remote_orderer
from fedpact_network.peering.block_source import Delivered
from fedpact_network.peering.following import JoinError, check_genesis, fetch_genesis, join_ledger
from fedpact_network.peering.remote_orderer import RemoteOrderer


def test_a_follower_replicates_and_serves(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    ordering.caller().run("put", "a", "1")
    world.settle()
    bob = follower.caller(world.people["Org2MSP"])
    assert bob.evaluate("read", "a") == b"1"
    bob.run("put", "b", "2")
    assert ordering.caller().evaluate("read", "b") == b"2"
    world.assert_equal()


def test_an_invalid_transaction_is_told_at_the_follower(world):
    """Both endorsed on the same state; the second one's read is stale when its block comes."""
    follower = world.follower(world.ordering(), "Org2MSP")
    caller = follower.caller()
    first, second = caller.endorse("add", "a", "1"), caller.endorse("add", "a", "2")
    for _, envelope in (first, second):
        follower.ledger.node.submit(envelope.SerializeToString())
    codes = [caller.status(tx_id).result for tx_id, _ in (first, second)]
    assert codes == [ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT]
    world.assert_equal()


def test_the_same_envelope_twice_and_another_one_with_its_id(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    tx_id, envelope = follower.caller().endorse("put", "a", "1")
    node = follower.ledger.node
    for _ in range(2):
        assert node.submit(envelope.SerializeToString()) == tx_id
    assert node.outcome(tx_id, 20).code is ValidationCode.VALID
    until(lambda: not node.holds(tx_id))
    node.submit(envelope.SerializeToString())
    envelope.signature = world.alice.sign(envelope.payload)
    with pytest.raises(Refusal) as refused:
        node.submit(envelope.SerializeToString())
    assert refused.value.code is RefusalCode.DUPLICATE
    world.settle()
    assert ordering.height() == 2


def test_the_same_envelope_again_after_the_follower_forgot_it(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    tx_id, envelope = follower.caller().endorse("put", "a", "1")
    follower.ledger.node.submit(envelope.SerializeToString())
    first = follower.ledger.node.outcome(tx_id, 20)
    world.settle()
    follower.stop()
    follower.start()
    node = follower.ledger.node
    assert node.submit(envelope.SerializeToString()) == tx_id
    assert node.outcome(tx_id, 0.0) == first, "the ordering node does not deliver it again"
    envelope.signature = world.alice.sign(envelope.payload)
    with pytest.raises(Refusal) as refused:
        node.submit(envelope.SerializeToString())
    assert refused.value.code is RefusalCode.DUPLICATE
    assert ordering.height() == 2


def test_what_the_orderer_refuses(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    tx_id, envelope = follower.caller().endorse("put", "a", "1")
    envelope.signature = b"forged"
    broadcaster = follower.ledger.node._orderer._broadcaster
    for content, code in ((envelope.SerializeToString(), "ACCESS_DENIED"), (b"junk", "MALFORMED")):
        with pytest.raises(Refusal) as refused:
            broadcaster.send(content)
        assert refused.value.code == code
    with pytest.raises(Refusal) as refused:
        follower.ledger.node._orderer.submit(Submission.read(envelope.SerializeToString()))
    assert refused.value.code is RefusalCode.ACCESS_DENIED
    assert not follower.ledger.node.holds(tx_id)


def test_refusals_between_others_envelopes(world):
    """The orderer ends the stream with each of them; whatever was behind it is sent again."""
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    broadcaster = follower.ledger.node._orderer._broadcaster
    good = [follower.caller().endorse("put", f"k{number}", "1") for number in range(24)]

    def send(number):
        try:
            envelope = b"junk" if number % 4 == 3 else good[number][1].SerializeToString()
            return broadcaster.send(envelope)
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(send, range(24)))
    assert told == [RefusalCode.MALFORMED if number % 4 == 3 else None for number in range(24)]
    for number, (tx_id, _) in enumerate(good):
        if number % 4 != 3:
            assert follower.caller().status(tx_id).result == ValidationCode.VALID
    world.assert_equal()


def test_an_orderer_that_does_not_answer(world, monkeypatch):
    monkeypatch.setattr(broadcasting, "ROUNDS", 2)
    monkeypatch.setattr(broadcasting, "ATTEMPT_S", 0.2)
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    _, envelope = follower.caller().endorse("put", "a", "1")
    go_on = threading.Event()
    submit = ordering.ledger.node.submit
    ordering.ledger.node.submit = lambda content: go_on.wait(10) and submit(content)
    broadcaster = follower.ledger.node._orderer._broadcaster
    with pytest.raises(Refusal) as refused:
        broadcaster.send(envelope.SerializeToString())
    assert refused.value.code is RefusalCode.ORDERERS_FAILED
    assert [one.address for one in refused.value.answers] == [ordering.address]
    go_on.set()
    broadcaster.send(envelope.SerializeToString())
    world.settle()


def test_a_follower_that_was_away_catches_up(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    ordering.caller().run("put", "a", "1")
    world.settle()
    follower.stop()
    for number in range(5):
        ordering.caller().run("put", f"b{number}", "1")
    follower.start()
    world.assert_equal()
    assert follower.caller().evaluate("read", "b4") == b"1"


def test_the_ordering_node_restarts(world, monkeypatch):
    monkeypatch.setattr(broadcasting, "ROUNDS", 1)
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    caller = follower.caller()
    caller.run("put", "a", "1")
    ordering.stop()
    assert caller.evaluate("read", "a") == b"1"
    with pytest.raises(grpc.RpcError) as refused:
        caller.submit("put", "b", "1")
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "no orderers could successfully process transaction"
    ordering.start()

    def submitted():
        try:
            return caller.submit("put", "c", "1")
        except grpc.RpcError:
            return ""

    assert caller.status(until(submitted)).result == ValidationCode.VALID
    world.assert_equal()


def test_a_follower_follows_another_follower_when_the_first_address_is_gone(world):
    ordering = world.ordering()
    middle = world.follower(ordering, "Org2MSP")
    last = world.follower(ordering, "Org3MSP", start=False)
    last.peering = replace(last.peering, follow=world.place("localhost:1", middle.address, ordering.address))
    world.nodes.append(last.start())
    last.caller().run("put", "a", "1")
    world.assert_equal()


def test_a_configuration_reaches_the_followers(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    bundle = ordering.ledger.bundle
    group = desired(bundle)
    set_batch_rules(group, replace(bundle.batch, max_messages=7))
    update = compute_update(bundle, group)
    admins = [ca.issue("boss", role=None, ou="admin") for ca in world.authorities.values()]
    envelope = update_envelope(update, [sign_update(update, admin) for admin in admins], admins[0])
    follower.ledger.node.submit(envelope)
    follower.wait(2)
    assert follower.ledger.bundle.batch.max_messages == 7
    assert ordering.ledger.bundle.sequence == follower.ledger.bundle.sequence == 1
    follower.caller().run("put", "a", "1")
    world.assert_equal()


class OneBlock:
    """A source that delivers what it is given."""

    def __init__(self, data):
        self._data = data

    def blocks(self, number):
        yield Delivered(self._data)

    def close(self):
        pass


def envelope_altered(block):
    envelope = bytearray(block.data.data[0])
    envelope[-1] ^= 1
    block.data.data[0] = bytes(envelope)


def signature_wrong(block):
    slot = common_pb2.Metadata.FromString(block.metadata.metadata[0])
    slot.signatures[0].signature = slot.signatures[0].signature[:-1] + b"\0"
    block.metadata.metadata[0] = slot.SerializeToString()


def predecessor_wrong(block):
    block.header.previous_hash = bytes(32)


@pytest.mark.parametrize("forge", [envelope_altered, signature_wrong, predecessor_wrong])
def test_a_forged_block_stops_the_follower_and_is_not_stored(world, forge):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    world.settle()
    follower.stop()
    ordering.caller().run("put", "a", "1")
    [data] = list(ordering.ledger.blocks(1))
    block = common_pb2.Block.FromString(data)
    forge(block)
    follower.peering = replace(follower.peering, follow=world.place("localhost:1"))
    follower.start()
    node = follower.ledger.node
    forged = RemoteOrderer(node._orderer._broadcaster, OneBlock(block.SerializeToString()), 1)
    forged.start(node._deliver)
    until(lambda: forged.failure)
    assert "block 1" in node.notifier.failure
    with pytest.raises(Refusal) as refused:
        node.submit(parse_block(data).envelopes[0])
    assert refused.value.code is RefusalCode.STOPPED
    assert follower.height() == 1
    follower.stop()
    follower.peering = replace(follower.peering, follow=ordering.place)
    follower.start()
    world.assert_equal()


def test_a_follower_makes_its_own_verdicts(world):
    """The ordering node says of its peers' part what it likes; that is no part of what is signed."""
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    world.settle()
    follower.stop()
    ordering.caller().run("put", "a", "1")
    block = common_pb2.Block.FromString(next(ordering.ledger.blocks(1)))
    block.metadata.metadata[TRANSACTIONS_FILTER] = bytes([ValidationCode.MVCC_READ_CONFLICT])
    follower.peering = replace(follower.peering, follow=world.place("localhost:1"))
    follower.start()
    follower.ledger.node._deliver(block.SerializeToString())
    world.assert_equal()


def test_a_reader_verifies_and_answers_but_executes_nothing(world):
    ordering = world.ordering()
    reader = world.follower(ordering, "")
    ordering.caller().run("put", "a", "1")
    world.assert_equal()
    with pytest.raises(grpc.RpcError) as refused:
        reader.caller().evaluate("read", "a")
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.RpcError) as refused:
        reader.caller().endorse("put", "a", "1")
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    tx_id, envelope = ordering.caller().endorse("put", "b", "1")
    reader.ledger.node.submit(envelope.SerializeToString())
    assert reader.caller().status(tx_id).result == ValidationCode.VALID


def test_the_genesis_block_is_compared(world):
    ordering = world.ordering()
    keys = NodeKeys.of([world.peers["Org2MSP"]])
    genesis = fetch_genesis(ordering.place, "consortium", keys)
    assert genesis == next(ordering.ledger.blocks())
    expected = parse_block(genesis).hash.hex()
    assert check_genesis("", genesis, expected.upper()).mspids == ("Org1MSP", "Org2MSP", "Org3MSP")
    ordering.caller().run("put", "a", "1")
    url = f"embedded://{world.folder}/other/ledger.db"
    for block, digest, code in (
        (genesis, "00" * 32, "OTHER_GENESIS"),
        (b"junk", expected, "BAD_GENESIS"),
        (next(ordering.ledger.blocks(1)), expected, "BAD_GENESIS"),
    ):
        with pytest.raises(JoinError) as refused:
            join_ledger(url, block, digest, keys)
        assert refused.value.code == code
    assert not (world.folder / "other" / "ledger.db").exists()
    with pytest.raises(JoinError) as refused:
        fetch_genesis(world.place("localhost:1"), "consortium", keys)
    assert refused.value.code == "NO_GENESIS"


def test_what_is_sent_is_held_for_a_while_only(monkeypatch):
    class Orderer:
        def send(self, envelope):
            if envelope == b"bad":
                raise Refusal(RefusalCode.MALFORMED, "no")
            if envelope == b"lost":
                raise Refusal(RefusalCode.ORDERERS_FAILED, "no")

    orderer = RemoteOrderer(Orderer(), OneBlock(b""), 1)
    orderer.submit(Submission(b"good", None, "1"))
    for envelope, tx_id in ((b"bad", "2"), (b"lost", "3")):
        with pytest.raises(Refusal):
            orderer.submit(Submission(envelope, None, tx_id))
    assert [orderer.holds(tx_id) for tx_id in ("1", "2", "3", "")] == [True, False, True, False]
    with pytest.raises(Refusal) as refused:
        orderer.submit(Submission(b"other", None, "1"))
    assert refused.value.code is RefusalCode.DUPLICATE
    monkeypatch.setattr(remote_orderer, "_HELD_S", 0.0)
    assert not orderer.holds("1")
    monkeypatch.setattr(remote_orderer, "_MAX_HELD", 1)
    orderer.submit(Submission(b"new", None, "4"))
    assert len(orderer._held) == len(orderer._ids) == 1
