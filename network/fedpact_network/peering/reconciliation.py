"""Private data that were missing when their block was committed: fetched later, from any member's node."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from fedpact.gateway.addresses import GrpcAddress
from fedpact.gateway.transport import TransportError
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import decode_private
from fedpact_network.embedded.errors import Refusal
from fedpact_network.embedded.private_delivery import collection_of
from fedpact_network.peering.block_source import BlockSource

if TYPE_CHECKING:
    from fedpact_network.embedded.node import EmbeddedNode
    from fedpact_network.embedded.notifier import Outcome
    from fedpact_network.embedded.private_supply import Missing
    from fedpact_network.peering.directory import Directory

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 60.0
BLOCKS = 50
"""Blocks that are asked for in one round; the next round goes on after them."""

_LIMIT = 10_000
_ANSWER_S = 10.0

Open = Callable[[GrpcAddress], BlockSource]
"""Makes a source of blocks with private data."""


class Reconciler:
    """Fetches what is missing here, in a thread of its own; a listener of the node's notifier.

    Every block wakes it. As long as something is missing that nobody supplies, its rounds become rarer.

    Parameters
    ----------
    node : what is missing there.
    directory : knows the members' nodes.
    open_source : makes a source of blocks with private data.
    """

    def __init__(self, node: EmbeddedNode, directory: Directory, open_source: Open) -> None:
        self._node = node
        self._directory = directory
        self._open = open_source
        self._news = threading.Event()
        self._ended = threading.Event()
        self._after = -1
        self._news.set()
        node.notifier.add(self)
        self._thread = threading.Thread(target=self._run, name="reconciliation", daemon=True)
        self._thread.start()

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Hear of a block."""
        self._news.set()

    def stopped(self, reason: str) -> None:
        """Hear that the node stops."""
        self._ended.set()
        self._news.set()

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._ended.is_set():
            try:
                supplied, left = self._round()
            except Exception:
                if self._ended.is_set():
                    return
                log.exception("private data cannot be fetched")
                supplied, left = 0, True
            if supplied:
                log.info("%d private write sets were fetched", supplied)
            if not left:
                self._news.wait()
                self._news.clear()
                wait_s = FIRST_WAIT_S
                self._ended.wait(FIRST_WAIT_S)
                continue
            wait_s = FIRST_WAIT_S if supplied else min(wait_s * 2, LONGEST_WAIT_S)
            self._ended.wait(wait_s)

    def _round(self) -> tuple[int, bool]:
        """Ask for the next blocks; return how many write sets came, and whether some may be missing still."""
        missing = self._node.missing_private(_LIMIT)
        later = [one for one in missing if one.block > self._after]
        by_block = [
            (number, list(group)) for number, group in groupby(later or missing, lambda one: one.block)
        ]
        supplied = 0
        for number, wanted in by_block[:BLOCKS]:
            supplied += self._fetch(number, wanted)
            self._after = number
            if self._ended.is_set():
                break
        return supplied, supplied < len(missing)

    def _fetch(self, number: int, wanted: Sequence[Missing]) -> int:
        """Ask members for a block until nothing of it is missing; return how many write sets came."""
        left = {(one.position, one.namespace, one.collection) for one in wanted}
        count = len(left)
        for place in self._members(wanted):
            if not left or self._ended.is_set():
                break
            source = self._open(place)
            try:
                private = source.block(number, _ANSWER_S).private
                for position in {position for position, _, _ in left}.intersection(private):
                    for rwset in decode_private(private[position]):
                        if (key := (position, rwset.namespace, rwset.collection)) in left:
                            self._node.supply_private(number, position, [rwset])
                            left.discard(key)
            except (TransportError, WireError, Refusal) as error:
                log.debug("no private data of block %d from %s: %s", number, place.url, error)
            finally:
                source.close()
        return count - len(left)

    def _members(self, wanted: Sequence[Missing]) -> Iterator[GrpcAddress]:
        """Yield the nodes of organisations that are members of the collections."""
        rules = self._node.channel.rules
        members: set[str] = set()
        with self._node.snapshots.view() as snapshot:
            for namespace, name in {(one.namespace, one.collection) for one in wanted}:
                found = collection_of(rules, snapshot, namespace, name)
                members |= set() if found is None else found.members
        for mspid, place in sorted(self._directory.places().items()):
            if mspid in members:
                yield place
