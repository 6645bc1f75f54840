"""Streams of blocks and events over gRPC: `protos.Deliver`, `orderer.AtomicBroadcast`, chaincode events."""

from __future__ import annotations

import threading
from queue import Queue

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2

from fedpact.wire.blocks import COMMIT_HASH, TRANSACTIONS_FILTER

Code = grpc.StatusCode
NEVER = 2**64 - 1
FAIL = ab_pb2.SeekInfo.FAIL_IF_NOT_READY


def at(place):
    """A position: a number or a name."""
    if isinstance(place, int):
        return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=place))
    return ab_pb2.SeekPosition(**{place: {}})


def seek(start, stop, **more):
    return ab_pb2.SeekInfo(start=at(start), stop=at(stop), **more)


def deliver(caller, request, method="/protos.Deliver/Deliver", timeout_s=20):
    """Yield the replies to one request."""
    return caller.channel.stream_stream(method)(iter([request]), timeout=timeout_s)


def told(caller, request, method="/protos.Deliver/Deliver"):
    """The numbers of the blocks that were delivered, then the status."""
    answers = []
    for data in deliver(caller, request, method):
        reply = events_pb2.DeliverResponse.FromString(data)
        kind = reply.WhichOneof("Type")
        if kind == "status":
            answers.append(common_pb2.Status.Name(reply.status))
        elif kind == "block":
            answers.append(reply.block.header.number)
        elif kind == "filtered_block":
            answers.append(reply.filtered_block.number)
        else:
            answers.append(reply.block_and_private_data.block.header.number)
    return answers


@pytest.fixture
def caller(site):
    """A client of a chain of four blocks."""
    caller = site.caller(site.serve())
    for key in "abc":
        caller.run("create", key, "secret")
    return caller


@pytest.mark.parametrize(
    ("start", "stop", "answers"),
    [
        ("oldest", "newest", [0, 1, 2, 3, "SUCCESS"]),
        ("oldest", "oldest", [0, "SUCCESS"]),
        ("newest", "newest", [3, "SUCCESS"]),
        (1, 2, [1, 2, "SUCCESS"]),
        (2, "newest", [2, 3, "SUCCESS"]),
        (2, 1, ["BAD_REQUEST"]),
        (5, 9, ["NOT_FOUND"]),
    ],
)
@pytest.mark.parametrize("method", ["Deliver", "DeliverFiltered", "DeliverWithPrivateData"])
def test_positions(caller, start, stop, answers, method):
    assert told(caller, caller.seek(seek(start, stop)), f"/protos.Deliver/{method}") == answers


def test_what_is_not_ready_may_fail_at_once(caller):
    assert told(caller, caller.seek(seek(2, 9, behavior=FAIL))) == [2, 3, "NOT_FOUND"]


def test_blocks_are_those_of_the_ledger(site, caller):
    stored = list(site.ledger.blocks())
    replies = list(deliver(caller, caller.seek(seek("oldest", "newest"))))[:-1]
    blocks = [events_pb2.DeliverResponse.FromString(data).block.SerializeToString() for data in replies]
    assert blocks == stored


def test_headers_only(caller):
    headers = ab_pb2.SeekInfo.HEADER_WITH_SIG
    genesis, first, _ = deliver(caller, caller.seek(seek(0, 1, content_type=headers)))
    assert events_pb2.DeliverResponse.FromString(genesis).block.data.data
    block = events_pb2.DeliverResponse.FromString(first).block
    assert not block.HasField("data")
    assert block.metadata.metadata[0]


def test_filtered_blocks_hold_no_payload(caller):
    replies = list(deliver(caller, caller.seek(seek(1, 1)), "/protos.Deliver/DeliverFiltered"))
    block = events_pb2.DeliverResponse.FromString(replies[0]).filtered_block
    assert block.channel_id == "consortium"
    [transaction] = block.filtered_transactions
    assert len(transaction.txid) == 64
    assert transaction.type == common_pb2.ENDORSER_TRANSACTION
    [action] = transaction.transaction_actions.chaincode_actions
    event = action.chaincode_event
    assert (event.chaincode_id, event.event_name, event.payload) == ("kv", "created", b"")
    assert b"secret" not in replies[0]


def test_a_filtered_genesis_block(caller):
    reply = next(deliver(caller, caller.seek(seek(0, 0)), "/protos.Deliver/DeliverFiltered"))
    [transaction] = events_pb2.DeliverResponse.FromString(reply).filtered_block.filtered_transactions
    assert transaction.type == common_pb2.CONFIG


def test_several_requests_on_one_stream(caller):
    requests = iter([caller.seek(seek(0, 0)), caller.seek(seek(2, 2)), caller.seek(seek(9, 9)), b"unread"])
    stream = caller.channel.stream_stream("/protos.Deliver/Deliver")(requests, timeout=20)
    replies = [events_pb2.DeliverResponse.FromString(data) for data in stream]
    assert [reply.WhichOneof("Type") for reply in replies] == ["block", "status", "block", "status", "status"]


def test_a_reader_waits_for_blocks_to_come(caller):
    stream = deliver(caller, caller.seek(seek("newest", NEVER)))
    assert events_pb2.DeliverResponse.FromString(next(stream)).block.header.number == 3
    caller.run("create", "d", "1")
    assert events_pb2.DeliverResponse.FromString(next(stream)).block.header.number == 4
    stream.cancel()


