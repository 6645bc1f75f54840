"""Blocks that another node cut, configurations, and who is revoked by them."""

from dataclasses import replace

import pytest
from cryptography import x509
from fabric_protos.common import common_pb2
from tests.network.embedded.test_node_validation import Bench

from fedpact.audit.auditor import audit
from fedpact.validation import BlockError
from fedpact.wire.blocks import TRANSACTIONS_FILTER, parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config_changes import desired, publish_revocation_list, set_batch_rules
from fedpact.wire.config_update import compute_update, config_envelope, sign_update, update_envelope, updated
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.sites import find_site
from fedpact_network.embedded.submission import Submission

VALID = ValidationCode.VALID


def configured(bench, change=None, **rules):
    """A CONFIG envelope that changes the batch rules, or whatever `change` does to the channel's group."""
    bundle = bench.ledger.bundle
    group = desired(bundle)
    if change is None:
        set_batch_rules(group, replace(bundle.batch, **rules))
    else:
        change(group)
    update = compute_update(bundle, group)
    people = [ca.issue("boss", role=None, ou="admin") for ca in bench.world.authorities.values()]
    signed = update_envelope(update, [sign_update(update, person) for person in people], people[0])
    return config_envelope(updated(bundle, signed), signed, bench.ledger.node._signer)


@pytest.fixture
def bench(world):
    return Bench(world)


@pytest.fixture
def follower(make_world, bench):
    """A second node on a copy of the channel's first block."""
    second = make_world()
    for name in ("authorities", "people", "peers", "alice"):
        setattr(second, name, getattr(bench.world, name))
    return Bench(second)


def append(bench, data):
    bench.ledger.node._committer.append(data)


def test_a_follower_comes_to_the_same_blocks_and_state(bench, follower):
    bench.block(bench.put("a"), bench.put("b"))
    bench.block(configured(bench, max_messages=7))
    bench.block(bench.put("a", "2"), bench.write("c", peers=[]))
    for data in bench.ledger.blocks(1):
        append(follower, data)
    assert list(follower.ledger.blocks()) == list(bench.ledger.blocks())
    assert follower.ledger.state_hash() == bench.ledger.state_hash()
    assert follower.ledger.bundle.batch.max_messages == 7
    assert follower.client.evaluate("read", "a") == b"2"


def test_a_follower_makes_its_own_verdicts(bench, follower):
    bench.block(bench.put("a"), bench.write("b", peers=[]))
    [data] = bench.ledger.blocks(1)
    block = common_pb2.Block.FromString(data)
    block.metadata.metadata[TRANSACTIONS_FILTER] = bytes(2)
    append(follower, block.SerializeToString())
    assert follower.codes() == [[VALID, ValidationCode.ENDORSEMENT_POLICY_FAILURE]]


