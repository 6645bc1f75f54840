"""The local transport over real sockets: calls, failures, limits, reconnection, forked children, shutdown."""

import os
import signal
import socket
import stat
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.gateway import local_frames
from fedpact.gateway.client import Gateway
from fedpact.gateway.local import LocalTransport
from fedpact.gateway.local_frames import FrameError, Request, decode_reply, decode_request, encode_request
from fedpact.gateway.local_server import LocalServer
from fedpact.gateway.transport import ErrorDetail, Status, TransportError

WAIT_S = 10.0


class Node:
    """`evaluate` turns the request round, `commit_status` waits until it is let go, `endorse` fails."""

    def __init__(self):
        self.go = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.timeouts = []
        self.failure = TransportError(
            Status.ABORTED, "no é", (ErrorDetail("peer0:7051", "Org1MSP", "chaincode response 409, {}"),)
        )

    def evaluate(self, request, /, *, timeout_s):
        self.timeouts.append(timeout_s)
        return request[::-1]

    def endorse(self, request, /, *, timeout_s):
        raise self.failure

    def submit(self, request, /, *, timeout_s):
        return b"x" * int(request)

    def commit_status(self, request, /, *, timeout_s):
        self.waiting.release()
        if not self.go.wait(min(timeout_s, WAIT_S)):
            raise TransportError(Status.DEADLINE_EXCEEDED, "not committed")
        return b"committed"

    def close(self):
        pass


@pytest.fixture
def node():
    made = Node()
    yield made
    made.go.set()


@pytest.fixture
def server(node, tmp_path):
    with LocalServer(node, tmp_path / "node.sock") as made:
        yield made


@pytest.fixture
def transport(server):
    made = LocalTransport(server.address)
    yield made
    made.close()


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("fedpact-local")]


