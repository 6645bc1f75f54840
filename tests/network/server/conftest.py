"""A served node over TLS, and raw gRPC calls to it."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_pb2

from fedpact.identity import CertificateAuthority, Identity
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact.wire.proposals import build_proposal
from fedpact_chaincode.chaincode import Response
from fedpact_chaincode.stub import Stub
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.server.server import NodeServer, serve
from fedpact_network.server.settings import ServerSettings, Tls

CHANNEL = "consortium"
WAIT_S = 20.0


class KeyValue:
    """Creates keys, refuses, and takes its time."""

    version = "1"

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def invoke(self, stub: Stub) -> Response:
        operation, *operands = [arg.decode() for arg in stub.args]
        if operation == "create":
            stub.put_state(operands[0], operands[1].encode())
            stub.set_event("created", operands[0].encode())
        elif operation == "read":
            return Response(200, "", stub.get_state(operands[0]) or b"")
        elif operation == "refuse":
            return Response(403, "refused")
        elif operation == "wait":
            self.entered.release()
            self.go_on.wait(WAIT_S)
        return Response(200, "", b"ok")


class TlsAuthority:
    """Issues TLS certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self._certify(self._name, self._key.public_key(), authority=True)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return certificate and key, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._certify(subject, key.public_key(), authority=False), pem

    def _certify(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Caller:
    """One client's connection: raw calls with serialised messages."""

    channel: grpc.Channel
    identity: Identity

    def call(self, method: str, request: bytes, *, timeout_s: float = WAIT_S, **more: Any) -> bytes:
        return self.channel.unary_unary(method)(request, timeout=timeout_s, **more)

    def proposal(
        self,
        *args: str,
        chaincode: str = "kv",
        channel: str = CHANNEL,
        transient: dict[str, bytes] | None = None,
    ) -> Any:
        built = build_proposal(
            self.identity.creator,
            channel_id=channel,
            chaincode=chaincode,
            args=[arg.encode() for arg in args],
            timestamp_ns=time.time_ns(),
            transient=transient or {},
        )
        signed = proposal_pb2.SignedProposal(
            proposal_bytes=built.proposal_bytes, signature=self.identity.sign(built.proposal_bytes)
        )
        return built.transaction_id, signed

    def evaluate(self, *args: str, timeout_s: float = WAIT_S, **place: str) -> bytes:
        tx_id, signed = self.proposal(*args, **place)
        request = gateway_pb2.EvaluateRequest(
            transaction_id=tx_id, channel_id=CHANNEL, proposed_transaction=signed
        )
        reply = self.call("/gateway.Gateway/Evaluate", request.SerializeToString(), timeout_s=timeout_s)
        return gateway_pb2.EvaluateResponse.FromString(reply).result.payload

    def endorse(
        self, *args: str, organisations: tuple[str, ...] = (), **place: Any
    ) -> tuple[str, common_pb2.Envelope]:
        tx_id, signed = self.proposal(*args, **place)
        request = gateway_pb2.EndorseRequest(
            transaction_id=tx_id,
            channel_id=CHANNEL,
            proposed_transaction=signed,
            endorsing_organizations=organisations,
        )
        reply = self.call("/gateway.Gateway/Endorse", request.SerializeToString())
        envelope = gateway_pb2.EndorseResponse.FromString(reply).prepared_transaction
        envelope.signature = self.identity.sign(envelope.payload)
        return tx_id, envelope

    def submit(self, *args: str) -> str:
        tx_id, envelope = self.endorse(*args)
        request = gateway_pb2.SubmitRequest(
            transaction_id=tx_id, channel_id=CHANNEL, prepared_transaction=envelope
        )
        self.call("/gateway.Gateway/Submit", request.SerializeToString())
        return tx_id

    def asked(self, tx_id: str) -> bytes:
        request = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=CHANNEL, identity=self.identity.creator
        ).SerializeToString()
        signed = gateway_pb2.SignedCommitStatusRequest(request=request, signature=self.identity.sign(request))
        return signed.SerializeToString()

    def status(self, tx_id: str, timeout_s: float = WAIT_S) -> gateway_pb2.CommitStatusResponse:
        reply = self.call("/gateway.Gateway/CommitStatus", self.asked(tx_id), timeout_s=timeout_s)
        return gateway_pb2.CommitStatusResponse.FromString(reply)

    def run(self, *args: str) -> str:
        """Take a transaction through all stages; return its id."""
        tx_id = self.submit(*args)
        assert self.status(tx_id).result == ValidationCode.VALID
        return tx_id

    def seek(
        self, seek: ab_pb2.SeekInfo | bytes, *, channel: str = CHANNEL, certificate_hash: bytes = b""
    ) -> bytes:
        """Return a signed request for blocks."""
        header = common_pb2.ChannelHeader(
            type=common_pb2.DELIVER_SEEK_INFO, channel_id=channel, tls_cert_hash=certificate_hash
        )
        header.timestamp.GetCurrentTime()
        creator = common_pb2.SignatureHeader(creator=self.identity.creator)
        payload = common_pb2.Payload(
            header=common_pb2.Header(
                channel_header=header.SerializeToString(), signature_header=creator.SerializeToString()
            ),
            data=seek if isinstance(seek, bytes) else seek.SerializeToString(),
        ).SerializeToString()
        return common_pb2.Envelope(payload=payload, signature=self.identity.sign(payload)).SerializeToString()