FORGERIES = {
    "content": lambda block: block.data.data.append(b"more"),
    "number": lambda block: setattr(block.header, "number", 2),
    "predecessor": lambda block: setattr(block.header, "previous_hash", b"x" * 32),
    "signature": lambda block: block.metadata.metadata.__setitem__(0, b""),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_block_changes_nothing(bench, follower, forgery):
    bench.block(bench.put("a"))
    [data] = bench.ledger.blocks(1)
    block = common_pb2.Block.FromString(data)
    FORGERIES[forgery](block)
    with pytest.raises(BlockError):
        append(follower, block.SerializeToString())
    assert follower.ledger.height() == 1
    append(follower, data)
    assert follower.ledger.state_hash() == bench.ledger.state_hash()
    with pytest.raises(BlockError):
        append(follower, data)


def test_transactions_cannot_be_joined_or_parted(bench, follower):
    bench.block(bench.put("a"), bench.put("b"))
    [data] = bench.ledger.blocks(1)
    first, second = parse_block(data).envelopes
    envelope = common_pb2.Envelope.FromString(first)
    payload = common_pb2.Envelope(payload=envelope.payload).SerializeToString()
    signature = common_pb2.Envelope(signature=envelope.signature).SerializeToString()
    assert payload + signature == first
    for others in ([first + second], [payload, signature, second], [payload, signature + second]):
        block = common_pb2.Block.FromString(data)
        del block.data.data[:]
        block.data.data.extend(others)  # the same data hash, and so the orderer's signature
        with pytest.raises(BlockError):
            append(follower, block.SerializeToString())
    assert follower.ledger.height() == 1


def test_what_is_more_than_one_envelope_is_not_ordered(bench):
    twice = bench.put("a") + bench.put("b")
    for envelope in (twice, bench.put("c") + b"\x0a\x00"):
        with pytest.raises(Refusal) as refused:
            bench.ledger.node.submit(envelope)
        assert refused.value.code is RefusalCode.MALFORMED


CENTURIES_S = 10**10


def restart(bench):
    old = bench.ledger.node._committer
    parts = (old._store, old._snapshots, old._channel, old._validator, old._notifier, old._private)
    bench.ledger.node._committer = type(old)(*parts)


@pytest.mark.parametrize("offset_s", [CENTURIES_S, -CENTURIES_S // 10])
def test_what_an_invalid_transaction_claims_is_not_when_orderers_must_be_valid(bench, follower, offset_s):
    bench.block(bench.write("a", offset_s=offset_s))
    bench.block(bench.put("a"))
    bench.block(bench.write("a", offset_s=offset_s))
    bench.block(bench.write("a", offset_s=offset_s))
    for data in bench.ledger.blocks(1):
        append(follower, data)
        restart(follower)
    assert list(follower.ledger.blocks()) == list(bench.ledger.blocks())
    report = audit(follower.ledger)
    assert [f for f in report.findings if f.check != "EXECUTION"] == []


def test_a_block_with_fewer_metadata_is_taken(bench, follower):
    bench.block(bench.put("a"))
    [data] = bench.ledger.blocks(1)
    block = common_pb2.Block.FromString(data)
    del block.metadata.metadata[2:]
    append(follower, block.SerializeToString())
    assert list(follower.ledger.blocks()) == list(bench.ledger.blocks())


def test_a_configuration_is_in_force_at_once_and_after_reopening(bench):
    bench.block(bench.put("a"))
    assert bench.block(configured(bench, max_messages=7, absolute_max_bytes=5_000_000)) == [VALID]
    assert bench.ledger.bundle.batch.absolute_max_bytes == 5_000_000
    assert bench.block(bench.put("b")) == [VALID]
    last = [parse_block(data).last_config for data in bench.ledger.blocks()]
    assert last == [0, 0, 2, 2]
    report = audit(bench.ledger)
    assert [f for f in report.findings if f.check != "EXECUTION"] == []
    bench.ledger.close()
    NodeKeys.of(bench.world.peers, bench.world.orderer()).save(find_site(bench.world.url).keys)
    reopened = EmbeddedBackend.open(bench.world.url, clock_ns=bench.world.clock_ns)
    try:
        assert (reopened.bundle.sequence, reopened.bundle.block_number) == (1, 2)
        assert reopened.bundle.batch.max_messages == 7
    finally:
        reopened.close()


def test_a_configuration_that_is_not_valid_is_in_force_nowhere(bench):
    twice = configured(bench, max_messages=7)
    assert bench.block(twice) == [VALID]
    assert bench.block(twice) == [ValidationCode.INVALID_CONFIG_TRANSACTION]
    assert bench.block(bench.put("a"), twice) == [VALID, ValidationCode.INVALID_CONFIG_TRANSACTION]
    assert [parse_block(data).last_config for data in bench.ledger.blocks()] == [0, 1, 1, 1]
    assert bench.ledger.bundle.block_number == 1


def serial(identity):
    return x509.load_pem_x509_certificate(identity.certificate_pem).serial_number


def revoking(bench, identity):
    """A configuration that revokes somebody of Org1MSP."""
    revocations = bench.world.authorities["Org1MSP"].revoke([serial(identity)])
    return configured(bench, lambda group: publish_revocation_list(group, "Org1MSP", revocations))


def test_what_was_verified_before_a_configuration_does_not_count_after_it(bench):
    """A signature is verified at the door; the block is judged by who belongs to the channel then."""
    node = bench.ledger.node
    early, late = bench.put("a"), bench.put("b")
    node.submit(early)
    [waiting] = bench.orderer.waiting
    assert waiting.authentic
    assert bench.block(revoking(bench, bench.world.alice)) == [VALID]
    bench.orderer.cut()
    assert bench.codes()[-1] == [ValidationCode.BAD_CREATOR_SIGNATURE]
    with pytest.raises(Refusal) as caught:
        node.submit(late)
    assert caught.value.code is RefusalCode.ACCESS_DENIED
    report = audit(bench.ledger)
    assert report.checked["VALIDATION_CODE"] == 2
    assert [f for f in report.findings if f.check != "EXECUTION"] == []


def test_own_endorsements_of_a_peer_that_is_revoked_since(bench):
    envelope = bench.put("a")
    assert bench.block(revoking(bench, bench.world.peers[0])) == [VALID]
    assert bench.block(envelope) == [ValidationCode.ENDORSEMENT_POLICY_FAILURE]


def test_a_far_time_in_an_invalid_transaction_does_not_make_the_orderer_expire(bench, follower):
    """Whoever may submit could else end the chain for every follower and audit."""
    far = bench.write("a", offset_s=20 * 365 * 86_400)
    assert bench.block(bench.put("b")) == [VALID]
    assert bench.block(far) == [ValidationCode.BAD_CREATOR_SIGNATURE]
    for data in bench.ledger.blocks(1):
        append(follower, data)
    assert "BLOCK_SIGNATURE" not in {finding.check for finding in audit(bench.ledger).findings}


def test_a_submission_knows_what_it_is(bench):
    envelope = configured(bench, max_messages=7)
    submission = Submission.read(envelope)
    assert (submission.transaction, submission.error, submission.alone) == (None, None, True)
    assert len(submission.tx_id) == 64, "that of the update in it"
