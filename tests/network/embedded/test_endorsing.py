"""Who endorses: here and elsewhere, by what a result writes; on what terms code runs at all."""

from __future__ import annotations

import pytest

from fedpact.gateway.transport import TransportError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import Endorsement, endorse_message
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.remote_endorsers import RemoteAnswer

VALID = ValidationCode.VALID


class Elsewhere:
    """Peers of other nodes, which come to the same result unless told otherwise."""

    def __init__(self, peers):
        self.peers = {peer.mspid: peer for peer in peers}
        self.calls = []
        self.spoil = lambda prp: prp

    def __call__(self, call):
        self.calls.append(call)
        answers = []
        for mspid in call.organisations:
            if mspid not in self.peers:
                raise Refusal(RefusalCode.NO_ENDORSERS, f"no peer of {mspid} answers")
            prp, peer = self.spoil(call.prp), self.peers[mspid]
            signature = peer.sign(endorse_message(prp, peer.creator))
            answers.append(RemoteAnswer(prp, Endorsement(peer.creator, signature)))
        return answers


@pytest.fixture
def elsewhere(world):
    return Elsewhere(world.peers[1:])


@pytest.fixture
def alone(world, elsewhere):
    """A node of one organisation, whose endorsement alone is not enough."""
    keys = NodeKeys.of(world.peers[:1], world.orderer())
    return world.by_hand(keys=keys, remote=elsewhere)


def test_what_is_missing_is_endorsed_elsewhere(world, elsewhere, alone):
    ledger, orderer = alone
    client = world.client(ledger)
    tx_id = client.submit("put", "a", "1")
    orderer.cut()
    assert client.status(tx_id)[0] is VALID
    [call] = elsewhere.calls
    assert (call.signed, call.organisations) == (("Org1MSP",), ("Org2MSP",))
    assert [policy.text for policy in call.policies] == ["MAJORITY Endorsement"]


def test_named_organisations_are_asked_and_no_others(world, elsewhere, alone):
    ledger, orderer = alone
    client = world.client(ledger)
    prepared = client.endorse("put", "a", "1", orgs=["Org3MSP", "Org2MSP"])
    assert [call.organisations for call in elsewhere.calls] == [("Org2MSP", "Org3MSP")]
    assert elsewhere.calls[0].signed == ()
    client.submit_envelope(prepared.signed())
    orderer.cut()
    assert client.status(prepared.tx_id)[0] is VALID


def test_other_results_elsewhere_are_not_put_together(world, elsewhere, alone):
    elsewhere.spoil = lambda prp: prp + b"\x1a\x00"
    with pytest.raises(TransportError, match="ProposalResponsePayloads do not match"):
        world.client(alone[0]).endorse("put", "a", "1")


def test_who_does_not_answer_is_told(world, elsewhere, alone):
    elsewhere.peers.clear()
    with pytest.raises(TransportError, match="no peer of Org2MSP answers"):
        world.client(alone[0]).endorse("put", "a", "1")


def test_without_others_one_organisation_is_not_enough(world):
    ledger, _ = world.by_hand(keys=NodeKeys.of(world.peers[:1], world.orderer()))
    with pytest.raises(TransportError, match="not enough peers for MAJORITY Endorsement"):
        world.client(ledger).endorse("put", "a", "1")


def test_a_node_may_ask_for_definitions(world):
    ledger, _ = world.by_hand(require_definitions=True)
    client = world.client(ledger)
    for attempt in (lambda: client.evaluate("read", "a"), lambda: client.endorse("put", "a", "1")):
        with pytest.raises(TransportError, match="has been successfully defined"):
            attempt()


def test_how_far_clocks_may_be_apart_is_a_setting(world):
    ledger, _ = world.by_hand(window_ms=5_000)
    late = world.client(ledger).changed(clock_ns=lambda: world.clock_ns() - 7_000_000_000)
    with pytest.raises(TransportError) as caught:
        late.endorse("put", "a", "1")
    assert "at most 5000 are allowed" in str(caught.value.details)
