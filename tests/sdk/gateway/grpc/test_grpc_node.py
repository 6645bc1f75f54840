"""Sessions, transactions and events against a real node, over real TLS gRPC with client certificates."""

import asyncio
import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact import LedgerError, connect, found
from fedpact.gateway.addresses import parse_address
from fedpact.gateway.async_client import AsyncGateway
from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import EventsError
from fedpact.gateway.event_kinds import BLOCKS
from fedpact.gateway.local import LocalTransport
from fedpact.gateway.transport import Status
from fedpact.records import NodeKind
from fedpact_chaincode.errors import Rejected
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings
from fedpact_network.server.settings import Tls as ServerTls

RETRIES = Retries(first_s=0.01, cap_s=0.05)


class Served:
    """A consortium's ledger, on as many servers as a test wants; the files that a client needs beside it."""

    def __init__(self, home, tls):
        self.consortium, self.ledger = found(str(home), {"AlphaMSP": "Alpha", "BetaMSP": "Beta"})
        self.chair = self.consortium.enrol("AlphaMSP", "admin", role="admin")
        self.alpha = self.consortium.enrol("AlphaMSP", "node", role="member")
        self.beta = self.consortium.enrol("BetaMSP", "node", role="member")
        self.tls = ServerTls(
            certificate=tls.certificate, key=tls.key, client_roots=tls.roots, bind_clients=True
        )
        self.servers = []
        self.files = {
            "tls_roots": (home / "roots.pem", tls.roots),
            "tls_certificate": (home / "client.pem", tls.client.certificate),
            "tls_key": (home / "client.key", tls.client.key),
        }
        for path, content in self.files.values():
            path.write_bytes(content)
        with connect(self.ledger, identity=self.chair) as chair:
            chair.council.found(self.consortium.organisations)

    def serve(self):
        self.servers.append(serve(self.ledger, ServerSettings(tls=self.tls)))
        return self.servers[-1]

    def url(self, *servers, **more):
        parameters = {name: path for name, (path, _) in self.files.items()} | more
        addresses = ",".join(server.address for server in servers)
        return f"grpcs://{addresses}?" + "&".join(f"{name}={value}" for name, value in parameters.items())

    def close(self):
        for server in self.servers:
            server.stop(grace_s=0.5)
        self.ledger.close()


@pytest.fixture
def served(tmp_path, tls):
    with contextlib.closing(Served(tmp_path / "home", tls)) as made:
        yield made


@pytest.fixture(params=["single", "batched"])
def more(request):
    return {"batched": "1"} if request.param == "batched" else {}


def test_a_session_over_grpc_does_what_others_do(served, more):
    url = served.url(served.serve(), **more)
    with connect(url, identity=served.alpha) as session:
        assert session.ledger is None
        assert session.council.register_node(NodeKind.PROVIDER).id == "AlphaMSP/node"
        assert session.credit.account().id == "AlphaMSP/node"
        with pytest.raises(Rejected):
            session.council.found(served.consortium.organisations)
    with connect(url, identity=served.beta) as session:
        assert len(session.council.members()) == 2


def test_what_is_wrong_with_an_address_is_said(served, tmp_path):
    with pytest.raises(LedgerError, match="TLS_UNUSABLE"):
        connect(f"grpcs://localhost:1?tls_roots={tmp_path}/none.pem", identity=served.alpha)
    with pytest.raises(LedgerError, match="INSECURE"):
        connect("grpc://ledger.example.org:7051", identity=served.alpha)
    with pytest.raises(LedgerError, match="BAD_URL"):
        connect(served.ledger, identity=served.alpha, tls=parse_address("grpcs://a.org:1").settings.tls)


def test_transactions_of_many_threads_and_tasks(served, more):
    address = parse_address(served.url(served.serve(), **more))
    message = json.dumps({"kind": NodeKind.PROVIDER.value}).encode()
    identities = [served.consortium.enrol("AlphaMSP", f"node{n}", role="member") for n in range(12)]
    with contextlib.closing(address.transport()) as transport, ThreadPoolExecutor(6) as threads:
        results = list(
            threads.map(
                lambda who: Gateway(transport, who, retries=RETRIES).submit(
                    "registry:register_node", message
                ),
                identities[:6],
            )
        )

    async def run():
        transport = address.async_transport()
        gateways = [AsyncGateway(transport, who, retries=RETRIES) for who in identities[6:]]
        found = await asyncio.gather(*(each.submit("registry:register_node", message) for each in gateways))
        await transport.close()
        return found

    results += asyncio.run(run())
    assert len({result.transaction_id for result in results}) == 12
    assert max(result.block_number for result in results) == served.ledger.height() - 1


