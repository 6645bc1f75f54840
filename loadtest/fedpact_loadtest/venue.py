"""Where a benchmark takes place: a fresh ledger, and one client of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fedpact.gateway.client import Gateway
from fedpact.identity import CertificateAuthority, Identity
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact_chaincode.chaincode import Chaincode
from fedpact_loadtest import creates, readings
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger

CHANNEL = "consortium"


@dataclass(frozen=True, slots=True)
class Venue:
    """A ledger with the benchmarks' chaincodes, and a client that may call it."""

    ledger: EmbeddedLedger
    client: Identity

    @property
    def gateway(self) -> Gateway:
        """The client's, in this process."""
        return self.gateway_to(creates.NAME)

    def gateway_to(self, chaincode: str) -> Gateway:
        """Return the client's gateway, in this process, to a chaincode."""
        return Gateway(self.ledger.transport(), self.client, channel_id=CHANNEL, chaincode=chaincode)


@contextmanager
def open_venue(place: Path | str, *, organisations: int, endorsements: int) -> Iterator[Venue]:
    """Create a ledger and issue the identities; close the ledger afterwards.

    Parameters
    ----------
    place : an existing folder without a ledger, which will hold `ledger.db`; or a ledger's URL.
    organisations : how many the channel has; the node plays a peer of each.
    endorsements : of how many different organisations every transaction needs one.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS.
    """
    authorities = [
        CertificateAuthority.create(f"org{number}", f"Org{number}MSP")
        for number in range(1, organisations + 1)
    ]
    principals = ", ".join(f"'{authority.mspid}.peer'" for authority in authorities)
    config = ChannelConfig(
        CHANNEL,
        tuple(Organisation(authority.mspid, (authority.certificate_pem,)) for authority in authorities),
        endorsement=f"OutOf({endorsements}, {principals})",
    )
    ledger = EmbeddedBackend.create(
        place if isinstance(place, str) else ledger_url(place),
        config,
        peers=[authority.issue("peer0", role=None, ou="peer") for authority in authorities],
        orderer=authorities[0].issue("orderer0", role=None, ou="orderer"),
        chaincodes=chaincodes(),
    )
    client = authorities[0].issue("client", role="member")
    with ledger:
        yield Venue(ledger, client)


def chaincodes() -> dict[str, Chaincode]:
    """Return the benchmarks' chaincodes by name."""
    return {creates.NAME: creates.chaincode(), readings.NAME: readings.chaincode()}


def ledger_url(folder: Path) -> str:
    """Return the URL of a folder's ledger."""
    return f"embedded://{(folder / 'ledger.db').absolute()}"


@contextmanager
def folder_or_temporary(folder: Path | None) -> Iterator[Path]:
    """Make a folder if there is none; without a name, a temporary one that is removed afterwards."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with TemporaryDirectory(prefix="fedpact-bench-") as name:
        yield Path(name)
