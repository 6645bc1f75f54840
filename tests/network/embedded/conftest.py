"""A small consortium on an embedded node, with every stage of a transaction in the test's own hands."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from fedpact.gateway.transport import Transport
from fedpact.identity import CertificateAuthority, Identity
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact.wire.proposals import build_proposal
from fedpact_chaincode.chaincode import Response
from fedpact_chaincode.stub import Stub
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
from fedpact_network.embedded.recovery import found, recover
from fedpact_network.embedded.sites import find_site
from fedpact_network.embedded.store import Store
from fedpact_network.embedded.submission import Submission

CHANNEL = "consortium"
WAIT_S = 20.0


class KeyValue:
    """A contract straight on the stub; the arguments are the operation and its operands."""

    version = "1"

    def invoke(self, stub: Stub) -> Response:
        operation, *operands = [arg.decode() for arg in stub.args]
        try:
            return getattr(self, f"_{operation}")(stub, *operands)
        except LookupError as error:
            return Response(404, str(error))

    def _create(self, stub: Stub, key: str, value: str) -> Response:
        if stub.get_state(key) is not None:
            return Response(409, "there is such a key already")
        stub.put_state(key, value.encode())
        stub.set_event("created", key.encode())
        return Response(200, "", b"ok")

    def _put(self, stub: Stub, key: str, value: str) -> Response:
        stub.put_state(key, value.encode())
        return Response(200, "", b"ok")

    def _read(self, stub: Stub, key: str) -> Response:
        value = stub.get_state(key)
        return Response(200, "", value) if value is not None else Response(404, "not found")

    def _append(self, stub: Stub, key: str, value: str) -> Response:
        stub.put_state(key, (stub.get_state(key) or b"") + value.encode())
        stub.set_event("appended", value.encode())
        return Response(200, "", stub.get_state(key) or b"nothing")

    def _grow(self, stub: Stub, key: str) -> Response:
        stub.put_state(key, (stub.get_state(key) or b"") + b"x")
        return Response(200)

    def _delete(self, stub: Stub, key: str) -> Response:
        stub.delete_state(key)
        return Response(200)

    def _range(self, stub: Stub, start: str, end: str) -> Response:
        rows = {key: value.decode() for key, value in stub.get_state_by_range(start, end)}
        return Response(200, "", json.dumps(rows).encode())

    def _count(self, stub: Stub, start: str, end: str, target: str) -> Response:
        stub.put_state(target, str(sum(1 for _ in stub.get_state_by_range(start, end))).encode())
        return Response(200)

    def _first(self, stub: Stub, start: str, end: str, target: str) -> Response:
        key, value = next(iter(stub.get_state_by_range(start, end)))
        stub.put_state(target, key.encode() + b"=" + value)
        return Response(200)

    def _history(self, stub: Stub, key: str) -> Response:
        changes = [(c.transaction_id, c.value and c.value.decode()) for c in stub.get_history_for_key(key)]
        return Response(200, "", json.dumps(changes).encode())

    def _refuse(self, stub: Stub) -> Response:
        stub.put_state("trace", b"x")
        return Response(403, "refused")

    def _secret(self, stub: Stub) -> Response:
        return Response(200, "", stub.transient["secret"])


class HandOrderer:
    """An orderer whose blocks are cut by the test."""

    def __init__(self) -> None:
        self.waiting: list[Submission] = []

    def start(self, deliver: Callable[[Sequence[Submission]], None]) -> None:
        self.deliver = deliver

    def submit(self, submission: Submission) -> None:
        self.waiting.append(submission)

    def holds(self, tx_id: str) -> bool:
        return any(submission.tx_id == tx_id for submission in self.waiting)

    def cut(self) -> None:
        batch, self.waiting = self.waiting, []
        self.deliver(batch)

    def close(self) -> None:
        pass


@dataclass
class Prepared:
    """An endorsed envelope that its creator has not signed yet."""

    tx_id: str
    envelope: common_pb2.Envelope
    creator: Identity

    def signed(self) -> bytes:
        self.envelope.signature = self.creator.sign(self.envelope.payload)
        return self.envelope.SerializeToString()


@dataclass
class World:
    """Organisations, their people, and the node that serves them."""

    folder: Path
    endorsement: str = "MAJORITY Endorsement"
    organisations: int = 3
    batch: BatchRules = field(default_factory=BatchRules)
    offset_ns: int = 0
    opened: list[EmbeddedLedger] = field(default_factory=list)

    def __post_init__(self) -> None:
        numbers = range(1, self.organisations + 1)
        self.authorities = {
            f"Org{n}MSP": CertificateAuthority.create(f"org{n}", f"Org{n}MSP") for n in numbers
        }
        self.people = {
            mspid: authority.issue("alice", role="member") for mspid, authority in self.authorities.items()
        }
        self.peers = [ca.issue("peer0", role=None, ou="peer") for ca in self.authorities.values()]
        self.alice = self.people["Org1MSP"]
        self.counter = itertools.count()

    @property
    def url(self) -> str:
        return f"embedded://{self.folder}/ledger.db"

    @property
    def path(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def config(self) -> ChannelConfig:
        members = tuple(Organisation(ca.mspid, (ca.certificate_pem,)) for ca in self.authorities.values())
        return ChannelConfig(CHANNEL, members, endorsement=self.endorsement, batch=self.batch)

    def clock_ns(self) -> int:
        return time.time_ns() + self.offset_ns

    def orderer(self) -> Identity:
        return self.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer")

    def create(self, peers: Sequence[Identity] | None = None) -> EmbeddedLedger:
        ledger = EmbeddedBackend.create(
            self.url,
            self.config,
            peers=self.peers if peers is None else peers,
            orderer=self.orderer(),
            clock_ns=self.clock_ns,
            chaincodes={"kv": KeyValue()},
        )
        self.opened.append(ledger)
        return ledger

    def open(self) -> EmbeddedLedger:
        ledger = EmbeddedBackend.open(self.url, clock_ns=self.clock_ns, chaincodes={"kv": KeyValue()})
        self.opened.append(ledger)
        return ledger

    def by_hand(self, **changes: object) -> tuple[EmbeddedLedger, HandOrderer]:
        """A new ledger whose blocks the test cuts; `changes` are of the node's settings."""
        store, orderer = Store(find_site(self.url).create()), HandOrderer()
        found(store, self.config)
        keys = NodeKeys.of(self.peers, self.orderer())
        settings = replace(NodeSettings(recover(store), keys, {"kv": KeyValue()}, self.clock_ns), **changes)
        ledger = EmbeddedLedger(self.url, EmbeddedNode(store, settings, orderer=orderer))
        self.opened.append(ledger)
        return ledger, orderer

    def client(self, ledger: EmbeddedLedger, who: Identity | None = None) -> Client:
        return Client(ledger.transport(), who or self.alice, self.clock_ns)

    def close(self) -> None:
        for ledger in self.opened:
            ledger.close()


