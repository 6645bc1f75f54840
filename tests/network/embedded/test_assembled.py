"""What the node remembers of transactions that it has put together, and verdicts without a status request."""

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2

from fedpact.gateway.transport import Status, TransportError
from fedpact.validation import parse
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import MAX_MESSAGE_BYTES, WireCode
from fedpact_network.embedded.assembled import Assembled

CALLS = [
    ("put", "b", "1"),
    ("create", "key", "1"),
    ("append", "é", "x"),
    ("delete", "b"),
    ("count", "a", "z", "target"),
    ("first", "", "", "target"),
    ("range", "a", "z"),
    ("history", "b"),
]


def one_call(client, envelope):
    request = gateway_pb2.SubmitRequest(
        channel_id=client.channel, prepared_transaction=common_pb2.Envelope.FromString(envelope)
    )
    reply = client.transport.submit_and_wait(request.SerializeToString(), timeout_s=20)
    status = gateway_pb2.CommitStatusResponse.FromString(reply)
    return ValidationCode(status.result), status.block_number


@pytest.fixture
def ledger(world):
    return world.create()


@pytest.fixture
def assembled(ledger):
    return ledger.node._assembled


@pytest.mark.parametrize("call", CALLS, ids=[call[0] for call in CALLS])
def test_what_is_remembered_is_what_parsing_gives(world, ledger, assembled, call):
    client = world.client(ledger)
    client.run("put", "b", "2")
    client.run("put", "c", "2")
    envelope = client.endorse(*call).signed()
    remembered = assembled.take(envelope)
    assert isinstance(remembered, ParsedTransaction)
    assert remembered == parse(envelope)
    assert assembled.take(envelope) is None


def test_what_parsing_refuses_is_not_remembered(world, ledger, assembled):
    """A channel may allow larger envelopes than anybody parses: every node must come to one verdict."""
    payload = bytes(MAX_MESSAGE_BYTES)
    assembled.remember(payload, lambda signature: pytest.fail("it is too large"))
    envelope = common_pb2.Envelope(payload=payload, signature=b"s").SerializeToString()
    assert assembled.take(envelope) is None
    assert parse(envelope).code is WireCode.TOO_LARGE
    signed = world.client(ledger).endorse("put", "a", "1").signed()
    assert assembled.take(signed + common_pb2.Envelope(payload=b"x").SerializeToString()) is None


def test_several_endorsements_are_remembered_in_order(world, ledger, assembled):
    envelope = world.client(ledger).endorse("put", "a", "1", orgs=["Org3MSP", "Org1MSP"]).signed()
    remembered = assembled.take(envelope)
    assert len(remembered.endorsements) == 2
    assert remembered == parse(envelope)


def test_another_payload_is_not_taken_for_it(world, ledger, assembled):
    prepared = world.client(ledger).endorse("put", "a", "1")
    changed = common_pb2.Envelope(payload=prepared.envelope.payload[:-1] + b"\x00", signature=b"s")
    assert assembled.take(changed.SerializeToString()) is None
    assert assembled.take(b"\xff\xff") is None
    assert assembled.take(prepared.signed()) is not None


def test_its_signature_is_verified_as_any_other(world, ledger):
    client = world.client(ledger)
    prepared = client.endorse("put", "a", "1")
    forged = common_pb2.Envelope(
        payload=prepared.envelope.payload,
        signature=world.people["Org2MSP"].sign(prepared.envelope.payload),
    ).SerializeToString()
    for send in (client.submit_envelope, lambda envelope: one_call(client, envelope)):
        with pytest.raises(TransportError) as caught:
            send(forged)
        assert caught.value.status is Status.ABORTED
    assert ledger.height() == 1
    assert one_call(client, prepared.signed()) == (ValidationCode.VALID, 1)


def test_the_memory_is_bounded():
    memory = Assembled(limit_bytes=10 * 4_200)
    payloads = [bytes([number]) * 100 for number in range(20)]
    for payload in payloads:
        memory.remember(payload, lambda signature: signature)
    known = [
        memory.take(common_pb2.Envelope(payload=p, signature=b"s").SerializeToString()) for p in payloads
    ]
    assert known == [None] * 10 + [b"s"] * 10


def test_one_call_submits_and_waits(world, ledger):
    client = world.client(ledger)
    envelope = client.endorse("put", "a", "1").signed()
    assert one_call(client, envelope) == (ValidationCode.VALID, 1)
    assert one_call(client, envelope) == (ValidationCode.VALID, 1)  # it is committed once
    assert ledger.height() == 2


def test_one_call_tells_of_invalid_transactions(world, ledger):
    client = world.client(ledger)
    client.run("put", "a", "1")
    prepared = client.endorse("grow", "a")
    client.run("put", "a", "2")
    assert one_call(client, prepared.signed()) == (ValidationCode.MVCC_READ_CONFLICT, 3)


def test_a_verdict_is_told_within_the_process(world, ledger):
    client = world.client(ledger)
    tx_id = client.submit("put", "a", "1")
    asked = gateway_pb2.CommitStatusRequest(transaction_id=tx_id, channel_id=client.channel)
    reply = client.transport.verdict(asked.SerializeToString(), timeout_s=20)
    assert gateway_pb2.CommitStatusResponse.FromString(reply).block_number == 1
    with pytest.raises(TransportError) as caught:
        client.transport.verdict(
            gateway_pb2.CommitStatusRequest(channel_id="other").SerializeToString(), timeout_s=1
        )
    assert caught.value.status is Status.PERMISSION_DENIED
