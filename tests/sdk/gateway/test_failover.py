"""Several addresses: which one is asked, when the next one is, and within which time."""

import asyncio

import pytest

from fedpact.gateway.failover import Addresses, AsyncFailoverTransport, FailoverTransport
from fedpact.gateway.transport import Status, TransportError

STAGES = ["evaluate", "endorse", "submit", "commit_status"]
ANSWERS = [status for status in Status if status is not Status.UNAVAILABLE]


class Node:
    """Answers with its name, or fails with its status; calls and timeouts are noted."""

    def __init__(self, name):
        self.name = name.encode()
        self.status = None
        self.timeouts = []
        self.closed = False

    def __getattr__(self, stage):
        if stage not in STAGES:
            raise AttributeError(stage)

        def call(request, /, *, timeout_s):
            self.timeouts.append(timeout_s)
            return self._answer()

        return call

    def chaincode_events(self, request, /):
        return (self._answer() for _ in range(3))

    def deliver(self, kind, envelope, /):
        return self.chaincode_events(envelope)

    def close(self):
        self.closed = True

    def _answer(self):
        if self.status is not None:
            raise TransportError(self.status, "scripted")
        return self.name


@pytest.fixture
def nodes():
    return [Node("a"), Node("b"), Node("c")]


@pytest.fixture(params=["blocking", "asyncio"])
def call(request, nodes, asynchronous):
    """Makes a call over the three nodes with either face."""
    if request.param == "blocking":
        transport = FailoverTransport(nodes)
        return lambda stage, timeout_s=9.0: getattr(transport, stage)(b"", timeout_s=timeout_s)
    faces = AsyncFailoverTransport([asynchronous(node) for node in nodes])
    return lambda stage, timeout_s=9.0: asyncio.run(getattr(faces, stage)(b"", timeout_s=timeout_s))


@pytest.mark.parametrize("stage", STAGES)
def test_what_did_not_arrive_goes_to_the_next_address_and_stays_there(nodes, call, stage):
    assert call(stage) == b"a"
    nodes[0].status = Status.UNAVAILABLE
    assert call(stage) == b"b"
    nodes[0].status = None
    assert call(stage) == b"b"
    nodes[1].status = nodes[2].status = Status.UNAVAILABLE
    assert call(stage) == b"a"


@pytest.mark.parametrize("status", ANSWERS)
def test_any_other_status_is_an_answer(nodes, call, status):
    nodes[0].status = status
    with pytest.raises(TransportError) as caught:
        call("submit")
    assert caught.value.status is status
    assert nodes[1].timeouts == []


def test_each_address_is_tried_once(nodes, call):
    for node in nodes:
        node.status = Status.UNAVAILABLE
    with pytest.raises(TransportError) as caught:
        call("evaluate")
    assert caught.value.status is Status.UNAVAILABLE
    assert [len(node.timeouts) for node in nodes] == [1, 1, 1]


def test_the_deadline_is_the_calls_and_not_the_attempts():
    now = [100.0]
    flow = Addresses(3).calling(5.0, clock=lambda: now[0])
    assert next(flow) == (0, 5.0)
    now[0] += 2.0
    assert flow.throw(TransportError(Status.UNAVAILABLE, "gone")) == (1, 3.0)
    now[0] += 3.0
    with pytest.raises(TransportError):
        flow.throw(TransportError(Status.UNAVAILABLE, "gone"))


def test_calls_at_the_same_time_move_on_by_one_address_only():
    addresses = Addresses(3)
    flows = [addresses.calling(5.0) for _ in range(2)]
    assert [next(flow)[0] for flow in flows] == [0, 0]
    gone = TransportError(Status.UNAVAILABLE, "gone")
    assert [flow.throw(gone)[0] for flow in flows] == [1, 1]
    assert addresses.first == 1


def test_a_stream_that_breaks_moves_on_to_the_next_address(nodes):
    transport = FailoverTransport(nodes)
    stream = transport.chaincode_events(b"")
    assert next(stream) == b"a"
    nodes[0].status = Status.UNAVAILABLE
    with pytest.raises(TransportError):
        next(stream)
    again = transport.chaincode_events(b"")
    assert list(again) == [b"b"] * 3  # and a stream that ends moves on too
    assert next(transport.deliver("Deliver", b"")) == b"c"
    nodes[2].status = Status.PERMISSION_DENIED
    with pytest.raises(TransportError):
        next(transport.deliver("Deliver", b""))
    nodes[2].status = None
    assert transport.evaluate(b"", timeout_s=1.0) == b"c"


def test_streams_for_asyncio_move_on_too(nodes, asynchronous):
    async def run():
        transport = AsyncFailoverTransport([asynchronous(node) for node in nodes])
        nodes[0].status = Status.UNAVAILABLE
        with pytest.raises(TransportError):
            await anext(transport.chaincode_events(b""))
        return [reply async for reply in transport.deliver("Deliver", b"")]

    assert asyncio.run(run()) == [b"b"] * 3


def test_closing_closes_all(nodes):
    FailoverTransport(nodes).close()
    assert all(node.closed for node in nodes)


def test_there_is_an_address():
    with pytest.raises(ValueError):
        FailoverTransport([])


def test_a_refusal_after_a_submit_that_may_have_arrived_does_not_tell(nodes, call):
    """The first node may have taken it: what the second one thinks of it decides nothing."""
    nodes[0].status = Status.UNAVAILABLE
    nodes[1].status = Status.PERMISSION_DENIED
    with pytest.raises(TransportError) as caught:
        call("submit")
    assert caught.value.status is Status.UNAVAILABLE
    assert "PERMISSION_DENIED" in caught.value.message
    nodes[2].status = Status.UNAVAILABLE
    with pytest.raises(TransportError) as caught:
        call("evaluate")
    assert caught.value.status is Status.PERMISSION_DENIED
