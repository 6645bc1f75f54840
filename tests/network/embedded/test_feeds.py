"""Blocks and events as streams in the node's own process."""

from __future__ import annotations

import threading

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2

from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact_network.embedded.handler import GatewayHandler

NEVER = 2**64 - 1


def asked(who, start, stop):
    seek = ab_pb2.SeekInfo(
        start=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=start)),
        stop=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=stop)),
    )
    header = common_pb2.ChannelHeader(type=common_pb2.DELIVER_SEEK_INFO, channel_id="consortium")
    header.timestamp.GetCurrentTime()
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(creator=who.creator).SerializeToString(),
        ),
        data=seek.SerializeToString(),
    ).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=who.sign(payload)).SerializeToString()


def number_of(reply):
    return events_pb2.DeliverResponse.FromString(reply).block.header.number


def test_a_stream_of_blocks_ends_after_its_status(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    stream = ledger.transport().deliver(DeliverKind.BLOCKS, asked(world.alice, 0, 1))
    first, second, status = stream
    assert [number_of(first), number_of(second)] == [0, 1]
    assert events_pb2.DeliverResponse.FromString(status).status == common_pb2.SUCCESS
    assert list(stream) == []


def test_who_waits_is_woken_by_close(world):
    ledger = world.create()
    stream = ledger.transport().deliver(DeliverKind.BLOCKS, asked(world.alice, 0, NEVER))
    assert number_of(next(stream)) == 0
    rest = []
    waiting = threading.Thread(target=lambda: rest.extend(stream))
    waiting.start()
    stream.close()
    waiting.join(10)
    assert not waiting.is_alive()
    assert rest == []
    assert stream not in ledger.node.notifier._listeners


def test_who_waits_is_told_that_the_node_stops(world):
    ledger = world.create()
    stream = ledger.transport().deliver(DeliverKind.BLOCKS, asked(world.alice, 1, NEVER))
    ended = []

    def read():
        with pytest.raises(TransportError) as caught:
            next(stream)
        ended.append(caught.value.status)

    waiting = threading.Thread(target=read)
    waiting.start()
    ledger.close()
    waiting.join(10)
    assert ended == [Status.UNAVAILABLE]


def test_an_identity_that_expires_reads_no_further(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    stream = ledger.transport().deliver(DeliverKind.BLOCKS, asked(world.alice, 0, NEVER))
    assert number_of(next(stream)) == 0
    world.offset_ns = 20 * 365 * 86_400 * 10**9
    [status] = stream
    assert events_pb2.DeliverResponse.FromString(status).status == common_pb2.FORBIDDEN


def test_an_identity_that_expires_hears_no_further_events(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id="consortium",
        chaincode_id="kv",
        identity=world.alice.creator,
        start_position=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=0)),
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=request, signature=world.alice.sign(request))
    stream = ledger.transport().chaincode_events(signed.SerializeToString())
    world.offset_ns = 20 * 365 * 86_400 * 10**9
    threading.Timer(3.0, stream.close).start()
    with pytest.raises(TransportError) as caught:
        next(stream)
    assert caught.value.status is Status.PERMISSION_DENIED


def test_private_data_is_what_the_readers_organisation_may_see(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    content = rwset_pb2.TxPvtReadWriteSet(ns_pvt_rwset=[{"namespace": "kv"}]).SerializeToString()

    def private_data(block, member):
        return {0: content} if (block, member.mspid) == (1, "Org1MSP") else {}

    handler = GatewayHandler(ledger.node, private_data)
    for mspid, positions in (("Org1MSP", [0]), ("Org2MSP", [])):
        request = asked(world.people[mspid], 1, 1)
        reply = next(handler.deliver(DeliverKind.WITH_PRIVATE_DATA, request))
        both = events_pb2.DeliverResponse.FromString(reply).block_and_private_data
        assert both.block.header.number == 1
        assert list(both.private_data_map) == positions
