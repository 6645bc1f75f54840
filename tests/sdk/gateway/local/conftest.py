"""A node behind a real socket, and real child processes."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from fedpact.gateway.local import LocalTransport
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
        threading.Event().wait(0.005)


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


@pytest.fixture(scope="session")
def local():
    """How tests wait, and how they run work in a forked child."""
    return SimpleNamespace(wait_s=WAIT_S, threads=threads, eventually=eventually, in_child=in_child)
