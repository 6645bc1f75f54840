"""A ledger served by a process of its own, on loopback with TLS, and its clients in processes of theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedpact.gateway.client import Gateway
from fedpact.gateway.grpc_channel import ChannelSettings, Tls
from fedpact.gateway.grpc_transport import GrpcTransport
from fedpact.identity import Identity, PrivateKeySigner
from fedpact_loadtest.children import Child
from fedpact_loadtest.client_process import ClientDone, ClientOrder, Front, Turn
from fedpact_loadtest.credentials import write_identity, write_tls
from fedpact_loadtest.in_flight import merged, shares
from fedpact_loadtest.node_process import NodeOrder, NodeQuestion, NodeSpent, NodeStarted
from fedpact_loadtest.venue import CHANNEL, Venue, ledger_url, open_venue


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files that a client needs: who it is, and whom it trusts."""

    mspid: str
    certificate: Path
    key: Path
    roots: Path


@dataclass(frozen=True, slots=True)
class ServedNode:
    """A node in a process of its own.

    Attributes
    ----------
    address : `localhost:port`.
    open_s : how long opening the ledger and beginning to serve took, seconds.
    credentials : of its client.
    """

    process: Child
    address: str
    open_s: float
    credentials: Credentials

    def spent(self, *, timing: bool = False) -> NodeSpent:
        """Return what it has spent so far, and switch the timing of its calls."""
        return self.process.ask(NodeQuestion(timing), NodeSpent)

    @contextmanager
    def gateway(self, chaincode: str) -> Iterator[Gateway]:
        """Yield its client's gateway, in this process, over Fabric's methods."""
        known = self.credentials
        signer = PrivateKeySigner.from_pem(known.key.read_bytes(), None)
        client = Identity(known.mspid, known.certificate.read_bytes(), signer)
        settings = ChannelSettings(tls=Tls.load(roots=known.roots))
        with closing(GrpcTransport(self.address, settings)) as transport:
            yield Gateway(transport, client, channel_id=CHANNEL, chaincode=chaincode)


@contextmanager
def found_and_serve(
    folder: Path, *, organisations: int, endorsements: int, stages: bool = False
) -> Iterator[ServedNode]:
    """Create `ledger.db` in a folder and serve it; end the node afterwards.

    Parameters
    ----------
    folder, organisations, endorsements : as for `open_venue`.
    stages : whether the node's calls can be timed.
    """
    with open_venue(folder, organisations=organisations, endorsements=endorsements) as venue:
        credentials, tls_key = write_credentials(folder, venue)
    with serve_ledger(ledger_url(folder), credentials, tls_key, stages=stages) as node:
        yield node


def write_credentials(folder: Path, venue: Venue) -> tuple[Credentials, Path]:
    """Write the files of a node and its client; return them, and the node's TLS key."""
    roots, tls_key = write_tls(folder / "client")
    certificate, key = write_identity(folder / "client", venue.client)
    return Credentials(venue.client.mspid, certificate, key, roots), tls_key


@contextmanager
def serve_ledger(
    url: str, credentials: Credentials, tls_key: Path, *, stages: bool = False
) -> Iterator[ServedNode]:
    """Serve a ledger that nobody has open; end the node afterwards."""
    with Child([sys.executable, "-m", "fedpact_loadtest.node_process"]) as process:
        order = NodeOrder(url, str(credentials.roots), str(tls_key), stages)
        started = process.ask(order, NodeStarted)
        yield ServedNode(process, started.address, started.open_s, credentials)


class Clients:
    """Processes that keep transactions in flight together.

    Parameters
    ----------
    node : whom they call.
    front : over which interface.
    number : of processes; at most `in_flight`.
    in_flight : transactions of all of them.
    value_bytes : what each transaction writes.
    """

    def __init__(
        self, node: ServedNode, front: Front, *, number: int, in_flight: int, value_bytes: int
    ) -> None:
        known = node.credentials
        with ExitStack() as stack:
            self._processes = [
                stack.enter_context(Child([sys.executable, "-m", "fedpact_loadtest.client_process"]))
                for _ in range(number)
            ]
            for process, share in zip(self._processes, shares(in_flight, number), strict=True):
                process.send(
                    ClientOrder(
                        node.address,
                        str(known.roots),
                        known.mspid,
                        str(known.certificate),
                        str(known.key),
                        front,
                        share,
                        value_bytes,
                    )
                )
            self._stack = stack.pop_all()

    def run(self, turn: Turn) -> ClientDone:
        """Let all run a turn; return what became of it."""
        for number, process in enumerate(self._processes):
            process.send(Turn(f"{turn.name}-c{number}", turn.seconds, turn.timing))
        done = [process.receive(ClientDone) for process in self._processes]
        return ClientDone(
            merged([one.outcomes for one in done], sum(one.outcomes.cpu_s for one in done)),
            _summed([one.calls for one in done]),
            _summed([one.threads for one in done]),
        )

    def close(self) -> None:
        """End the processes."""
        self._stack.close()

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _summed(parts: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: sum(part.get(name, 0.0) for part in parts) for name in sorted({n for p in parts for n in p})
    }
