"""Following a ledger: where events begin, how a broken stream goes on, how it is ended; both faces."""

import asyncio
import hashlib
import threading
from types import SimpleNamespace

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2

from fedpact.gateway.async_client import AsyncGateway
from fedpact.gateway.checkpoints import InMemoryCheckpointer
from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import EventsError
from fedpact.gateway.event_kinds import (
    BLOCKS,
    BLOCKS_AND_PRIVATE_DATA,
    CHAINCODE_EVENTS,
    FILTERED_BLOCKS,
    ChaincodeEvent,
)
from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact.wire.errors import WireCode, WireError

KINDS = [CHAINCODE_EVENTS, BLOCKS, FILTERED_BLOCKS, BLOCKS_AND_PRIVATE_DATA]
QUICK = Retries(reconnects=3, resends=2, first_s=0.001, cap_s=0.002)
GONE = TransportError(Status.UNAVAILABLE, "gone")


class Blocking:
    def __init__(self, ledger, identity):
        self.gateway = Gateway(ledger, identity, retries=QUICK)

    def first(self, count, open_events, between=lambda: None):
        """Open events, do something, return the first ones."""
        with open_events(self.gateway) as events:
            between()
            return [next(events) for _ in range(count)]


class Asynchronous:
    def __init__(self, transport, identity):
        self.transport, self.identity = transport, identity

    def first(self, count, open_events, between=lambda: None):
        async def run():
            async with open_events(AsyncGateway(self.transport, self.identity, retries=QUICK)) as events:
                between()
                return [await anext(events) for _ in range(count)]

        return asyncio.run(run())


@pytest.fixture(params=["blocking", "asyncio"])
def client(request, event_ledger, identity, asynchronous):
    if request.param == "blocking":
        return Blocking(event_ledger, identity)
    return Asynchronous(asynchronous(event_ledger), identity)


@pytest.fixture
def gateway(event_ledger, identity):
    return Gateway(event_ledger, identity, retries=QUICK)


def events_of(start_block=None, **more):
    return lambda gateway: gateway.chaincode_events(start_block, **more)


def names(events):
    return [event.name for event in events]


def test_events_begin_with_the_next_block_after_the_call(client, event_ledger):
    event_ledger.commit(("t0", "before", b""))
    [event] = client.first(1, events_of(), lambda: event_ledger.commit(("t1", "after", b"x")))
    assert event == ChaincodeEvent(2, "t1", "fedpact", "after", b"x")


def test_events_begin_where_they_are_asked_to(client, event_ledger):
    for number in range(1, 4):
        event_ledger.commit((f"a{number}", f"a{number}", b""), (f"b{number}", f"b{number}", b""))
    assert names(client.first(3, events_of(2))) == ["a2", "b2", "a3"]
    assert names(client.first(2, events_of(2, after="a2"))) == ["b2", "a3"]
    assert event_ledger.places() == [("events", "specified", 2, ""), ("events", "specified", 2, "a2")]


def test_a_checkpoint_stands_above_the_start_unless_it_is_fresh(client, event_ledger):
    for number in range(1, 4):
        event_ledger.commit((f"a{number}", f"a{number}", b""), (f"b{number}", f"b{number}", b""))
    checkpointer = InMemoryCheckpointer()
    open_events = events_of(1, checkpointer=checkpointer)
    [event] = client.first(1, open_events)
    assert event.name == "a1"
    checkpointer.checkpoint_chaincode_event(event)
    assert names(client.first(2, open_events)) == ["b1", "a2"]
    checkpointer.checkpoint_block(2)
    assert names(client.first(1, open_events)) == ["a3"]


def test_a_broken_stream_goes_on_after_the_last_event(client, event_ledger):
    event_ledger.breaks.extend([(1, GONE), (0, GONE), (1, GONE)])
    for number in range(1, 4):
        event_ledger.commit((f"a{number}", f"a{number}", b""), (f"b{number}", f"b{number}", b""))
    assert names(client.first(6, events_of(1))) == ["a1", "b1", "a2", "b2", "a3", "b3"]
    assert event_ledger.places() == [
        ("events", "specified", 1, ""),
        ("events", "specified", 1, "b1"),
        ("events", "specified", 1, "b1"),
        ("events", "specified", 2, "b2"),
    ]