def test_one_of_two_servers_is_stopped_under_load(served, more):
    first, second = served.serve(), served.serve()
    address = parse_address(served.url(first, second, **more))
    message = json.dumps({"kind": NodeKind.PROVIDER.value}).encode()
    identities = [served.consortium.enrol("AlphaMSP", f"node{n}", role="member") for n in range(8)]
    begun = threading.Semaphore(0)
    with contextlib.closing(address.transport()) as transport, ThreadPoolExecutor(2) as threads:

        def register(who):
            begun.release()
            return Gateway(transport, who, retries=RETRIES).submit("registry:register_node", message)

        registered = [threads.submit(register, who) for who in identities]
        for _ in range(3):
            assert begun.acquire(timeout=20)
        first.stop(grace_s=0.0)
        ids = {one.result(timeout=60).transaction_id for one in registered}
    assert len(ids) == 8


@pytest.mark.parametrize("face", ["blocking", "asyncio"])
def test_events_of_a_node_with_a_take_over(served, face):
    first, second = served.serve(), served.serve()
    address = parse_address(served.url(first, second))
    settings = {"retries": RETRIES, "tls_certificate_hash": address.certificate_hash}

    def act(name):
        identity = served.consortium.enrol("AlphaMSP", name, role="member")
        with connect(served.ledger, identity=identity) as session:
            session.council.register_node(NodeKind.PROVIDER)

    def blocking():
        with contextlib.closing(address.transport()) as transport:
            gateway = Gateway(transport, served.alpha, **settings)
            with gateway.chaincode_events() as events, gateway.block_events(0) as blocks:
                act("one")
                seen = [next(events)]
                first.stop(grace_s=0.0)
                act("two")
                seen.append(next(events))
                return seen, [next(blocks).number for _ in range(served.ledger.height())]

    async def asynchronous():
        transport = address.async_transport()
        gateway = AsyncGateway(transport, served.alpha, **settings)
        async with gateway.chaincode_events() as events, gateway.block_events(0) as blocks:
            await asyncio.to_thread(act, "one")
            seen = [await anext(events)]
            await asyncio.to_thread(first.stop, 0.0)
            await asyncio.to_thread(act, "two")
            seen.append(await anext(events))
            numbers = [(await anext(blocks)).number for _ in range(served.ledger.height())]
        await transport.close()
        return seen, numbers

    seen, numbers = blocking() if face == "blocking" else asyncio.run(asynchronous())
    assert seen[0].chaincode == "fedpact"
    assert [event.block_number for event in seen] == [served.ledger.height() - 2, served.ledger.height() - 1]
    assert numbers == list(range(served.ledger.height()))


def test_all_kinds_of_blocks_and_requests_signed_elsewhere(served):
    address = parse_address(served.url(served.serve()))
    with contextlib.closing(address.transport()) as transport:
        gateway = Gateway(transport, served.alpha, tls_certificate_hash=address.certificate_hash)
        with gateway.block_events(0) as whole, gateway.filtered_block_events(0) as filtered:
            for number, data in enumerate(served.ledger.blocks()):
                block, outline = next(whole), next(filtered)
                assert (block.number, block.data) == (number, data)
                codes = bytes(one.code for one in outline.transactions)
                assert codes == (block.parsed.filter if number else codes)
        with gateway.block_and_private_data_events(1) as both:
            assert next(both).number == 1
        request = gateway.new_events_request(BLOCKS, 1)
        signature = served.alpha.sign(request.message)
        with gateway.signed_events_request(BLOCKS, request.to_bytes(), signature).events() as events:
            assert next(events).number == 1


def test_events_in_the_nodes_own_process(served):
    gateway = Gateway(served.ledger.transport(), served.alpha, retries=RETRIES)
    with gateway.chaincode_events() as events, gateway.block_events(0) as blocks:
        with connect(served.ledger, identity=served.alpha) as session:
            session.council.register_node(NodeKind.PROVIDER)
        assert next(events).block_number == served.ledger.height() - 1
        assert [next(blocks).number for _ in range(3)] == [0, 1, 2]
    waiting = gateway.chaincode_events()
    threading.Timer(0.1, waiting.close).start()
    assert list(waiting) == []


def test_the_local_socket_has_no_events(served):
    with contextlib.closing(LocalTransport(served.ledger.local_address())) as transport:
        with pytest.raises(EventsError) as caught:
            next(Gateway(transport, served.alpha, retries=RETRIES).chaincode_events())
        assert caught.value.status is Status.UNIMPLEMENTED
