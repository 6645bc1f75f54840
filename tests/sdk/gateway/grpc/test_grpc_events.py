"""Events over real TLS gRPC: both faces; nodes that die and come back, and another one in their place."""

import asyncio
import contextlib
import threading

import pytest

from fedpact.gateway.async_client import AsyncGateway
from fedpact.gateway.checkpoints import FileCheckpointer
from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import EventsError
from fedpact.gateway.failover import AsyncFailoverTransport, FailoverTransport
from fedpact.gateway.grpc_async import AsyncGrpcTransport
from fedpact.gateway.grpc_channel import ChannelSettings
from fedpact.gateway.grpc_transport import GrpcTransport
from fedpact.gateway.transport import DeliverKind, Status, TransportError

RETRIES = Retries(reconnects=200, first_s=0.01, cap_s=0.05)
KINDS = ["chaincode_events", "block_events", "filtered_block_events", "block_and_private_data_events"]


class Reader:
    """Follows one kind of events in the background with either face; keeps the numbers of their blocks."""

    def __init__(self, face, nodes, *args):
        self.numbers = []
        self.error = None
        self.changed = threading.Condition()
        self.ready = threading.Event()
        self.args = ([node.address for node in nodes], *args)
        self.closing = None
        run = self._blocking if face == "blocking" else lambda *args: asyncio.run(self._asyncio(*args))
        self.thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self.thread.start()
        assert self.ready.wait(20)

    def _run(self, run):
        try:
            run(*self.args)
        except EventsError as error:
            self.error = error
        finally:
            self.ready.set()

    def _blocking(self, addresses, settings, identity, kind, start_block, retries):
        transport = FailoverTransport([GrpcTransport(address, settings) for address in addresses])
        with contextlib.closing(transport):
            events = getattr(Gateway(transport, identity, retries=retries), kind)(start_block)
            self.closing = events.close
            self.ready.set()
            for event in events:
                self._note(event)

    async def _asyncio(self, addresses, settings, identity, kind, start_block, retries):
        loop = asyncio.get_running_loop()
        transport = AsyncFailoverTransport([AsyncGrpcTransport(address, settings) for address in addresses])
        async with getattr(AsyncGateway(transport, identity, retries=retries), kind)(start_block) as events:
            self.closing = lambda: asyncio.run_coroutine_threadsafe(events.close(), loop)
            self.ready.set()
            async for event in events:
                self._note(event)
        await transport.close()

    def _note(self, event):
        with self.changed:
            self.numbers.append(event.block_number if hasattr(event, "block_number") else event.number)
            self.changed.notify_all()

    def wait_for(self, number):
        with self.changed:
            assert self.changed.wait_for(lambda: number in self.numbers, 20), (self.numbers, self.error)

    def close(self):
        if self.thread.is_alive():
            self.closing()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture(params=["blocking", "asyncio"])
def face(request):
    return request.param


@pytest.fixture
def follow(face, settings, identity):
    readers = []

    def begun(kind, *nodes, settings=settings, start_block=None, retries=RETRIES):
        readers.append(Reader(face, nodes, settings, identity, kind, start_block, retries))
        return readers[-1]

    yield begun
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_events_arrive_and_closing_ends_them(serve, follow, event_ledger, kind):
    reader = follow(kind, serve(event_ledger))
    for number in range(1, 4):
        event_ledger.commit((f"t{number}", "made", b"envelope"))
        reader.wait_for(number)
    reader.close()
    assert (reader.numbers, reader.error) == ([1, 2, 3], None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_dies_and_comes_back_leaves_no_gap(serve, follow, event_ledger, kind):
    node = serve(event_ledger)
    reader = follow(kind, node)
    event_ledger.commit(("t1", "made", b""))
    reader.wait_for(1)
    node.stop()
    event_ledger.commit(("t2", "made", b""))
    node.start()
    event_ledger.commit(("t3", "made", b""))
    reader.wait_for(3)
    assert reader.numbers == [1, 2, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_another_node_takes_over(serve, follow, event_ledger, kind):
    first, second = serve(event_ledger), serve(event_ledger)
    reader = follow(kind, first, second)
    first.stop()
    event_ledger.commit(("t1", "made", b""))
    reader.wait_for(1)
    assert reader.numbers == [1]


def test_what_is_committed_before_the_first_event_is_not_lost_with_its_node(serve, follow, event_ledger):
    node = serve(event_ledger)
    reader = follow("chaincode_events", node)
    node.stop()
    event_ledger.commit(("t1", "made", b""))
    node.start()
    reader.wait_for(1)


@pytest.mark.parametrize("status", [Status.PERMISSION_DENIED, Status.NOT_FOUND, Status.INVALID_ARGUMENT])
def test_refusals_are_errors(serve, follow, event_ledger, status):
    event_ledger.refused[DeliverKind.BLOCKS] = TransportError(status, "refused")
    reader = follow("block_events", serve(event_ledger), start_block=0)
    reader.thread.join(20)
    assert (reader.error.status, reader.error.retryable) == (status, False)


def test_nobody_there_is_an_error_in_the_end(serve, follow, event_ledger):
    node = serve(event_ledger)
    node.stop()
    reader = follow("block_events", node, start_block=0, retries=Retries(reconnects=3, first_s=0.001))
    reader.thread.join(20)
    assert reader.error.status is Status.UNAVAILABLE


def test_large_blocks_pass(serve, follow, event_ledger):
    reader = follow("block_events", serve(event_ledger), start_block=1)
    event_ledger.commit(("t1", "made", bytes(6 << 20)))
    reader.wait_for(1)


def test_a_process_goes_on_from_its_checkpoint(serve, settings, event_ledger, identity, tmp_path):
    for number in range(1, 4):
        event_ledger.commit((f"a{number}", f"a{number}", b""), (f"b{number}", f"b{number}", b""))
    seen = []
    for _ in range(3):  # each time as a new process, with the node it finds
        checkpointer = FileCheckpointer(tmp_path / "place.json")
        with contextlib.closing(GrpcTransport(serve(event_ledger).address, settings)) as transport:
            gateway = Gateway(transport, identity, retries=RETRIES)
            with gateway.chaincode_events(1, checkpointer=checkpointer) as events:
                for _ in range(2):
                    event = next(events)
                    seen.append(event.name)
                    checkpointer.checkpoint_chaincode_event(event)
    assert seen == ["a1", "b1", "a2", "b2", "a3", "b3"]


def test_a_waiting_task_that_is_cancelled_loses_nothing(serve, settings, event_ledger, identity):
    node = serve(event_ledger)

    async def run():
        transport = AsyncGrpcTransport(node.address, settings)
        async with AsyncGateway(transport, identity, retries=RETRIES).chaincode_events() as events:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.05)
            event_ledger.commit(("t1", "made", b""))
            found = await asyncio.wait_for(anext(events), 10)
        await transport.close()
        return found

    assert asyncio.run(run()).transaction_id == "t1"


def test_closing_the_transport_ends_a_stream(serve, settings, event_ledger, identity):
    node = serve(event_ledger)
    transport = GrpcTransport(node.address, settings)
    quick = Retries(reconnects=1, first_s=0.001)
    events = Gateway(transport, identity, retries=quick).chaincode_events()
    threading.Timer(0.1, transport.close).start()
    with pytest.raises(EventsError) as caught:
        next(events)
    assert caught.value.status is Status.CANCELLED


def test_plain_connections_carry_events_too(serve, follow, event_ledger):
    reader = follow("chaincode_events", serve(event_ledger, secure=False), settings=ChannelSettings())
    event_ledger.commit(("t1", "made", b""))
    reader.wait_for(1)
