"""A second node on the channel of a target, which is offered blocks."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.defects import Defect, place_of

from fedpact.audit import Check, audit
from fedpact.ledger import inspect_ledger
from fedpact.validation import BlockError
from fedpact.wire.blocks import parse_block
from fedpact.wire.errors import WireError
from fedpact_network.embedded.backend import hold, run
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.keys import NodeKeys
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.embedded.node import EmbeddedNode
from fedpact_network.embedded.orderer import Deliver
from fedpact_network.embedded.sites import find_site
from fedpact_network.embedded.submission import Submission
from fedpact_network.peering.following import join_ledger

if TYPE_CHECKING:
    from tests.fuzz.target import Target


class Nobody:
    """Orders nothing: the blocks come from the fuzzer."""

    def start(self, deliver: Deliver) -> None:
        """Nothing is delivered."""

    def submit(self, submission: Submission) -> None:
        raise Refusal(RefusalCode.STOPPED, "nobody orders here")

    def holds(self, tx_id: str) -> bool:
        return False

    def close(self) -> None:
        """There is nothing to stop."""


class Elsewhere:
    """A follower without a connection: the fuzzer brings the blocks.

    Parameters
    ----------
    target : whose channel it is in.
    name : of its folders.
    """

    ledger: EmbeddedLedger

    def __init__(self, target: Target, name: str) -> None:
        self._name = name
        self._folder = Path(target.folder.name)
        self._number = 0
        self._open = False
        self.begin(target)

    def begin(self, target: Target) -> None:
        """Begin anew, with the genesis block."""
        self.close()
        self._number += 1
        self.url = f"embedded://{self._folder}/{self._name}{self._number}/ledger.db"
        join_ledger(self.url, next(iter(target.ledger.blocks())), "", NodeKeys.of(target.peers[1:2]))
        site = find_site(self.url)
        self.ledger = run(
            site,
            hold(site),
            time.time_ns,
            target.chaincodes,
            start=lambda store, settings: EmbeddedNode(store, settings, orderer=Nobody()),
            orders=False,
        )
        self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            self.ledger.close()

    def append(self, data: bytes) -> None:
        """Append a block that belongs here."""
        try:
            self.ledger.node._committer.append(data)
        except Exception as error:
            raise Defect(place_of(error), f"a good block was refused: {error!r}") from error

    def offer(self, data: bytes, *, genuine: bytes) -> bool:
        """Offer a block that may be damaged; return whether it was appended.

        Parameters
        ----------
        genuine : header hash of the block that it was: no other may be appended. Empty: any.
        """
        before = self.ledger.height(), self.ledger.state_hash()
        try:
            self.ledger.node._committer.append(data)
        except (BlockError, WireError) as error:
            if (self.ledger.height(), self.ledger.state_hash()) != before:
                raise Defect("follower", "a refused block changed the ledger") from error
            return False
        except Exception as error:
            raise Defect(place_of(error), f"append raised {error!r}") from error
        stored = next(iter(self.ledger.blocks(before[0])))
        if genuine and parse_block(stored).hash != genuine:
            raise Defect("follower", "it appended what no orderer signed")
        return True

    def follow(self, target: Target) -> None:
        """Take all blocks; raise `Defect` unless this leads to the same state."""
        for data in target.ledger.blocks(self.ledger.height()):
            self.append(data)
        if self.ledger.state_hash() != target.ledger.state_hash():
            raise Defect("follower", "it has another state")

    def holds_together(self) -> None:
        """Raise `Defect` unless an audit finds nothing."""
        with closing(inspect_ledger(self.url)) as ledger:
            found = [f for f in audit(ledger).findings if f.check is not Check.EXECUTION]
        if found:
            raise Defect("audit elsewhere", f"{len(found)} findings, the first: {found[0]}")
