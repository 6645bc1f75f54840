"""Private data between nodes: members have them, others do not, whatever is missing comes later."""

from __future__ import annotations

import time

import grpc
import pytest
from tests.network.peering.conftest import until

from fedpact.wire.chaincode_terms import CollectionTerms
from fedpact.wire.commits import ValidationCode
from fedpact.wire.rwsets import PrivateRwset, Write, decode_private
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.peering import dissemination, reconciliation
from fedpact_network.peering.block_source import BlockSource
from fedpact_network.peering.dissemination import Disseminator, take

MEMBERS = "OR('Org1MSP.member', 'Org2MSP.member')"


def secrets(**changes):
    return CollectionTerms(**{"name": "secrets", "policy": MEMBERS, **changes})


def hide(world, node, key, *, collection="secrets", organisations=(), value=b"hidden"):
    """Commit a private value, endorsed by the organisation of the node."""
    caller = node.caller()
    tx_id, envelope = caller.endorse(
        "hide", collection, key, organisations=organisations, transient={"value": value}
    )
    node.ledger.node.submit(envelope.SerializeToString())
    assert caller.status(tx_id).result == ValidationCode.VALID
    world.settle(node, *world.nodes)
    return tx_id


def held(node, key, collection="secrets"):
    with node.ledger.node.snapshots.view() as snapshot:
        row = snapshot.private("kv", collection, key)
    return None if row is None else row.value


@pytest.fixture
def nodes(world):
    found = world.three()
    world.define(found[0], secrets())
    return found


def test_members_have_it_and_others_do_not(world, nodes):
    first, second, third = nodes
    for number, node in enumerate((first, second)):
        hide(world, node, f"k{number}")
        assert held(first, f"k{number}") == held(second, f"k{number}") == b"hidden"
        assert held(third, f"k{number}") is None
        assert second.caller().evaluate("reveal", "secrets", f"k{number}") == b"hidden"
    assert [node.ledger.node.missing_private() for node in nodes] == [[], [], []]
    world.assert_equal(first, second, third)


def test_a_member_that_was_away_gets_it_with_the_block(world, nodes):
    first, second, _ = nodes
    second.stop()
    hide_alone(world, first, "k")
    second.start()
    second.wait(first.height())
    assert held(second, "k") == b"hidden"


def hide_alone(world, node, key):
    caller = node.caller()
    tx_id, envelope = caller.endorse("hide", "secrets", key, transient={"value": b"hidden"})
    node.ledger.node.submit(envelope.SerializeToString())
    assert caller.status(tx_id).result == ValidationCode.VALID


def test_what_is_missing_comes_later(world, nodes, monkeypatch):
    """Endorsed by a peer that is gone when the block comes: the ordering node has nothing to deliver."""
    monkeypatch.setattr(reconciliation, "LONGEST_WAIT_S", 0.2)
    first, second, third = nodes
    first.knows(Org3MSP=third)
    second.knows(Org1MSP=first)
    monkeypatch.setattr(Disseminator, "send", lambda *_: None)
    caller = second.caller(world.people["Org2MSP"])
    tx_id, envelope = caller.endorse("hide", "secrets", "k", transient={"value": b"hidden"})
    first.ledger.node.submit(envelope.SerializeToString())
    assert caller.status(tx_id).result == ValidationCode.VALID
    assert held(second, "k") == b"hidden"
    assert len(first.ledger.node.missing_private()) == 1
    first.knows(Org2MSP=second)
    until(lambda: held(first, "k") == b"hidden")
    assert first.ledger.node.missing_private() == []


def test_the_collection_of_one_organisation(world, nodes):
    """Whoever endorses, its own peer gets the data, and nobody keeps them beside it."""
    first, second, third = nodes
    collection = "_implicit_org_Org3MSP"
    hide(world, third, "k", collection=collection, organisations=("Org1MSP", "Org3MSP"))
    assert held(third, "k", collection) == b"hidden"
    assert held(first, "k", collection) is held(second, "k", collection) is None


def delivered(world, node, who, number):
    """The private data of a block that a node delivers to somebody."""
    source = BlockSource(node.place, "consortium", who, time.time_ns, private=True)
    try:
        return source.block(number).private
    finally:
        source.close()