@dataclass(frozen=True)
class Client:
    """The stages of a transaction over a transport, as raw messages."""

    transport: Transport
    identity: Identity
    clock_ns: Callable[[], int]
    chaincode: str = "kv"
    channel: str = CHANNEL

    def changed(self, **changes: object) -> Client:
        return replace(self, **changes)

    def proposal(
        self, *args: str, transient: dict[str, bytes] | None = None
    ) -> tuple[str, proposal_pb2.SignedProposal]:
        built = build_proposal(
            self.identity.creator,
            channel_id=self.channel,
            chaincode=self.chaincode,
            args=[arg.encode() for arg in args],
            timestamp_ns=self.clock_ns(),
            transient=transient or {},
        )
        signature = self.identity.sign(built.proposal_bytes)
        return built.transaction_id, proposal_pb2.SignedProposal(
            proposal_bytes=built.proposal_bytes, signature=signature
        )

    def evaluate_signed(self, signed: proposal_pb2.SignedProposal) -> bytes:
        request = gateway_pb2.EvaluateRequest(channel_id=self.channel, proposed_transaction=signed)
        reply = self.transport.evaluate(request.SerializeToString(), timeout_s=WAIT_S)
        return gateway_pb2.EvaluateResponse.FromString(reply).result.payload

    def evaluate(self, *args: str, transient: dict[str, bytes] | None = None) -> bytes:
        return self.evaluate_signed(self.proposal(*args, transient=transient)[1])

    def endorse_signed(
        self, tx_id: str, signed: proposal_pb2.SignedProposal, orgs: Sequence[str] = ()
    ) -> Prepared:
        request = gateway_pb2.EndorseRequest(
            transaction_id=tx_id,
            channel_id=self.channel,
            proposed_transaction=signed,
            endorsing_organizations=orgs,
        )
        reply = self.transport.endorse(request.SerializeToString(), timeout_s=WAIT_S)
        envelope = gateway_pb2.EndorseResponse.FromString(reply).prepared_transaction
        return Prepared(tx_id, envelope, self.identity)

    def endorse(
        self, *args: str, orgs: Sequence[str] = (), transient: dict[str, bytes] | None = None
    ) -> Prepared:
        return self.endorse_signed(*self.proposal(*args, transient=transient), orgs=orgs)

    def submit_envelope(self, envelope: bytes) -> None:
        request = gateway_pb2.SubmitRequest(
            channel_id=self.channel, prepared_transaction=common_pb2.Envelope.FromString(envelope)
        )
        self.transport.submit(request.SerializeToString(), timeout_s=WAIT_S)

    def submit(self, *args: str) -> str:
        """Endorse, sign and submit; do not wait."""
        prepared = self.endorse(*args)
        self.submit_envelope(prepared.signed())
        return prepared.tx_id

    def status(self, tx_id: str, timeout_s: float = WAIT_S) -> tuple[ValidationCode, int]:
        request = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=self.channel, identity=self.identity.creator
        ).SerializeToString()
        signed = gateway_pb2.SignedCommitStatusRequest(request=request, signature=self.identity.sign(request))
        reply = self.transport.commit_status(signed.SerializeToString(), timeout_s=timeout_s)
        status = gateway_pb2.CommitStatusResponse.FromString(reply)
        return ValidationCode(status.result), status.block_number

    def run(self, *args: str) -> tuple[ValidationCode, int]:
        """Take a transaction through all stages."""
        return self.status(self.submit(*args))


def codes(ledger: EmbeddedLedger) -> list[list[ValidationCode]]:
    """The validation codes of every block after the genesis block."""
    return [[ValidationCode(code) for code in parse_block(data).filter] for data in ledger.blocks(1)]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(**settings: object) -> World:
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


@pytest.fixture
def block_codes() -> Callable[[EmbeddedLedger], list[list[ValidationCode]]]:
    return codes