@pytest.mark.parametrize("kind", ["block_events", "filtered_block_events", "block_and_private_data_events"])
def test_broken_streams_of_blocks_go_on_with_the_next_block(client, event_ledger, kind):
    event_ledger.breaks.extend([(2, GONE), (1, GONE)])
    for number in range(1, 5):
        event_ledger.commit((f"t{number}", "made", b"envelope"))
    blocks = client.first(4, lambda gateway: getattr(gateway, kind)(1))
    assert [block.number for block in blocks] == [1, 2, 3, 4]
    assert [place[2] for place in event_ledger.places()] == [1, 3, 4]


def test_what_is_committed_while_a_fresh_stream_is_broken_is_not_lost(client, event_ledger):
    event_ledger.breaks.extend([(None, None), (0, GONE)])
    [event] = client.first(1, events_of(), lambda: event_ledger.commit(("t1", "meanwhile", b"")))
    assert event.name == "meanwhile"
    assert event_ledger.places()[-1] == ("events", "specified", 1, "")


def test_who_may_not_see_blocks_begins_with_what_comes_next(client, event_ledger):
    event_ledger.refused[DeliverKind.FILTERED] = common_pb2.FORBIDDEN

    def later():
        threading.Timer(0.2, event_ledger.commit, [("t1", "made", b"")]).start()

    [event] = client.first(1, events_of(), later)
    assert event.name == "made"
    assert event_ledger.places() == [("events", "next_commit", 1, "")]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (common_pb2.FORBIDDEN, Status.PERMISSION_DENIED),
        (common_pb2.NOT_FOUND, Status.NOT_FOUND),
        (common_pb2.BAD_REQUEST, Status.INVALID_ARGUMENT),
        (TransportError(Status.UNIMPLEMENTED, "no streams"), Status.UNIMPLEMENTED),
    ],
)
def test_a_refusal_is_raised_at_once(client, event_ledger, answer, status):
    event_ledger.refused[DeliverKind.BLOCKS] = answer
    with pytest.raises(EventsError) as caught:
        client.first(1, lambda gateway: gateway.block_events(0))
    assert (caught.value.status, caught.value.retryable, caught.value.transaction_id) == (status, False, "")
    assert len(event_ledger.places()) == 1


def test_attempts_to_go_on_end(client, event_ledger):
    event_ledger.breaks.extend([(0, GONE)] * 9)
    with pytest.raises(EventsError) as caught:
        client.first(1, events_of(0))
    assert caught.value.retryable
    assert len(event_ledger.places()) == 1 + 3


def test_each_reply_gives_new_attempts(client, event_ledger):
    for number in range(1, 5):
        event_ledger.commit((f"t{number}", f"e{number}", b""))
    event_ledger.breaks.extend([(0, GONE), (0, GONE), (1, GONE)] * 4)
    assert names(client.first(4, events_of(1))) == ["e1", "e2", "e3", "e4"]


def test_a_node_that_lags_behind_is_waited_for(client, event_ledger):
    event_ledger.commit(("t1", "e1", b""))
    event_ledger.commit(("t2", "e2", b""))
    event_ledger.breaks.extend([(1, GONE), (0, TransportError(Status.NOT_FOUND, "not so many blocks"))])
    assert names(client.first(2, events_of(1))) == ["e1", "e2"]


def test_an_unreachable_gateway_is_told_when_the_place_to_begin_cannot_be_learned(client, event_ledger):
    event_ledger.down = True
    with pytest.raises(EventsError) as caught:
        client.first(0, events_of())
    assert caught.value.status is Status.UNAVAILABLE


def test_blocks_come_parsed_and_as_bytes(client, event_ledger):
    event_ledger.commit(("t1", "made", b"envelope"))
    [block] = client.first(1, lambda gateway: gateway.block_events(1))
    assert block.number == block.parsed.number == 1
    assert block.parsed.envelopes == (b"envelope",)
    assert common_pb2.Block.FromString(block.data).header.number == 1
    [filtered] = client.first(1, lambda gateway: gateway.filtered_block_events(1))
    [transaction] = filtered.transactions
    assert (filtered.channel_id, transaction.transaction_id, transaction.code.name) == (
        "consortium",
        "t1",
        "VALID",
    )
    assert transaction.events == (ChaincodeEvent(1, "t1", "fedpact", "made", b""),)
    [both] = client.first(1, lambda gateway: gateway.block_and_private_data_events(1))
    assert (both.number, list(both.private_data)) == (1, [0])


@pytest.mark.parametrize(("start", "after"), [(-1, ""), (2**64, ""), (None, "t1")])
def test_places_that_cannot_be_are_refused(gateway, event_ledger, start, after):
    with pytest.raises(ValueError):
        gateway.chaincode_events(start, after=after)
    assert event_ledger.asked == []


