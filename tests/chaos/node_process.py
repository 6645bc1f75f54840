"""A node in a process of its own: `python -m tests.chaos.node_process FOLDER CHECKPOINT_BYTES DOOR`.

The door is `local` (a Unix socket), `grpc` or `batched` (one stream of calls over gRPC). A node that follows
another one, or is followed, has a fixed address in the file `listen`; whom it follows is in `follows`.

Says `READY <address> <height>` when it serves, or `REFUSED <code>: <text>` and ends with 3 where its ledger
cannot be opened. Closes in order when its standard input ends, and says `CLOSED`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.founding import Place

from fedpact.ledger import LedgerError
from fedpact.testing import probe
from fedpact_network.embedded import database_sqlite
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger


@contextmanager
def door(ledger: EmbeddedLedger, kind: str, listen: str) -> Iterator[str]:
    """Serve the ledger; yield the address for clients."""
    if kind == "local":
        yield ledger.local_address()
        return
    from fedpact_network.server.server import serve
    from fedpact_network.server.settings import ServerSettings

    with serve(ledger, ServerSettings(listen=listen)) as server:
        yield f"grpc://{server.address}{'?batched=1' if kind == 'batched' else ''}"


def opened(place: Place) -> EmbeddedLedger:
    """Open the ledger of a node that knows no other, or of one that follows another."""
    chaincodes = {probe.NAME: probe.chaincode()}
    if not place.follows:
        return EmbeddedBackend.open(place.url, chaincodes=chaincodes)
    from fedpact.gateway.addresses import parse_address
    from fedpact_network.peering.following import Peering, open_node

    return open_node(
        place.url, Peering(follow=parse_address(f"grpc://{place.follows}")), chaincodes=chaincodes
    )


def main() -> int:
    place = Place(Path(sys.argv[1]))
    assert database_sqlite.CHECKPOINT_BYTES
    database_sqlite.CHECKPOINT_BYTES = int(sys.argv[2])  # so that short lives see the log folded in, too
    try:
        ledger = opened(place)
    except LedgerError as error:
        print(f"REFUSED {error}", flush=True)
        return 3
    with door(ledger, sys.argv[3], place.listen) as address:
        print(f"READY {address} {ledger.height()}", flush=True)
        sys.stdin.read()
    ledger.close()
    print("CLOSED", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
