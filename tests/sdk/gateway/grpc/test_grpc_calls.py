"""Calls over real TLS gRPC: each transport, both faces, against a scripted gateway."""

import asyncio
import contextlib
import dataclasses
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from fedpact.gateway.async_client import AsyncGateway
from fedpact.gateway.batched import BatchedTransport
from fedpact.gateway.batched_async import AsyncBatchedTransport
from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.errors import CommitError, EndorseError
from fedpact.gateway.failover import AsyncFailoverTransport, FailoverTransport
from fedpact.gateway.grpc_async import AsyncGrpcTransport
from fedpact.gateway.grpc_channel import ChannelSettings, Tls
from fedpact.gateway.grpc_transport import GrpcTransport
from fedpact.gateway.transport import ErrorDetail, Status, TransportError
from fedpact.wire.commits import ValidationCode
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

STAGES = ["evaluate", "endorse", "submit", "commit_status"]
BLOCKING = {"single": GrpcTransport, "batched": BatchedTransport}
ASYNCHRONOUS = {"single": AsyncGrpcTransport, "batched": AsyncBatchedTransport}


class Echo:
    """Answers with the stage, the request and the time it was given; may hold its answers back."""

    def __init__(self):
        self.failures = {}
        self.held = threading.Event()
        self.held.set()
        self.entered = threading.Semaphore(0)
        self.calls = 0

    def __getattr__(self, stage):
        if stage not in STAGES:
            raise AttributeError(stage)

        def call(request, /, *, timeout_s):
            self.calls += 1
            self.entered.release()
            self.held.wait(20)
            if stage in self.failures:
                raise self.failures[stage]
            return b"%s|%s|%d" % (stage.encode(), request, round(timeout_s))

        return call


@pytest.fixture
def echo():
    answering = Echo()
    yield answering
    answering.held.set()


class Face:
    """One transport behind one blocking signature, whichever face it has."""

    def __init__(self, face, kind):
        self.is_blocking, self.kind = face == "blocking", kind

    def open(self, addresses, settings):
        if self.is_blocking:
            transports = [BLOCKING[self.kind](address, settings) for address in addresses]
            self.transport = transports[0] if len(transports) == 1 else FailoverTransport(transports)
            return self
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.transport = self.run(self._open(addresses, settings))
        return self

    async def _open(self, addresses, settings):
        transports = [ASYNCHRONOUS[self.kind](address, settings) for address in addresses]
        return transports[0] if len(transports) == 1 else AsyncFailoverTransport(transports)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def call(self, stage, request=b"", timeout_s=10.0):
        made = getattr(self.transport, stage)(request, timeout_s=timeout_s)
        return made if self.is_blocking else self.run(made)

    def gateway(self, identity, **more):
        return (Gateway if self.is_blocking else AsyncGateway)(self.transport, identity, **more)

    def do(self, made):
        return made if self.is_blocking else self.run(self._await(made))

    async def _await(self, made):
        return await made

    def close(self):
        if self.is_blocking:
            self.transport.close()
        else:
            self.run(self.transport.close())

    def end(self):
        self.close()
        if not self.is_blocking:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
            self.loop.close()


@pytest.fixture(params=["blocking-single", "blocking-batched", "asyncio-single", "asyncio-batched"])
def connect(request, settings):
    """Opens the transport of one face and kind to some servers."""
    opened = []

    def to(*nodes, settings=settings):
        face, kind = request.param.split("-")
        opened.append(Face(face, kind).open([node.address for node in nodes], settings))
        return opened[-1]

    yield to
    for face in opened:
        face.end()


@pytest.mark.parametrize("stage", STAGES)
def test_requests_replies_and_deadlines_arrive(serve, connect, echo, stage):
    face = connect(serve(echo))
    assert face.call(stage, b"asked", 7.0) in (f"{stage}|asked|7".encode(), f"{stage}|asked|6".encode())


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.CANCELLED])
def test_statuses_messages_and_details_arrive(serve, connect, echo, status):
    details = (ErrorDetail("peer0:7051", "Org1MSP", "ünlike"), ErrorDetail("peer1:7051", "Org2MSP", "b"))
    echo.failures["endorse"] = TransportError(status, "not endorsed", details)
    with pytest.raises(TransportError) as caught:
        connect(serve(echo)).call("endorse")
    assert (caught.value.status, caught.value.details) == (status, details)
    assert "not endorsed" in caught.value.message