def test_closing_from_another_thread_ends_the_iteration(gateway):
    events = gateway.chaincode_events()
    threading.Timer(0.1, events.close).start()
    assert list(events) == []
    assert list(events) == []
    events.close()


def test_closing_ends_a_pause_between_attempts(event_ledger, identity):
    patient = Retries(first_s=3600.0, cap_s=3600.0, rng=SimpleNamespace(uniform=lambda low, high: high))
    events = Gateway(event_ledger, identity, retries=patient).chaincode_events()
    event_ledger.breaks.append((0, GONE))
    event_ledger.down = True
    threading.Timer(0.1, events.close).start()
    assert list(events) == []


def test_closing_from_another_task_ends_the_iteration(event_ledger, identity, asynchronous):
    async def run():
        gateway = AsyncGateway(asynchronous(event_ledger), identity, retries=QUICK)
        async with gateway.chaincode_events() as events:
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(events.close()))
            return [event async for event in events]

    assert asyncio.run(run()) == []


def test_each_stream_is_closed(client, event_ledger):
    event_ledger.breaks.append((1, GONE))
    event_ledger.commit(("t1", "e1", b""))
    event_ledger.commit(("t2", "e2", b""))
    client.first(2, events_of(1))
    assert [stream._closed for stream in event_ledger.open] == [True] * len(event_ledger.open)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_request_signed_elsewhere_is_sent_as_it_is(event_ledger, identity, kind):
    event_ledger.commit(("t1", "made", b"envelope"))
    absent = SimpleNamespace(creator=identity.creator)  # it cannot sign
    gateway = Gateway(event_ledger, absent, retries=QUICK)
    request = gateway.new_events_request(kind, 1)
    assert request.digest == hashlib.sha256(request.message).digest()
    signed = gateway.signed_events_request(kind, request.to_bytes(), identity.sign(request.message))
    event_ledger.breaks.append((1, GONE))
    with signed.events() as events:
        found = next(events)
        assert (found.block_number if kind is CHAINCODE_EVENTS else found.number) == 1
        with pytest.raises(EventsError):  # the signature fits no other place
            next(events)
    assert len(event_ledger.asked) == 1


def test_a_request_for_asyncio_may_be_signed_elsewhere(event_ledger, identity, asynchronous):
    event_ledger.commit(("t1", "made", b""))

    async def run():
        gateway = AsyncGateway(asynchronous(event_ledger), SimpleNamespace(creator=identity.creator))
        request = gateway.new_events_request(CHAINCODE_EVENTS, 1)
        signed = gateway.signed_events_request(
            CHAINCODE_EVENTS, request.to_bytes(), identity.sign(request.message)
        )
        async with signed.events() as events:
            return await anext(events)

    assert asyncio.run(run()).name == "made"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_no_request_is_refused(gateway, kind):
    with pytest.raises(WireError) as caught:
        gateway.signed_events_request(kind, b"\xff", b"")
    assert caught.value.code is WireCode.BAD_EVENT


def test_requests_are_fabrics(event_ledger, identity):
    gateway = Gateway(event_ledger, identity, clock=lambda: 7_000_000_009, tls_certificate_hash=b"h" * 32)
    asked = gateway_pb2.ChaincodeEventsRequest.FromString(
        gateway.new_events_request(CHAINCODE_EVENTS, 5, after="t").message
    )
    assert (asked.channel_id, asked.chaincode_id, asked.identity) == (
        "consortium",
        "fedpact",
        identity.creator,
    )
    assert (asked.start_position.specified.number, asked.after_transaction_id) == (5, "t")
    payload = common_pb2.Payload.FromString(gateway.new_events_request(BLOCKS).message)
    channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    assert (channel.type, channel.channel_id) == (common_pb2.DELIVER_SEEK_INFO, "consortium")
    assert (channel.timestamp.seconds, channel.timestamp.nanos) == (7, 9)
    assert channel.tls_cert_hash == b"h" * 32
    signer = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
    assert (signer.creator, signer.nonce) == (identity.creator, b"")
    seek = ab_pb2.SeekInfo.FromString(payload.data)
    assert seek.start.WhichOneof("Type") == "next_commit"
    assert seek.stop.specified.number == 2**64 - 1
    assert seek.behavior == ab_pb2.SeekInfo.BLOCK_UNTIL_READY


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_malformed_replies_are_errors(kind):
    with pytest.raises(TransportError) as caught:
        kind.read(b"\xff")
    assert caught.value.status is Status.INTERNAL


def test_another_kind_of_delivery_is_an_error():
    with pytest.raises(TransportError):
        BLOCKS.read(b"")