def test_blocks_are_delivered_with_the_private_data_of_members_only(world, nodes):
    first, _, _ = nodes
    hide(world, first, "k")
    number = first.height() - 1
    content = delivered(world, first, world.peers["Org2MSP"], number)
    [found] = decode_private(content[0])
    assert found == PrivateRwset("kv", "secrets", (Write("k", b"hidden"),))
    assert delivered(world, first, world.peers["Org3MSP"], number) == {}


def test_whom_the_policy_of_a_collection_leaves_out_of_a_member_organisation(world):
    first, _, _ = world.three()
    world.define(first, secrets(policy="OR('Org1MSP.peer', 'Org2MSP.peer')"))
    hide(world, first, "k")
    number = first.height() - 1
    assert list(delivered(world, first, world.peers["Org2MSP"], number)) == [0]
    assert delivered(world, first, world.people["Org2MSP"], number) == {}


def test_as_many_peers_as_required_take_it_or_it_is_not_endorsed(world):
    first, second, third = world.three()
    world.define(first, secrets(required_peer_count=1, max_peer_count=1))
    hide(world, first, "k")
    assert held(second, "k") == b"hidden"
    second.stop()
    caller = first.caller()
    with pytest.raises(grpc.RpcError) as refused:
        caller.endorse("hide", "secrets", "l", transient={"value": b"hidden"})
    assert refused.value.code() is grpc.StatusCode.ABORTED
    assert "endorse transaction" in refused.value.details()
    first.knows(Org3MSP=third)
    tx_id, signed = first.caller().proposal("hide", "secrets", "m", transient={"value": b"hidden"})
    with pytest.raises(Refusal) as told:
        first.ledger.node.endorser.endorse(signed.proposal_bytes, signed.signature)
    assert told.value.code is RefusalCode.NOT_DISSEMINATED
    assert told.value.message == (
        f"error in simulation: failed to distribute private collection, txID {tx_id}, channel consortium: "
        "required to disseminate to at least 1 peers, but know of only 0 eligible peers"
    )


ID = "ab" * 32


def request(world, who, *, tx_id=ID, channel="consortium", collection="secrets", off_s=0):
    """What a peer sends, altered."""

    class Sender:
        class channel:  # noqa: N801
            id = channel

        now_s = time.time() + off_s

    rwset = PrivateRwset("kv", collection, (Write("k", b"v"),))
    return Disseminator(None, who)._request(Sender, tx_id, rwset)


def test_only_peers_of_the_channel_hand_over_private_data(world, nodes, make_world):
    _first, second, third = nodes
    peer = world.peers["Org1MSP"]
    wrong = {
        RefusalCode.MALFORMED: [
            b"junk",
            request(world, peer, tx_id=""),
            request(world, peer, tx_id="x" * 100_000),
        ],
        RefusalCode.UNKNOWN_CHANNEL: [request(world, peer, channel="other")],
        RefusalCode.CLOCK_OFF: [request(world, peer, off_s=120), request(world, peer, off_s=-120)],
        RefusalCode.ACCESS_DENIED: [
            request(world, world.alice),
            request(world, make_world().peers["Org1MSP"]),
            request(world, peer, collection="nothing"),
        ],
    }
    for code, requests in wrong.items():
        for content in requests:
            with pytest.raises(Refusal) as refused:
                take(second.ledger.node, content)
            assert refused.value.code is code
    with pytest.raises(Refusal) as refused:
        take(third.ledger.node, request(world, peer))
    assert refused.value.code is RefusalCode.ACCESS_DENIED
    assert second.ledger.node.transient.find(ID) == ()
    second.caller().call(dissemination.METHOD, request(world, peer))
    assert second.ledger.node.transient.find(ID) == (PrivateRwset("kv", "secrets", (Write("k", b"v"),)),)


def test_what_is_sent_after_its_commit_goes_again(world, nodes):
    first, second, _ = nodes
    tx_id = hide(world, first, "k")
    for _ in range(2):
        take(second.ledger.node, request(world, world.peers["Org1MSP"], tx_id=tx_id))
    assert second.ledger.node.transient.find(tx_id)
    hide(world, second, "l")
    assert second.ledger.node.transient.find(tx_id) == ()


def test_a_stranger_cannot_have_private_data_decoded(world, nodes, make_world, monkeypatch):
    """Decoding takes many times the memory of the message."""
    decoded = []
    monkeypatch.setattr(dissemination, "decode_private", decoded.append)
    with pytest.raises(Refusal):
        take(nodes[1].ledger.node, request(world, make_world().peers["Org1MSP"]))
    assert decoded == []