def test_a_call_ends_at_its_deadline(serve, connect, echo, monkeypatch):
    for module in ("batched", "batched_async"):
        monkeypatch.setattr(f"fedpact.gateway.{module}.GRACE_S", 0.1)
    face = connect(serve(echo))
    face.call("evaluate")
    echo.held.clear()
    before = time.monotonic()
    with pytest.raises(TransportError) as caught:
        face.call("commit_status", timeout_s=0.3)
    assert caught.value.status is Status.DEADLINE_EXCEEDED
    assert time.monotonic() - before < 5
    echo.held.set()
    assert face.call("evaluate", b"next").startswith(b"evaluate|next")


def test_large_messages_pass_and_too_large_ones_are_refused(serve, connect, echo, tls):
    node = serve(echo)
    large = bytes(8 << 20)
    assert len(connect(node).call("endorse", large)) > len(large)
    small = ChannelSettings(tls=tls.client, message_bytes=1 << 20)
    with pytest.raises(TransportError):
        connect(node, settings=small).call("endorse", large)


def test_many_calls_at_once(serve, connect, echo):
    face = connect(serve(echo))
    with ThreadPoolExecutor(32) as threads:
        replies = list(threads.map(lambda n: face.call(STAGES[n % 4], b"%d" % n), range(400)))
    assert [reply.split(b"|")[1] for reply in replies] == [b"%d" % n for n in range(400)]


def test_a_client_nobody_knows_is_not_let_in(serve, connect, echo, authority):
    node = serve(echo)
    for tls in (Tls(roots=authority.roots), Tls(roots=b"")):
        with pytest.raises(TransportError) as caught:
            connect(node, settings=ChannelSettings(tls=tls)).call("evaluate")
        assert caught.value.status is Status.UNAVAILABLE
    assert echo.calls == 0


def test_the_servers_name_is_checked_and_may_be_given(serve, connect, echo, tls):
    node = serve(echo)
    wrong, right = (dataclasses.replace(tls.client, server_name=name) for name in ("x.org", "localhost"))
    with pytest.raises(TransportError):
        connect(node, settings=ChannelSettings(tls=wrong)).call("evaluate")
    assert connect(node, settings=ChannelSettings(tls=right)).call("evaluate")


def test_without_tls(serve, connect, echo):
    assert connect(serve(echo, secure=False), settings=ChannelSettings()).call("evaluate")


def test_a_node_that_comes_back_is_found_again(serve, connect, echo):
    node = serve(echo)
    face = connect(node)
    face.call("evaluate")
    node.stop()
    with pytest.raises(TransportError) as caught:
        face.call("evaluate")
    assert caught.value.status is Status.UNAVAILABLE
    node.start()
    replies = set()
    for _ in range(500):
        with contextlib.suppress(TransportError):
            replies.add(face.call("evaluate", b"again"))
            break
        threading.Event().wait(0.01)
    assert replies == {b"evaluate|again|10"}


def test_calls_under_way_fail_when_the_node_dies(serve, connect, echo):
    node = serve(echo)
    face = connect(node)
    echo.held.clear()
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(face.call, "commit_status") for _ in range(4)]
        for _ in calls:
            assert echo.entered.acquire(timeout=10)
        node.stop()
        failures = [call.exception(timeout=10) for call in calls]
    assert [failure.status for failure in failures] == [Status.UNAVAILABLE] * 4


def test_calls_under_way_end_when_the_transport_is_closed(serve, connect, echo):
    face = connect(serve(echo))
    echo.held.clear()
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(face.call, "commit_status") for _ in range(2)]
        for _ in calls:
            assert echo.entered.acquire(timeout=10)
        face.close()
        failures = [call.exception(timeout=10) for call in calls]
    assert [failure.status for failure in failures] == [Status.CANCELLED] * 2
    with pytest.raises(TransportError) as caught:
        face.call("evaluate")
    assert caught.value.status is Status.CANCELLED


