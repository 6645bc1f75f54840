"""Changes of the channel's configuration through a node: who may, what waits, what is in force afterwards."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from tests.network.embedded.conftest import KeyValue

from fedpact.audit import audit
from fedpact.gateway.transport import Status, TransportError
from fedpact.identity import CertificateAuthority
from fedpact.wire.batch import BatchRules
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config_changes import (
    desired,
    publish_revocation_list,
    remove_organisation,
    set_batch_rules,
    set_policy,
)
from fedpact.wire.config_update import compute_update, sign_update, update_envelope
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.update_envelopes import update_id

VALID = ValidationCode.VALID


def update_of(world, ledger, change, *, admins=None, submitter=None, timestamp_ns=None):
    """A signed CONFIG_UPDATE of what `change` does to the channel's group."""
    group = desired(ledger.bundle)
    change(group)
    update = compute_update(ledger.bundle, group)
    people = admins or [ca.issue("boss", role=None, ou="admin") for ca in world.authorities.values()]
    return update_envelope(
        update,
        [sign_update(update, person) for person in people],
        submitter or people[0],
        timestamp_ns=world.clock_ns() if timestamp_ns is None else timestamp_ns,
    )


def batches(count):
    def change(group):
        set_batch_rules(group, replace(BatchRules.from_group(group.groups["Orderer"]), max_messages=count))

    return change


@pytest.fixture
def ledger(world):
    return world.create()


def test_a_change_is_in_force_with_its_block(world, ledger):
    client = world.client(ledger)
    client.run("put", "a", "1")
    bundle = ledger.update_config(update_of(world, ledger, batches(7)))
    assert (bundle.sequence, bundle.block_number, bundle.batch.max_messages) == (1, 2, 7)
    assert ledger.bundle is bundle
    client.run("put", "b", "2")
    blocks = [parse_block(data) for data in ledger.blocks()]
    assert [len(block.envelopes) for block in blocks] == [1, 1, 1, 1]
    assert [block.last_config for block in blocks] == [0, 0, 2, 2]
    assert audit(ledger, chaincodes={"kv": KeyValue()}).findings == []
    ledger.close()
    again = world.open()
    assert (again.bundle.sequence, again.bundle.batch.max_messages) == (1, 7)
    assert again.update_config(update_of(world, again, batches(8))).sequence == 2


def test_the_outcome_is_told_by_the_updates_transaction_id(world, ledger):
    update = update_of(world, ledger, batches(7))
    tx_id = ledger.node.submit(update)
    assert world.client(ledger).status(tx_id) == (VALID, 1)
    assert ledger.node.submit(update) == tx_id, "sent again it changes nothing"
    assert ledger.height() == 2


def test_a_configuration_is_alone_in_its_block(world, ledger):
    client = world.client(ledger)
    client.run("put", "a", "1")
    held, commit = threading.Event(), ledger.node._committer.commit

    def slow(batch, signer):
        held.wait(10)
        commit(batch, signer)

    ledger.node._committer.commit = slow
    before = [client.submit("put", f"a{n}", "1") for n in range(4)]
    update = ledger.node.submit(update_of(world, ledger, batches(7)))
    after = [client.submit("put", f"b{n}", "1") for n in range(4)]
    held.set()
    outcomes = {tx_id: client.status(tx_id) for tx_id in (*before, update, *after)}
    assert {code for code, _ in outcomes.values()} == {VALID}
    number = outcomes[update][1]
    assert all(outcomes[tx_id][1] < number for tx_id in before)
    assert all(outcomes[tx_id][1] > number for tx_id in after)


def test_an_update_that_another_one_overtook_is_dropped(world):
    ledger, orderer = world.by_hand()
    first = ledger.node.submit(update_of(world, ledger, batches(7)))
    second = ledger.node.submit(update_of(world, ledger, batches(8)))
    waiting, orderer.waiting = orderer.waiting, []
    for submission in waiting:
        orderer.deliver([submission])
    assert ledger.node.outcome(first, 1) == (VALID, 1)
    assert ledger.node.outcome(second, 1) == (ValidationCode.INVALID_CONFIG_TRANSACTION, 1)
    assert ledger.height() == 2
    assert ledger.bundle.batch.max_messages == 7
    with pytest.raises(Refusal) as caught:
        ledger.update_config(update_of(world, ledger, batches(9), timestamp_ns=1))
    assert caught.value.code is RefusalCode.CLOCK_OFF


def test_updates_that_do_not_touch_each_other_are_both_in_force(world):
    ledger, orderer = world.by_hand()
    path = "/Channel/Application/Endorsement"
    ledger.node.submit(update_of(world, ledger, batches(7)))
    ledger.node.submit(update_of(world, ledger, lambda group: set_policy(group, path, "ANY Endorsement")))
    waiting, orderer.waiting = orderer.waiting, []
    for submission in waiting:
        orderer.deliver([submission])
    assert ledger.bundle.sequence == 2
    assert ledger.bundle.batch.max_messages == 7
    assert ledger.bundle.endorsement_policy.text == "ANY Endorsement"


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        ("few", RefusalCode.CONFIG_REFUSED),
        ("stranger", RefusalCode.ACCESS_DENIED),
        ("peer", RefusalCode.ACCESS_DENIED),
        ("orderless", RefusalCode.CONFIG_REFUSED),
        ("stale", RefusalCode.CONFIG_REFUSED),
    ],
)
def test_who_may_not_is_refused_and_nothing_is_ordered(world, ledger, refused, code):
    one = world.authorities["Org1MSP"].issue("boss", role=None, ou="admin")
    stranger = CertificateAuthority.create("org9", "Org9MSP").issue("x", role=None, ou="admin")
    make = {
        "few": lambda: update_of(world, ledger, batches(7), admins=[one]),
        "stranger": lambda: update_of(world, ledger, batches(7), submitter=stranger),
        "peer": lambda: update_of(world, ledger, batches(7), submitter=world.peers[0]),
        "orderless": lambda: update_of(world, ledger, lambda group: remove_organisation(group, "Org1MSP")),
        "stale": lambda: update_of(world, ledger, batches(7)),
    }
    update, height = make[refused](), 1
    if refused == "stale":
        ledger.update_config(update_of(world, ledger, batches(9)))
        height = 2
    with pytest.raises(Refusal) as caught:
        ledger.node.submit(update)
    assert caught.value.code is code
    assert ledger.height() == height


