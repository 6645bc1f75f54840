"""A consortium on the disk for tests that kill: who is a member, where its node keeps its ledger.

folder/ledger.db ...     what the node writes (another URL may be given)
folder/wallet/alice.id   the client's identity
folder/address           where the node is at present, replaced at every start
folder/told.*.jsonl      what clients were told, see `told`
folder/listen, follows   where its server listens, and whom it follows, where there are two nodes
folder/stop              clients finish what they have begun, then end
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fedpact.gateway.transport import Transport
from fedpact.identity import CertificateAuthority, Identity, Wallet
from fedpact.ledger import inspect_ledger
from fedpact.testing import probe
from fedpact.wire.config import BatchRules, ChannelConfig, Organisation
from fedpact_network.embedded.backend import EmbeddedBackend

CHANNEL = "consortium"
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Place:
    """Where everything of one run lies; made anew from its folder by every process."""

    folder: Path

    @property
    def ledger_file(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def url(self) -> str:
        """The ledger's address, as kept by `found`."""
        return (self.folder / "url").read_text()

    @property
    def listen(self) -> str:
        """Where its node's server listens."""
        fixed = self.folder / "listen"
        return fixed.read_text() if fixed.exists() else "localhost:0"

    @property
    def follows(self) -> str:
        """Where the node is that its node follows; empty where it orders itself."""
        other = self.folder / "follows"
        return other.read_text() if other.exists() else ""

    @property
    def address(self) -> str:
        return (self.folder / "address").read_text()

    def move_to(self, address: str) -> None:
        """Tell clients where the node is now."""
        new = self.folder / "address.new"
        new.write_text(address)
        new.replace(self.folder / "address")

    def stop_clients(self) -> None:
        (self.folder / "stop").touch()

    @property
    def stopping(self) -> bool:
        return (self.folder / "stop").exists()

    @property
    def alice(self) -> Identity:
        return Wallet(self.folder / "wallet").get("alice")


def found(folder: Path, url: str | None = None, *, endorsement: str = "MAJORITY Endorsement") -> Place:
    """Found a consortium of two and its ledger, by default in a file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder)
    (folder / "url").write_text(url or f"embedded://{place.ledger_file}")
    place.move_to(f"unix://{folder}/none.sock")
    authorities = [CertificateAuthority.create(f"org{n}", f"Org{n}MSP") for n in (1, 2)]
    Wallet(folder / "wallet").put("alice", authorities[0].issue("alice", role="member"))
    members = tuple(Organisation(ca.mspid, (ca.certificate_pem,)) for ca in authorities)
    EmbeddedBackend.create(
        place.url,
        ChannelConfig(CHANNEL, members, endorsement=endorsement, batch=BatchRules(max_messages=100)),
        peers=[ca.issue("peer0", role=None, ou="peer") for ca in authorities],
        orderer=authorities[0].issue("orderer0", role=None, ou="orderer"),
        chaincodes={probe.NAME: probe.chaincode()},
    ).close()
    return place


def join(folder: Path, first: Place, listen: str) -> Place:
    """Let a second node, of the second organisation, follow the first one."""
    from fedpact_network.embedded.keys import NodeKeys
    from fedpact_network.embedded.sites import find_site
    from fedpact_network.peering.following import join_ledger

    folder.mkdir()
    place = Place(folder)
    (folder / "url").write_text(f"embedded://{place.ledger_file}")
    (folder / "listen").write_text(listen)
    (folder / "follows").write_text(first.listen)
    place.move_to(f"unix://{folder}/none.sock")
    Wallet(folder / "wallet").put("alice", first.alice)
    keys = NodeKeys.load(find_site(first.url).keys)
    with closing(inspect_ledger(first.url)) as ledger:
        genesis = next(iter(ledger.blocks()))
    join_ledger(place.url, genesis, "", NodeKeys.of([keys.peers["Org2MSP"]]))
    return place


def connect(address: str) -> Transport:
    """Return a transport to a node's address: `unix:///...` or `grpc://host:port`."""
    if address.startswith("unix://"):
        from fedpact.gateway.local import LocalTransport

        return LocalTransport(address)
    from fedpact.gateway.addresses import parse_address

    return parse_address(address).transport()


class CurrentNode:
    """A transport to wherever the node is at present; it follows the node through its lives."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._known: dict[str, Transport] = {}

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self._now().evaluate(request, timeout_s=timeout_s)

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self._now().endorse(request, timeout_s=timeout_s)

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self._now().submit(request, timeout_s=timeout_s)

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self._now().commit_status(request, timeout_s=timeout_s)

    def close(self) -> None:
        for transport in self._known.values():
            transport.close()

    def _now(self) -> Transport:
        address = self._place.address
        transport = self._known.get(address)
        if transport is None:
            transport = self._known.setdefault(address, connect(address))
        return transport


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a process of the run: sockets and other temporary files in its folder."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": path, **more}