def test_with_two_addresses_the_death_of_one_is_not_noticed(serve, connect, echo):
    first, second = serve(echo), serve(Echo())
    face = connect(first, second)
    face.call("evaluate")
    echo.held.clear()
    with ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(face.call, stage) for stage in STAGES * 2]
        for _ in calls:
            assert echo.entered.acquire(timeout=10)
        first.stop()
        assert all(call.result(timeout=20) for call in calls)
    assert face.call("submit")
    assert second.handler.calls == 9


def test_an_address_that_takes_connections_and_says_nothing_is_given_up(serve, connect, echo, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        hurried = dataclasses.replace(settings, connect_s=0.3)
        face = connect(SimpleNamespace(address=address), serve(echo), settings=hurried)
        before = time.monotonic()
        assert face.call("evaluate", b"x", 20.0).startswith(b"evaluate|x|")
        assert time.monotonic() - before < 10


def test_a_whole_transaction(serve, connect, scripted, identity):
    face = connect(serve(scripted.offer("submit_and_wait")))
    gateway = face.gateway(identity)
    assert face.do(gateway.evaluate("tasks:get")) == b"evaluated"
    assert face.do(gateway.submit("tasks:create", b"{}")).block_number == 7
    commit = face.do(gateway.submit_async("tasks:create"))
    assert face.do(commit.result()).payload == b"result"
    proposal = gateway.new_proposal("tasks:create")
    transaction = face.do(proposal.endorse())
    assert face.do(face.do(transaction.submit()).status()).valid
    assert face.do(gateway.resume(transaction.to_bytes())).transaction_id == proposal.transaction_id


def test_stages_signed_elsewhere(serve, connect, scripted, identity):
    face = connect(serve(scripted))
    gateway = face.gateway(type("Absent", (), {"creator": identity.creator})())
    proposal = gateway.new_proposal("tasks:create")
    signed = gateway.signed_proposal(proposal.to_bytes(), identity.sign(proposal.message))
    assert face.do(signed.evaluate()) == b"evaluated"
    transaction = face.do(signed.endorse())
    submitted = gateway.signed_transaction(transaction.to_bytes(), identity.sign(transaction.message))
    commit = face.do(submitted.submit())
    asked = gateway.signed_commit(commit.to_bytes(), identity.sign(commit.message))
    assert face.do(asked.status()).valid


def test_refusals_conflicts_and_lost_answers_over_the_wire(serve, connect, scripted, script, identity):
    face = connect(serve(scripted.offer("submit_and_wait")))
    gateway = face.gateway(
        identity,
        retries=Retries(first_s=0.001, cap_s=0.002),
        deadlines=Deadlines(commit_s=5.0, lookup_s=2.0),
    )
    refusal = ErrorDetail("p", "M", f"chaincode response 409, {Rejected(RECORD_EXISTS).to_json()}")
    scripted.fail("endorse", script.failure(Status.ABORTED, "see details", (refusal,)))
    with pytest.raises(Rejected):
        face.do(gateway.submit("tasks:create"))
    scripted.fail("endorse", script.failure(Status.FAILED_PRECONDITION))
    with pytest.raises(EndorseError):
        face.do(gateway.submit("tasks:create"))
    scripted.fail("submit", script.failure(Status.UNAVAILABLE))
    scripted.fail("commit_status", script.invalid(ValidationCode.MVCC_READ_CONFLICT))
    assert face.do(gateway.submit("tasks:create")).block_number == 7
    scripted.fail("commit_status", script.invalid(ValidationCode.ENDORSEMENT_POLICY_FAILURE))
    with pytest.raises(CommitError):
        face.do(gateway.submit("tasks:create"))


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_calls_that_wait_together_travel_together(serve, settings, echo, kind):
    node = serve(echo)
    face = Face(kind, "batched").open([node.address], settings)
    try:
        with ThreadPoolExecutor(48) as threads:
            list(threads.map(lambda n: face.call("evaluate", bytes(2000)), range(480)))
    finally:
        face.end()
    assert sum(node.messages) == 480
    assert len(node.messages) < 480


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_a_node_without_batched_calls_says_so(serve, settings, echo, kind):
    face = Face(kind, "batched").open([serve(echo, batched=False).address], settings)
    try:
        with pytest.raises(TransportError) as caught:
            face.call("evaluate")
    finally:
        face.end()
    # grpc.aio does not tell why a stream was ended if that happens while it writes
    assert caught.value.status in (Status.UNIMPLEMENTED, Status.UNAVAILABLE)
