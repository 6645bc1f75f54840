"""Where a benchmark takes place: a fresh embedded ledger on the disk, and one client of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedpact.gateway.client import Gateway
from fedpact.identity import CertificateAuthority
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact_loadtest import creates
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger

CHANNEL = "consortium"


@dataclass(frozen=True, slots=True)
class Venue:
    """A ledger with the benchmark's chaincode, and a client that may call it."""

    ledger: EmbeddedLedger
    gateway: Gateway


@contextmanager
def open_venue(folder: Path, *, organisations: int, endorsements: int) -> Iterator[Venue]:
    """Create `ledger.db` in a folder and issue the identities; close the ledger afterwards.

    Parameters
    ----------
    folder : an existing folder without a ledger.
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
        tuple(
            Organisation(authority.mspid, (authority.certificate_pem,))
            for authority in authorities
        ),
        endorsement=f"OutOf({endorsements}, {principals})",
    )
    ledger = EmbeddedBackend.create(
        f"embedded://{(folder / 'ledger.db').absolute()}",
        config,
        peers=[authority.issue("peer0", role=None, ou="peer") for authority in authorities],
        orderer=authorities[0].issue("orderer0", role=None, ou="orderer"),
        chaincodes={creates.NAME: creates.chaincode()},
    )
    client = authorities[0].issue("client", role="member")
    with ledger:
        yield Venue(ledger, Gateway(ledger.transport(), client, channel_id=CHANNEL, chaincode=creates.NAME))