def test_only_an_orderer_makes_configuration_transactions(world, ledger):
    ledger.update_config(update_of(world, ledger, batches(7)))
    [made] = parse_block(next(ledger.blocks(1))).envelopes
    with pytest.raises(Refusal) as caught:
        ledger.node.submit(made)
    assert caught.value.code is RefusalCode.MALFORMED
    message = common_pb2.Envelope.FromString(made)
    message.payload = b"\xff" + message.payload
    with pytest.raises(Refusal) as caught:
        ledger.node.submit(message.SerializeToString())
    assert caught.value.code is RefusalCode.MALFORMED


def test_a_removed_organisation_is_out(world, ledger):
    bob = world.client(ledger, world.people["Org3MSP"])
    bob.run("put", "a", "1")
    endorsed = bob.endorse("put", "a", "2")
    ledger.update_config(update_of(world, ledger, lambda group: remove_organisation(group, "Org3MSP")))
    for attempt in (
        lambda: bob.evaluate("read", "a"),
        lambda: bob.endorse("put", "a", "3"),
        lambda: bob.submit_envelope(endorsed.signed()),
    ):
        with pytest.raises(TransportError):
            attempt()
    assert world.client(ledger).evaluate("read", "a") == b"1"
    assert world.client(ledger).run("put", "a", "4")[0] is VALID, "two of two endorse now"


def test_what_a_revoked_member_had_in_the_queue_is_not_valid(world):
    ledger, orderer = world.by_hand()
    client = world.client(ledger)
    client.submit("put", "a", "1")
    revocations = world.authorities["Org1MSP"].revoke([world.alice.certificate.serial_number])

    def revoke(group):
        publish_revocation_list(group, "Org1MSP", revocations)

    queued, orderer.waiting = orderer.waiting, []
    ledger.node.submit(update_of(world, ledger, revoke))
    orderer.cut()
    orderer.deliver(queued)
    assert [list(parse_block(data).filter) for data in ledger.blocks(1)] == [
        [VALID],
        [ValidationCode.BAD_CREATOR_SIGNATURE],
    ]
    with pytest.raises(TransportError) as caught:
        client.submit("put", "a", "1")
    assert caught.value.status is Status.ABORTED
    assert "revoked" in str(caught.value.details)


def test_another_endorsement_policy_counts_at_once(world, ledger):
    client = world.client(ledger)
    stale = client.endorse("put", "a", "1")
    assert stale.envelope is not None
    path = "/Channel/Application/Endorsement"
    ledger.update_config(update_of(world, ledger, lambda group: set_policy(group, path, "ALL Endorsement")))
    client.submit_envelope(stale.signed())
    assert client.status(stale.tx_id)[0] is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert client.run("put", "a", "2")[0] is VALID


def test_an_update_that_is_submitted_again_while_its_block_is_written_stays_valid(world, ledger):
    """Its second copy was checked before the first one's block, and comes to its turn after it."""
    envelope = update_of(world, ledger, batches(7))
    second = ledger.node._reconfiguration.take(envelope)
    ledger.update_config(envelope)
    ledger.node._orderer.submit(second)
    world.client(ledger).run("put", "a", "1")  # its turn has come before this one
    outcome = ledger.node.outcome(second.tx_id, 5.0)
    assert (outcome.code, outcome.block) == (VALID, ledger.bundle.block_number)
    assert ledger.bundle.sequence == 1


def test_the_outcome_of_an_update_is_found_after_a_restart(world, ledger):
    first = update_of(world, ledger, batches(7))
    ledger.update_config(first)
    world.client(ledger).run("put", "a", "1")
    second = update_of(world, ledger, batches(8))
    ledger.update_config(second)
    world.client(ledger).run("put", "a", "2")
    ledger.close()
    with world.open() as again:
        outcomes = [again.node.outcome(update_id(envelope), 0.0) for envelope in (first, second)]
        assert [tuple(outcome) for outcome in outcomes] == [(VALID, 1), (VALID, 3)]
        with pytest.raises(Refusal):
            again.node.outcome("0" * 64, 0.0)


def test_whoever_may_not_read_any_more_hears_no_further_events(world, ledger):
    world.client(ledger).run("put", "a", "1")
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id="consortium",
        chaincode_id="kv",
        identity=world.alice.creator,
        start_position=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=0)),
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=request, signature=world.alice.sign(request))
    stream = ledger.transport().chaincode_events(signed.SerializeToString())
    path = "/Channel/Application/Readers"
    ledger.update_config(update_of(world, ledger, lambda group: set_policy(group, path, "ANY Admins")))
    with pytest.raises(TransportError) as caught:
        next(stream)
    assert caught.value.status is Status.PERMISSION_DENIED