def eventually(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


def in_child(work):
    """Run `work` in a forked child; return its result (bytes)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(round(2 * WAIT_S))  # a child that hangs ends, and its empty answer fails the test
        try:
            os.write(writer, work())
        except BaseException as error:
            os.write(writer, f"failed: {error!r}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        result = stream.read()
    os.waitpid(child, 0)
    return result


def test_a_call_and_its_deadline_arrive(transport, node):
    assert transport.evaluate(b"abc\x00\xff", timeout_s=2.5) == b"\xff\x00cba"
    assert node.timeouts == [2.5]


def test_empty_and_large_messages(transport):
    assert transport.evaluate(b"", timeout_s=1) == b""
    large = os.urandom(5 * 2**20)
    assert transport.evaluate(large, timeout_s=WAIT_S) == large[::-1]


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


def test_calls_of_many_threads_do_not_wait_for_each_other(transport, node):
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(transport.commit_status, b"", timeout_s=WAIT_S) for _ in range(10)]
        for _ in waiting:
            assert node.waiting.acquire(timeout=WAIT_S)
        numbers = [str(i).encode() for i in range(100)]
        answers = list(pool.map(lambda item: transport.evaluate(item, timeout_s=WAIT_S), numbers))
        assert answers == [item[::-1] for item in numbers]
        node.go.set()
        assert [future.result(WAIT_S) for future in waiting] == [b"committed"] * 10


def test_a_late_answer_is_a_deadline_and_its_connection_is_not_used_again(transport, node, monkeypatch):
    monkeypatch.setattr("fedpact.gateway.local._GRACE_S", 0.0)
    with pytest.raises(TransportError) as caught:
        transport.commit_status(b"", timeout_s=0.01)
    assert caught.value.status is Status.DEADLINE_EXCEEDED
    node.go.set()
    assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"


def test_the_servers_own_deadline_arrives(transport):
    with pytest.raises(TransportError) as caught:
        transport.commit_status(b"", timeout_s=0.01)
    assert (caught.value.status, caught.value.message) == (Status.DEADLINE_EXCEEDED, "not committed")


def test_without_server_the_node_is_unavailable(tmp_path):
    transport = LocalTransport(f"unix://{tmp_path}/none.sock")
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"", timeout_s=1)
    assert caught.value.status is Status.UNAVAILABLE


def test_the_client_connects_again_after_a_restart(node, tmp_path):
    path = tmp_path / "node.sock"
    transport = LocalTransport(str(path))
    for _ in range(2):
        with LocalServer(node, path):
            assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
        with pytest.raises(TransportError) as caught:
            transport.evaluate(b"ab", timeout_s=WAIT_S)
        assert caught.value.status is Status.UNAVAILABLE
    transport.close()


def test_an_idle_connection_that_outlived_its_server_is_replaced_within_the_call(node, tmp_path):
    path = tmp_path / "node.sock"
    transport = LocalTransport(str(path))
    for _ in range(3):
        with LocalServer(node, path):
            assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
    transport.close()


def test_a_closed_transport_refuses_calls(server):
    transport = LocalTransport(server.address)
    transport.evaluate(b"", timeout_s=1)
    transport.close()
    transport.close()
    eventually(lambda: len(threads()) == 1)
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"", timeout_s=1)
    assert caught.value.status is Status.CANCELLED


def test_a_forked_child_opens_its_own_connection(transport):
    assert transport.evaluate(b"parent", timeout_s=WAIT_S) == b"tnerap"
    assert in_child(lambda: transport.evaluate(b"child", timeout_s=WAIT_S)) == b"dlihc"
    assert transport.evaluate(b"parent", timeout_s=WAIT_S) == b"tnerap"


def test_a_child_forked_during_calls_neither_hangs_nor_disturbs_them(transport, node):
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(transport.commit_status, b"", timeout_s=WAIT_S) for _ in range(4)]
        for _ in waiting:
            assert node.waiting.acquire(timeout=WAIT_S)
        assert in_child(lambda: transport.evaluate(b"child", timeout_s=WAIT_S)) == b"dlihc"

        def close():
            transport.close()
            return b"closed"

        assert in_child(close) == b"closed"
        node.go.set()
        assert [future.result(WAIT_S) for future in waiting] == [b"committed"] * 4
    assert transport.evaluate(b"parent", timeout_s=WAIT_S) == b"tnerap"


def test_a_child_can_fork_while_the_pool_is_locked(transport):
    transport.evaluate(b"", timeout_s=WAIT_S)
    with transport._pool._lock:
        assert in_child(lambda: transport.evaluate(b"child", timeout_s=WAIT_S)) == b"dlihc"


def test_a_servers_forked_child_does_not_close_it(server, transport):
    def close():
        server.close()
        return b"closed"

    transport.evaluate(b"", timeout_s=WAIT_S)
    assert in_child(close) == b"closed"
    assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
    assert os.path.exists(server.path)


def test_a_killed_servers_surviving_child_does_not_keep_it_reachable(node, tmp_path):
    path = tmp_path / "node.sock"
    ready, started = os.pipe()
    kept, letting_go = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(letting_go)
        LocalServer(node, path)
        if os.fork() == 0:
            os.write(started, b"1")
        os.read(kept, 1)  # both live until they are killed or the test lets go
        os._exit(0)
    assert os.read(ready, 1) == b"1"
    transport = LocalTransport(str(path))
    assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"ab", timeout_s=1)
    assert caught.value.status is Status.UNAVAILABLE
    with LocalServer(node, path):  # what it left behind is stale
        assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
    transport.close()
    for descriptor in (ready, started, kept, letting_go):
        os.close(descriptor)


def test_only_the_user_may_open_the_socket(server):
    mode = os.lstat(server.path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_closing_removes_the_socket_and_ends_all_threads(node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    transport.evaluate(b"", timeout_s=WAIT_S)
    server.close()
    server.close()
    assert not os.path.exists(server.path)
    assert threads() == []
    transport.close()


def test_closing_lets_calls_under_way_finish(node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(transport.commit_status, b"", timeout_s=WAIT_S)
        assert node.waiting.acquire(timeout=WAIT_S)
        closing = pool.submit(server.close, grace_s=WAIT_S)
        eventually(lambda: not os.path.exists(server.path))
        node.go.set()
        assert waiting.result(WAIT_S) == b"committed"
        closing.result(WAIT_S)
    assert threads() == []
    transport.close()


def test_closing_cuts_calls_that_do_not_finish(node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transport.commit_status, b"", timeout_s=WAIT_S)
        assert node.waiting.acquire(timeout=WAIT_S)
        server.close(grace_s=0.0)
        with pytest.raises(TransportError) as caught:
            waiting.result(WAIT_S)
    assert caught.value.status is Status.UNAVAILABLE
    node.go.set()
    transport.close()


def test_a_stale_socket_is_replaced(node, tmp_path):
    path = tmp_path / "node.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with LocalServer(node, path) as server:
        transport = LocalTransport(server.address)
        assert transport.evaluate(b"ab", timeout_s=1) == b"ba"
        transport.close()


def test_a_living_server_is_not_replaced(server, node):
    with pytest.raises(OSError, match="alive"):
        LocalServer(node, server.path)
    assert os.path.exists(server.path)


def test_a_file_is_never_replaced(node, tmp_path):
    path = tmp_path / "node.sock"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        LocalServer(node, path)
    assert path.read_bytes() == b"precious"


def test_a_successors_socket_is_left_alone(node, tmp_path):
    path = tmp_path / "node.sock"
    first = LocalServer(node, path)
    os.rename(path, tmp_path / "moved.sock")
    with LocalServer(node, path) as second:
        first.close()
        transport = LocalTransport(second.address)
        assert transport.evaluate(b"ab", timeout_s=1) == b"ba"
        transport.close()


def test_paths_that_are_too_long_are_refused(node):
    path = "/" + "x" * 107
    with pytest.raises(ValueError, match="107"):
        LocalTransport(path)
    with pytest.raises(ValueError, match="107"):
        LocalServer(node, path)


def test_connections_are_limited(node, tmp_path):
    with LocalServer(node, tmp_path / "node.sock", max_connections=1) as server:
        first, second = LocalTransport(server.address), LocalTransport(server.address)
        assert first.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
        with pytest.raises(TransportError) as caught:
            second.evaluate(b"ab", timeout_s=WAIT_S)
        assert caught.value.status is Status.UNAVAILABLE
        first.close()
        eventually(lambda: len(threads()) == 1)
        assert second.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"
        second.close()


def test_requests_and_answers_are_bounded(transport, monkeypatch):
    too_long = local_frames.MAX_FRAME_BYTES + 1
    with pytest.raises(TransportError) as caught:
        transport.evaluate(bytes(too_long), timeout_s=1)
    assert caught.value.status is Status.INVALID_ARGUMENT
    with pytest.raises(TransportError) as answered:
        transport.submit(str(too_long).encode(), timeout_s=WAIT_S)
    assert answered.value.status is Status.INTERNAL
    assert transport.evaluate(b"ab", timeout_s=1) == b"ba"


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack("!I", local_frames.MAX_FRAME_BYTES + 1),
        struct.pack("!I", 2**32 - 1),
        struct.pack("!I", 3) + b"abc",
        struct.pack("!I", 9) + b"\x04\x00\x00\x00\x00quit",
        struct.pack("!I", 10) + b"\x05\x00\x00\x00\x00close",
        struct.pack("!I", 100) + b"cut off",
        b"\x00",
    ],
)
def test_garbage_ends_its_connection_and_nothing_else(server, transport, garbage):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(WAIT_S)
        stream.connect(server.path)
        stream.sendall(garbage)
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(1) == b""
    assert transport.evaluate(b"ab", timeout_s=WAIT_S) == b"ba"


@given(
    st.builds(
        Request,
        st.sampled_from(sorted(local_frames.METHODS)),
        st.integers(0, 2**32 - 1).map(lambda ms: ms / 1000),
        st.binary(),
    )
)
def test_requests_round_trip(request):
    assert decode_request(encode_request(request)) == request


@given(st.binary(max_size=40))
def test_any_request_decodes_or_is_a_frame_error(body):
    try:
        request = decode_request(body)
    except FrameError:
        return
    assert request.method in local_frames.METHODS


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\x01" + tail))
def test_any_reply_decodes_or_is_an_error(body):
    try:
        reply = decode_reply(body)
    except (FrameError, TransportError):
        assert body[:1] != b"\x00"
    else:
        assert body == b"\x00" + reply


def test_a_gateway_client_works_over_the_socket(identity, tmp_path, scripted):
    with LocalServer(scripted, tmp_path / "node.sock") as server:
        transport = LocalTransport(server.address)
        result = Gateway(transport, identity).submit("tasks:create", b"{}")
        assert (result.payload, result.block_number) == (b"result", 7)
        assert scripted.methods() == ["endorse", "submit", "commit_status"]
        transport.close()