@pytest.mark.parametrize("method", ["/protos.Deliver/Deliver", "/orderer.AtomicBroadcast/Deliver"])
def test_who_may_not_read(make_site, site, caller, method):
    assert told(caller, b"\xff\xff", method) == ["BAD_REQUEST"]
    assert told(caller, b"", method) == ["BAD_REQUEST"]
    assert told(caller, caller.seek(seek(0, 0), channel="other"), method) == ["NOT_FOUND"]
    assert told(caller, caller.seek(b"\xff\xff"), method) == ["BAD_REQUEST"]
    assert told(caller, caller.seek(ab_pb2.SeekInfo(start=at(0))), method) == ["BAD_REQUEST"]
    forged = common_pb2.Envelope.FromString(caller.seek(seek(0, 0)))
    forged.signature = site.bob.sign(forged.payload)
    assert told(caller, forged.SerializeToString(), method) == ["FORBIDDEN"]
    stranger = site.caller(site.serve(), make_site().alice)
    assert told(stranger, stranger.seek(seek(0, 0)), method) == ["FORBIDDEN"]


def test_an_orderer_delivers_blocks_without_verdicts(caller):
    replies = list(deliver(caller, caller.seek(seek(1, 2)), "/orderer.AtomicBroadcast/Deliver"))
    blocks = [ab_pb2.DeliverResponse.FromString(data).block for data in replies[:2]]
    assert [block.header.number for block in blocks] == [1, 2]
    assert not any(
        block.metadata.metadata[slot] for block in blocks for slot in (TRANSACTIONS_FILTER, COMMIT_HASH)
    )
    assert ab_pb2.DeliverResponse.FromString(replies[2]).status == common_pb2.SUCCESS


def broadcast(caller, *envelopes):
    stream = caller.channel.stream_stream("/orderer.AtomicBroadcast/Broadcast")(iter(envelopes), timeout=20)
    return [ab_pb2.BroadcastResponse.FromString(data) for data in stream]


def test_transactions_are_taken_by_the_orderer(site, caller):
    ids, envelopes = zip(*[caller.endorse("create", key, "1") for key in "xyz"], strict=True)
    assert [reply.status for reply in broadcast(caller, *[e.SerializeToString() for e in envelopes])] == [
        200
    ] * 3
    for tx_id in ids:
        assert caller.status(tx_id).result == 0
    envelopes[0].signature = site.bob.sign(envelopes[0].payload)
    [reply] = broadcast(caller, envelopes[0].SerializeToString(), b"unread")
    assert (reply.status, bool(reply.info)) == (common_pb2.FORBIDDEN, True)
    assert [reply.status for reply in broadcast(caller, b"\xff")] == [common_pb2.BAD_REQUEST]


def events(caller, **fields):
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id="consortium", chaincode_id="kv", identity=caller.identity.creator, **fields
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(
        request=request, signature=caller.identity.sign(request)
    )
    stream = caller.channel.unary_stream("/gateway.Gateway/ChaincodeEvents")
    return stream(signed.SerializeToString(), timeout=20)


def heard(data):
    reply = gateway_pb2.ChaincodeEventsResponse.FromString(data)
    return reply.block_number, [(event.event_name, event.payload) for event in reply.events]


def test_events_from_a_block_on(caller):
    stream = events(caller, start_position=at(2))
    assert heard(next(stream)) == (2, [("created", b"b")])
    assert heard(next(stream)) == (3, [("created", b"c")])
    caller.run("create", "d", "1")
    assert heard(next(stream)) == (4, [("created", b"d")])
    stream.cancel()


def test_events_go_on_after_a_transaction(caller):
    tx_id = caller.run("create", "d", "1")
    caller.run("create", "e", "1")
    stream = events(caller, start_position=at(0), after_transaction_id=tx_id)
    assert heard(next(stream)) == (5, [("created", b"e")])
    stream.cancel()


def test_events_start_at_a_block_or_the_next_one_only(caller, refusal):
    error = refusal(next, events(caller, start_position=at("newest")))
    assert error.code() is Code.INVALID_ARGUMENT
    assert error.details() == "invalid start position type: *orderer.SeekPosition_Newest"


def test_events_without_a_position_are_those_to_come(site, caller):
    stream = events(caller)
    answers: Queue = Queue()
    thread = threading.Thread(target=lambda: answers.put(heard(next(stream))))
    thread.start()
    for number in range(200):  # the request may still be on its way
        caller.run("create", f"new{number}", "1")
        if not answers.empty():
            break
    number, _ = answers.get(timeout=10)
    assert number >= 4
    thread.join()
    stream.cancel()


def test_a_slow_reader_holds_nobody_up(make_site):
    """A reader that takes nothing, of blocks larger than what a connection buffers."""
    site = make_site()
    server = site.serve()
    caller = site.caller(server)
    slow = deliver(caller, caller.seek(seek("oldest", NEVER)), timeout_s=60)
    for number in range(12):
        caller.run("create", f"k{number}", "x" * 1_000_000)
    assert site.ledger.height() == 13
    numbers = [events_pb2.DeliverResponse.FromString(next(slow)).block.header.number for _ in range(13)]
    assert numbers == list(range(13))
    slow.cancel()


def test_streams_end_when_the_server_stops(site, caller, refusal):
    server = site.serve()
    caller = site.caller(server)
    blocks = deliver(caller, caller.seek(seek("newest", NEVER)))
    next(blocks)
    following = events(caller, start_position=at(3))
    next(following)
    server.stop(grace_s=10)
    for stream in (blocks, following):
        assert refusal(next, stream).code() is Code.UNAVAILABLE
