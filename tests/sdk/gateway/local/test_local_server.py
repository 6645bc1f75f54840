"""The local server: its socket, its limits, its end."""

import os
import socket
import stat
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact.gateway import local_frames
from fedpact.gateway.local import LocalTransport
from fedpact.gateway.local_server import LocalServer
from fedpact.gateway.transport import Status, TransportError


def test_only_the_user_may_open_the_socket(server):
    mode = os.lstat(server.path).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_closing_removes_the_socket_and_ends_all_threads(local, node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    transport.evaluate(b"", timeout_s=local.wait_s)
    server.close()
    server.close()
    assert not os.path.exists(server.path)
    assert local.threads() == []
    transport.close()


def test_closing_lets_calls_under_way_finish(local, node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(transport.commit_status, b"", timeout_s=local.wait_s)
        assert node.waiting.acquire(timeout=local.wait_s)
        closing = pool.submit(server.close, grace_s=local.wait_s)
        local.eventually(lambda: not os.path.exists(server.path))
        node.go.set()
        assert waiting.result(local.wait_s) == b"committed"
        closing.result(local.wait_s)
    assert local.threads() == []
    transport.close()


def test_closing_cuts_calls_that_do_not_finish(local, node, tmp_path):
    server = LocalServer(node, tmp_path / "node.sock")
    transport = LocalTransport(server.address)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transport.commit_status, b"", timeout_s=local.wait_s)
        assert node.waiting.acquire(timeout=local.wait_s)
        server.close(grace_s=0.0)
        with pytest.raises(TransportError) as caught:
            waiting.result(local.wait_s)
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


def test_connections_are_limited(local, node, tmp_path):
    with LocalServer(node, tmp_path / "node.sock", max_connections=1) as server:
        first, second = LocalTransport(server.address), LocalTransport(server.address)
        assert first.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
        with pytest.raises(TransportError) as caught:
            second.evaluate(b"ab", timeout_s=local.wait_s)
        assert caught.value.status is Status.UNAVAILABLE
        first.close()
        local.eventually(lambda: len(local.threads()) == 1)
        assert second.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
        second.close()


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
def test_garbage_ends_its_connection_and_nothing_else(local, server, transport, garbage):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(local.wait_s)
        stream.connect(server.path)
        stream.sendall(garbage)
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(1) == b""
    assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
