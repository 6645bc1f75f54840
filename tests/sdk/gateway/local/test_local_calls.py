"""Calls over the local transport: answers, failures, deadlines, bounds, reconnection."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact.gateway import local_frames
from fedpact.gateway.client import Gateway
from fedpact.gateway.local import LocalTransport
from fedpact.gateway.local_server import LocalServer
from fedpact.gateway.transport import Status, TransportError


def test_a_call_and_its_deadline_arrive(transport, node):
    assert transport.evaluate(b"abc\x00\xff", timeout_s=2.5) == b"\xff\x00cba"
    assert node.timeouts == [2.5]


def test_empty_and_large_messages(local, transport):
    assert transport.evaluate(b"", timeout_s=1) == b""
    large = os.urandom(5 * 2**20)
    assert transport.evaluate(large, timeout_s=local.wait_s) == large[::-1]


def test_failures_arrive_whole(transport, node):
    with pytest.raises(TransportError) as caught:
        transport.endorse(b"", timeout_s=1)
    error = caught.value
    assert (error.status, error.message, error.details) == (
        node.failure.status,
        node.failure.message,
        node.failure.details,
    )


def test_a_failing_handler_says_no_more_than_its_kind(transport):
    with pytest.raises(TransportError) as caught:
        transport.submit(b"secret", timeout_s=1)
    assert (caught.value.status, caught.value.message) == (Status.INTERNAL, "ValueError")
    assert transport.evaluate(b"ab", timeout_s=1) == b"ba"


def test_calls_of_many_threads_do_not_wait_for_each_other(local, transport, node):
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(transport.commit_status, b"", timeout_s=local.wait_s) for _ in range(10)]
        for _ in waiting:
            assert node.waiting.acquire(timeout=local.wait_s)
        numbers = [str(i).encode() for i in range(100)]
        answers = list(pool.map(lambda item: transport.evaluate(item, timeout_s=local.wait_s), numbers))
        assert answers == [item[::-1] for item in numbers]
        node.go.set()
        assert [future.result(local.wait_s) for future in waiting] == [b"committed"] * 10


def test_the_connection_of_a_late_answer_is_not_used_again(local, transport, node, monkeypatch):
    monkeypatch.setattr("fedpact.gateway.local._GRACE_S", 0.0)
    with pytest.raises(TransportError) as caught:
        transport.commit_status(b"", timeout_s=0.01)
    assert caught.value.status is Status.DEADLINE_EXCEEDED
    node.go.set()
    assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"


def test_the_servers_own_deadline_arrives(transport):
    with pytest.raises(TransportError) as caught:
        transport.commit_status(b"", timeout_s=0.01)
    assert (caught.value.status, caught.value.message) == (Status.DEADLINE_EXCEEDED, "not committed")


def test_without_server_the_node_is_unavailable(tmp_path):
    transport = LocalTransport(f"unix://{tmp_path}/none.sock")
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"", timeout_s=1)
    assert caught.value.status is Status.UNAVAILABLE


def test_the_client_connects_again_after_a_restart(local, node, tmp_path):
    path = tmp_path / "node.sock"
    transport = LocalTransport(str(path))
    for _ in range(2):
        with LocalServer(node, path):
            assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
        with pytest.raises(TransportError) as caught:
            transport.evaluate(b"ab", timeout_s=local.wait_s)
        assert caught.value.status is Status.UNAVAILABLE
    transport.close()


def test_an_idle_connection_that_outlived_its_server_is_replaced_within_the_call(local, node, tmp_path):
    path = tmp_path / "node.sock"
    transport = LocalTransport(str(path))
    for _ in range(3):
        with LocalServer(node, path):
            assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
    transport.close()


def test_a_closed_transport_refuses_calls(local, server):
    transport = LocalTransport(server.address)
    transport.evaluate(b"", timeout_s=1)
    transport.close()
    transport.close()
    local.eventually(lambda: len(local.threads()) == 1)
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"", timeout_s=1)
    assert caught.value.status is Status.CANCELLED


def test_requests_and_answers_are_bounded(local, transport, monkeypatch):
    too_long = local_frames.MAX_FRAME_BYTES + 1
    with pytest.raises(TransportError) as caught:
        transport.evaluate(bytes(too_long), timeout_s=1)
    assert caught.value.status is Status.INVALID_ARGUMENT
    with pytest.raises(TransportError) as answered:
        transport.submit(str(too_long).encode(), timeout_s=local.wait_s)
    assert answered.value.status is Status.INTERNAL
    assert transport.evaluate(b"ab", timeout_s=1) == b"ba"


def test_a_gateway_client_works_over_the_socket(identity, tmp_path, scripted):
    with LocalServer(scripted.offer("submit_and_wait"), tmp_path / "node.sock") as server:
        transport = LocalTransport(server.address)
        result = Gateway(transport, identity).submit("tasks:create", b"{}")
        assert (result.payload, result.block_number) == (b"result", 7)
        assert scripted.methods() == ["endorse", "submit_and_wait"]
        transport.close()
