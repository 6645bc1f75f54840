"""A node in a process of its own: `python -m tests.chaos.node_process FOLDER [CHECKPOINT_BYTES]`.

Says `READY <address> <height>` when it serves, or `REFUSED <code>: <text>` and ends with 3 where its ledger
cannot be opened. Closes in order when its standard input ends, and says `CLOSED`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.chaos.founding import Place

from fedpact.ledger import LedgerError
from fedpact.testing import probe
from fedpact_network.embedded import database
from fedpact_network.embedded.backend import EmbeddedBackend


def main() -> int:
    place = Place(Path(sys.argv[1]))
    if len(sys.argv) > 2:  # so that short lives see the log folded in, too
        assert database.CHECKPOINT_BYTES
        database.CHECKPOINT_BYTES = int(sys.argv[2])
    try:
        ledger = EmbeddedBackend.open(place.url, chaincodes={probe.NAME: probe.chaincode()})
    except LedgerError as error:
        print(f"REFUSED {error}", flush=True)
        return 3
    print(f"READY {ledger.local_address()} {ledger.height()}", flush=True)
    sys.stdin.read()
    ledger.close()
    print("CLOSED", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