@dataclass
class Site:
    """A consortium of two organisations, its ledger, and servers of it."""

    folder: Path
    batch: BatchRules = field(default_factory=BatchRules)

    def __post_init__(self) -> None:
        self.authorities = [CertificateAuthority.create(f"org{n}", f"Org{n}MSP") for n in (1, 2)]
        self.alice = self.authorities[0].issue("alice", role="member")
        self.bob = self.authorities[1].issue("bob", role="member")
        self.contract = KeyValue()
        self.tls = TlsAuthority("tls.org1")
        self.certificate, self.key = self.tls.issue("localhost")
        self.ledger = self._create()
        self._open: list[Any] = []

    @property
    def url(self) -> str:
        return f"embedded://{self.folder}/ledger.db"

    def _create(self) -> EmbeddedLedger:
        organisations = tuple(Organisation(ca.mspid, (ca.certificate_pem,)) for ca in self.authorities)
        return EmbeddedBackend.create(
            self.url,
            ChannelConfig(
                CHANNEL, organisations, endorsement="OR('Org1MSP.peer', 'Org2MSP.peer')", batch=self.batch
            ),
            peers=[ca.issue("peer0", role=None, ou="peer") for ca in self.authorities],
            orderer=self.authorities[0].issue("orderer0", role=None, ou="orderer"),
            chaincodes={"kv": self.contract},
        )

    def serve(self, *, client_roots: bytes = b"", bind_clients: bool = False, **settings: Any) -> NodeServer:
        tls = Tls(
            certificate=self.certificate, key=self.key, client_roots=client_roots, bind_clients=bind_clients
        )
        server = serve(self.ledger, ServerSettings(**{"listen": "localhost:0", "tls": tls, **settings}))
        self._open.append(server.stop)
        return server

    def caller(
        self, server: NodeServer, who: Identity | None = None, pair: tuple[bytes, bytes] | None = None
    ) -> Caller:
        certificate, key = pair or (None, None)
        credentials = grpc.ssl_channel_credentials(self.tls.root, key, certificate)
        options = [("grpc.max_receive_message_length", 100 << 20)]
        channel = grpc.secure_channel(server.address, credentials, options)
        self._open.append(channel.close)
        return Caller(channel, who or self.alice)

    def closing(self, close: Callable[[], object]) -> None:
        """Have something closed with the site."""
        self._open.append(close)

    def close(self) -> None:
        self.contract.go_on.set()
        for close in reversed(self._open):
            close()
        self.ledger.close()


def refused(call: Callable[..., Any], *args: Any, **more: Any) -> grpc.RpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **more)
    return caught.value


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**settings: Any) -> Site:
        folder = tmp_path / f"site{len(sites)}"
        folder.mkdir()
        sites.append(Site(folder, **settings))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def refusal() -> Callable[..., grpc.RpcError]:
    return refused
