"""The SDK's client, chaincode events, and processes beside the node's."""

import contextlib
import os
import threading

import pytest
from fabric_protos.gateway import gateway_pb2

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import CommitError, EndorseError
from fedpact.gateway.local import LocalTransport
from fedpact.gateway.transport import Status, TransportError
from fedpact.wire.commits import ValidationCode


def gateway(world, ledger, transport=None, **settings):
    return Gateway(transport or ledger.transport(), world.alice, chaincode="kv", **settings)


def test_the_clients_stages(world):
    ledger = world.create()
    client = gateway(world, ledger)
    result = client.submit("delete", b"a")
    assert result.block_number == 1
    assert ledger.height() == 2
    assert client.evaluate("history", b"a").startswith(b'[["' + result.transaction_id.encode())
    commit = client.submit_async("delete", b"b")
    assert commit.status().code is ValidationCode.VALID


def test_a_refusal_is_raised_at_the_client(world):
    client = gateway(world, world.create())
    with pytest.raises(EndorseError) as caught:
        client.submit("read", b"nothing")
    assert caught.value.transaction_id
    assert "404" in caught.value.details[0].message


def test_conflicts_are_tried_again_until_they_pass(world):
    """Eight threads add to one counter; every addition counts once."""
    ledger = world.create()
    client = gateway(world, ledger, retries=Retries(conflicts=200, first_s=0.001, cap_s=0.02))
    added = []

    def add():
        for _ in range(5):
            added.append(client.submit("grow", b"counter").transaction_id)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [row] = ledger.state("kv")
    assert row.value == b"x" * 40
    assert len(set(added)) == 40


def test_without_retries_a_conflict_is_an_error(world):
    ledger, orderer = world.by_hand()
    client = gateway(world, ledger, retries=Retries(conflicts=0))
    first, second = (client.new_proposal("grow", b"counter").endorse().submit() for _ in range(2))
    orderer.cut()
    first.result()
    with pytest.raises(CommitError) as caught:
        second.result()
    assert caught.value.code is ValidationCode.MVCC_READ_CONFLICT


def test_a_process_beside_the_node_uses_the_local_address(world):
    ledger = world.create()
    address = ledger.local_address()
    assert ledger.local_address() == address
    child = os.fork()
    if child == 0:
        try:
            with contextlib.closing(LocalTransport(address)) as transport:
                gateway(world, ledger, transport).submit("grow", b"from the child")
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [row.key for row in ledger.state("kv")] == ["from the child"]
    socket = address.removeprefix("unix://")
    assert os.path.exists(socket)
    ledger.close()
    assert not os.path.exists(os.path.dirname(socket))


def subscribe(world, client, **fields):
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id=client.channel, chaincode_id="kv", identity=world.alice.creator, **fields
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=request, signature=world.alice.sign(request))
    stream = client.transport.chaincode_events(signed.SerializeToString())
    return map(gateway_pb2.ChaincodeEventsResponse.FromString, stream)


def told(response):
    return response.block_number, [(event.event_name, event.payload) for event in response.events]


OLDEST = {"start_position": {"specified": {"number": 0}}}


def test_events_of_committed_blocks_are_told_from_any_block_on(world):
    ledger = world.create()
    client = world.client(ledger)
    client.run("create", "a", "1")
    client.run("put", "b", "2")  # publishes nothing
    client.run("create", "c", "3")
    stream = subscribe(world, client, **OLDEST)
    assert told(next(stream)) == (1, [("created", b"a")])
    assert told(next(stream)) == (3, [("created", b"c")])
    later = subscribe(world, client, start_position={"specified": {"number": 2}})
    assert told(next(later)) == (3, [("created", b"c")])
    with pytest.raises(TransportError) as caught:
        subscribe(world, client, start_position={"newest": {}})
    assert caught.value.status is Status.INVALID_ARGUMENT


def test_events_of_invalid_transactions_are_not_told(world):
    ledger, orderer = world.by_hand()
    client = world.client(ledger)
    for value in "12":
        client.submit("append", "a", value)
    orderer.cut()
    assert told(next(subscribe(world, client, **OLDEST))) == (1, [("appended", b"1")])


def test_a_listener_goes_on_after_the_transaction_it_saw_last(world):
    ledger, orderer = world.by_hand()
    client = world.client(ledger)
    tx_ids = [client.submit("create", key, "v") for key in "abc"]
    orderer.cut()
    fields = {"start_position": {"specified": {"number": 1}}, "after_transaction_id": tx_ids[1]}
    assert told(next(subscribe(world, client, **fields))) == (1, [("created", b"c")])


def test_a_listener_waits_for_the_next_block_and_ends_with_the_node(world):
    ledger = world.create()
    client = world.client(ledger)
    client.run("create", "before", "v")
    heard, ended, first = [], threading.Event(), threading.Event()
    stream = subscribe(world, client)

    def listen():
        try:
            for response in stream:
                heard.append(told(response))
                first.set()
        except TransportError as error:
            heard.append(error.status)
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    while ledger.height() < 4:
        client.run("create", f"k{ledger.height()}", "v")
    assert first.wait(10)
    ledger.close()
    assert ended.wait(10)
    thread.join()
    assert heard[-1] is Status.UNAVAILABLE
    assert all(number >= 2 for number, _ in heard[:-1])


def test_strangers_hear_nothing(world):
    client = world.client(world.create())
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id=client.channel, chaincode_id="kv", identity=world.alice.creator
    ).SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=request, signature=b"\x30\x00")
    with pytest.raises(TransportError) as caught:
        client.transport.chaincode_events(signed.SerializeToString())
    assert caught.value.status is Status.PERMISSION_DENIED
