"""The local transport and its server in processes that fork, with real children."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact.gateway.local import LocalTransport
from fedpact.gateway.local_server import LocalServer
from fedpact.gateway.transport import Status, TransportError


def test_a_forked_child_opens_its_own_connection(local, transport):
    assert transport.evaluate(b"parent", timeout_s=local.wait_s) == b"tnerap"
    assert local.in_child(lambda: transport.evaluate(b"child", timeout_s=local.wait_s)) == b"dlihc"
    assert transport.evaluate(b"parent", timeout_s=local.wait_s) == b"tnerap"


def test_a_child_forked_during_calls_neither_hangs_nor_disturbs_them(local, transport, node):
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(transport.commit_status, b"", timeout_s=local.wait_s) for _ in range(4)]
        for _ in waiting:
            assert node.waiting.acquire(timeout=local.wait_s)
        assert local.in_child(lambda: transport.evaluate(b"child", timeout_s=local.wait_s)) == b"dlihc"

        def close():
            transport.close()
            return b"closed"

        assert local.in_child(close) == b"closed"
        node.go.set()
        assert [future.result(local.wait_s) for future in waiting] == [b"committed"] * 4
    assert transport.evaluate(b"parent", timeout_s=local.wait_s) == b"tnerap"


def test_a_child_can_fork_while_the_pool_is_locked(local, transport):
    transport.evaluate(b"", timeout_s=local.wait_s)
    with transport._pool._lock:
        assert local.in_child(lambda: transport.evaluate(b"child", timeout_s=local.wait_s)) == b"dlihc"


def test_a_servers_forked_child_does_not_close_it(local, server, transport):
    def close():
        server.close()
        return b"closed"

    transport.evaluate(b"", timeout_s=local.wait_s)
    assert local.in_child(close) == b"closed"
    assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
    assert os.path.exists(server.path)


def test_a_killed_servers_surviving_child_does_not_keep_it_reachable(local, node, tmp_path):
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
    assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    with pytest.raises(TransportError) as caught:
        transport.evaluate(b"ab", timeout_s=1)
    assert caught.value.status is Status.UNAVAILABLE
    with LocalServer(node, path):  # what it left behind is stale
        assert transport.evaluate(b"ab", timeout_s=local.wait_s) == b"ba"
    transport.close()
    for descriptor in (ready, started, kept, letting_go):
        os.close(descriptor)
