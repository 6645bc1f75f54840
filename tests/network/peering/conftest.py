"""A consortium of three organisations whose nodes reach each other over TLS, each with its own ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2
from tests.network.server.conftest import Caller, TlsAuthority
from tests.sdk.validation.conftest import definition_rows

from fedpact.audit.auditor import audit
from fedpact.gateway.addresses import GrpcAddress, parse_address
from fedpact.gateway.grpc_channel import Tls as ClientTls
from fedpact.identity import CertificateAuthority, Identity
from fedpact.wire.blocks import parse_block
from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.envelopes import Endorsement, assemble, endorse_message, response_payload
from fedpact.wire.envelopes import Response as Answer
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, Write, encode
from fedpact_chaincode.chaincode import Response
from fedpact_chaincode.stub import Stub
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.peering.following import Peering, join_ledger, open_node
from fedpact_network.server.server import NodeServer, serve
from fedpact_network.server.settings import ServerSettings, Tls

CHANNEL = "consortium"
WAIT_S = 20.0
MSPIDS = ("Org1MSP", "Org2MSP", "Org3MSP")


class KeyValue:
    """Reads and writes public and private keys; `seen` are the transient data that a peer was given."""

    version = "1"

    def __init__(self) -> None:
        self.seen: list[dict[str, bytes]] = []
        self.answer = b"ok"

    def invoke(self, stub: Stub) -> Response:
        operation, *operands = [arg.decode() for arg in stub.args]
        self.seen.append(dict(stub.transient))
        if operation == "put":
            stub.put_state(operands[0], operands[1].encode())
        elif operation == "add":
            stub.get_state(operands[0])
            stub.put_state(operands[0], operands[1].encode())
        elif operation == "mark":
            stub.put_state(operands[0], b"marked")
        elif operation == "read":
            return Response(200, "", stub.get_state(operands[0]) or b"")
        elif operation == "hide":
            stub.put_private_data(operands[0], operands[1], stub.transient["value"])
        elif operation == "reveal":
            return Response(200, "", stub.get_private_data(operands[0], operands[1]) or b"")
        elif operation == "refuse":
            return Response(403, "refused")
        return Response(200, "", self.answer)


@dataclass
class Node:
    """One node of the consortium: its ledger and its server, which can be stopped and started again."""

    world: World
    url: str
    peering: Peering
    contract: KeyValue = field(default_factory=KeyValue)
    address: str = "localhost:0"
    ledger: EmbeddedLedger | None = None
    server: NodeServer | None = None

    def start(self) -> Node:
        self.ledger = open_node(self.url, self.peering, chaincodes={"kv": self.contract})
        return self.served()

    def served(self) -> Node:
        certificate, key = self.world.certificate
        tls = Tls(certificate=certificate, key=key, client_roots=self.world.tls.root)
        self.server = serve(self.ledger, ServerSettings(listen=self.address, tls=tls))
        self.address = self.server.address
        return self

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(grace_s=2)
            self.server = None
        if self.ledger is not None:
            self.ledger.close()
            self.ledger = None

    def knows(self, **others: Node) -> Node:
        """Start again, with other nodes by the organisations whose peers they are."""
        self.stop()
        self.peering = replace(self.peering, peers={mspid: node.place for mspid, node in others.items()})
        return self.start()

    @property
    def place(self) -> GrpcAddress:
        """How the other nodes reach it."""
        return self.world.place(self.address)

    def caller(self, who: Identity | None = None) -> Caller:
        root, (certificate, key) = self.world.tls.root, self.world.client
        credentials = grpc.ssl_channel_credentials(root, key, certificate)
        channel = grpc.secure_channel(self.address, credentials)
        self.world.closing.append(channel.close)
        return Caller(channel, who or self.world.alice)

    def height(self) -> int:
        return self.ledger.height()

    def wait(self, height: int) -> None:
        assert self.ledger.node.notifier.wait_for_height(height, WAIT_S) >= height

    def commit_hash(self) -> bytes:
        [last] = list(self.ledger.blocks(self.height() - 1))
        return parse_block(last).commit_hash


@dataclass
class World:
    """The consortium."""

    folder: Path
    endorsement: str = "OR('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')"
    batch: BatchRules = field(default_factory=BatchRules)

    def __post_init__(self) -> None:
        self.authorities = {
            mspid: CertificateAuthority.create(f"org{n}", mspid) for n, mspid in enumerate(MSPIDS, 1)
        }
        self.peers = {
            mspid: ca.issue("peer0", role=None, ou="peer") for mspid, ca in self.authorities.items()
        }
        self.people = {mspid: ca.issue("alice", role="member") for mspid, ca in self.authorities.items()}
        self.alice = self.people["Org1MSP"]
        self.tls = TlsAuthority("tls.consortium")
        self.certificate, self.client = self.tls.issue("localhost"), self.tls.issue("client")
        self.nodes: list[Node] = []
        self.closing: list[Callable[[], object]] = []

    @property
    def config(self) -> ChannelConfig:
        organisations = tuple(
            Organisation(mspid, (ca.certificate_pem,)) for mspid, ca in self.authorities.items()
        )
        return ChannelConfig(CHANNEL, organisations, endorsement=self.endorsement, batch=self.batch)

    def place(self, *addresses: str) -> GrpcAddress:
        certificate, key = self.client
        tls = ClientTls(roots=self.tls.root, certificate=certificate, key=key)
        return parse_address(f"grpcs://{','.join(addresses)}", tls=tls)

    def ordering(self, *mspids: str, peers: dict[str, GrpcAddress] | None = None) -> Node:
        """Create the node that orders; it plays peers of these organisations, of Org1MSP by default."""
        url = f"embedded://{self.folder}/ordering/ledger.db"
        EmbeddedBackend.create(
            url,
            self.config,
            peers=[self.peers[mspid] for mspid in mspids or ("Org1MSP",)],
            orderer=self.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer"),
        ).close()
        return self._begin(Node(self, url, Peering(peers=peers or {})))

    def follower(
        self,
        ordering: Node,
        mspid: str,
        *,
        url: str = "",
        peers: dict[str, GrpcAddress] | None = None,
        start: bool = True,
    ) -> Node:
        """Let a node of an organisation join; with an empty MSP id a reader of Org1MSP."""
        url = url or f"embedded://{self.folder}/{mspid or 'reader'}/ledger.db"
        keys = NodeKeys.of([self.peers[mspid]]) if mspid else NodeKeys.of([], reader=self.alice)
        genesis = next(ordering.ledger.blocks())
        join_ledger(url, genesis, parse_block(genesis).hash.hex(), keys)
        node = Node(self, url, Peering(follow=ordering.place, peers=peers or {}))
        return self._begin(node) if start else node

    def _begin(self, node: Node) -> Node:
        self.nodes.append(node)
        return node.start()

    def settle(self, *nodes: Node) -> int:
        """Wait until all nodes are as high as the first; return how high that is."""
        height = (nodes or self.nodes)[0].height()
        for node in nodes or self.nodes:
            node.wait(height)
        return height

    def assert_equal(self, *nodes: Node) -> None:
        """All nodes have the same chain, state and verdicts, and audits find nothing."""
        nodes = nodes or tuple(self.nodes)
        self.settle(*nodes)
        assert len({node.ledger.state_hash() for node in nodes}) == 1
        assert len({node.commit_hash() for node in nodes}) == 1
        assert len({tuple(headers(node)) for node in nodes}) == 1
        for node in nodes:
            findings = [finding for finding in audit(node.ledger).findings if finding.check != "EXECUTION"]
            assert findings == []

    def three(self) -> tuple[Node, Node, Node]:
        """Return a node of each organisation, the first one ordering; all know each other."""
        first = self.ordering()
        second, third = self.follower(first, "Org2MSP"), self.follower(first, "Org3MSP")
        first.knows(Org2MSP=second, Org3MSP=third)
        second.knows(Org1MSP=first, Org3MSP=third)
        third.knows(Org1MSP=first, Org2MSP=second)
        return first, second, third

    def define(self, node: Node, *collections: CollectionTerms) -> None:
        """Have all organisations agree on `kv` with these collections."""
        terms = ChaincodeTerms(
            name="kv",
            sequence=1,
            version="1",
            policy="/Channel/Application/Endorsement",
            collections=collections,
        )
        writes = tuple(Write(key, value) for key, value in definition_rows(terms).items())
        built = build_proposal(
            self.alice.creator,
            channel_id=CHANNEL,
            chaincode=LIFECYCLE,
            args=[b"CommitChaincodeDefinition"],
            timestamp_ns=time.time_ns(),
        )
        proposal = parse_proposal(built.proposal_bytes)
        rwset = encode([NamespaceRwset(LIFECYCLE, writes=writes)])
        prp = response_payload(proposal, rwset, Answer(200), version="syscc")
        endorsements = [
            Endorsement(peer.creator, peer.sign(endorse_message(prp, peer.creator)))
            for peer in self.peers.values()
        ]
        envelope = assemble(proposal, prp, endorsements)
        envelope.signature = self.alice.sign(envelope.payload)
        tx_id = node.ledger.node.submit(envelope.SerializeToString())
        assert node.ledger.node.outcome(tx_id, WAIT_S).code is ValidationCode.VALID
        self.settle()

    def close(self) -> None:
        for close in self.closing:
            close()
        for node in reversed(self.nodes):
            node.stop()


def headers(node: Node) -> list[bytes]:
    return [common_pb2.Block.FromString(data).header.SerializeToString() for data in node.ledger.blocks()]


def until(condition: Callable[[], Any], what: str = "it does not come about") -> Any:
    """Wait until a condition holds; return its value."""
    import threading

    deadline_s = time.monotonic() + WAIT_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline_s, what
        threading.Event().wait(0.01)


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**settings: Any) -> World:
        folder = tmp_path / f"world{len(worlds)}"
        folder.mkdir()
        worlds.append(World(folder, **settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
