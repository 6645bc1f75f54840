"""Consistent views of the committed state, which neither wait for blocks nor hold them up.

After every block the block stage pins one database transaction on the new state; whoever begins a
simulation or a query takes that snapshot and keeps it until done. SQLite's write-ahead log can only be
folded in while nothing is pinned, so now and then the block stage waits a moment for that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fedpact.wire.commits import StateKey
from fedpact.wire.rwsets import Row
from fedpact_chaincode.stub import KeyModification
from fedpact_network.embedded.errors import Refusal, RefusalCode, check_process
from fedpact_network.embedded.history import history
from fedpact_network.embedded.reader import Place, Reader
from fedpact_network.embedded.state_cache import StateCache
from fedpact_network.embedded.store import Store

_DRAIN_S = 0.1
_SPARE_READERS = 4
_BLOCKS_UNTIL_RETRY = 64  # after a reader was in the way, so that a long query slows no block after it


class Snapshot:
    """The committed state at one height; used between `Snapshots.view`'s begin and end only.

    Attributes
    ----------
    height : number of blocks committed.
    reader : the pinned database view.
    """

    __slots__ = ("_cache", "height", "reader", "users")

    def __init__(self, height: int, reader: Reader, cache: StateCache) -> None:
        self.height = height
        self.reader = reader
        self.users = 0
        self._cache = cache

    def get(self, namespace: str, key: str) -> Row | None:
        """Return the row of a key."""
        place = (namespace, key)
        entry = self._cache.find(place, self.height)
        if entry is not None:
            return entry.row
        row = self.reader.get(namespace, key)
        self._cache.learn(place, row, self.height)
        return row

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in key order; an empty end is unbounded."""
        return self.reader.scan(namespace, start, end)

    def private(self, namespace: str, collection: str, key: str) -> Row | None:
        """Return a private row, if this node holds it."""
        return self.reader.private(namespace, collection, key)

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) of the private rows held here, bounds as for `scan`."""
        return self.reader.scan_private(namespace, collection, start, end)

    def history(self, namespace: str, key: str) -> Iterator[KeyModification]:
        """Yield the changes of a key, newest first."""
        for change in history(self.reader, namespace, key):
            yield KeyModification(change.transaction_id, change.value, change.timestamp_ns)

    def place(self, tx_id: str) -> Place | None:
        """Return where a transaction id was committed."""
        return self.reader.place(tx_id)


class Snapshots:
    """Hands out the newest snapshot.

    Parameters
    ----------
    store : what is read.
    cache : rows in memory.
    """

    def __init__(self, store: Store, cache: StateCache) -> None:
        self._store = store
        self._cache = cache
        self._changed = threading.Condition()
        self._spare: list[Reader] = []
        self._pinned = 0
        self._postponed = 0
        self._process = os.getpid()
        self._closed = False
        self._current: Snapshot | None = None
        self.advance(())

    @property
    def height(self) -> int:
        """Number of blocks in the newest snapshot."""
        with self.view() as snapshot:
            return snapshot.height

    @contextmanager
    def view(self) -> Iterator[Snapshot]:
        """Hold the newest snapshot.

        Raises
        ------
        Refusal
            STOPPED, if the node is closed, or runs in the parent of this process; at the end, if the database
            failed meanwhile: whatever a contract has made of that, it is no answer.
        """
        snapshot = self._take()
        failures, cause = snapshot.reader.failures, None
        try:
            yield snapshot
        except Exception as error:
            if snapshot.reader.failures == failures:
                raise
            cause = error
        finally:
            self._release(snapshot)
        if snapshot.reader.failures != failures:
            raise Refusal(RefusalCode.STOPPED, "the node's database failed") from cause

    def advance(self, changes: Iterable[tuple[StateKey, Row | None]]) -> None:
        """Make a committed block visible. Only the block stage calls this, holding no snapshot."""
        try:
            self._advance(changes)
        except BaseException:  # the database failed: nobody may wait for a view that never comes
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            raise

    def close(self) -> None:
        """Let running views end, then close all readers."""
        with self._changed:
            self._closed = True
            old, self._current = self._current, None
            self._retire(old)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._pinned == 0, timeout=10)
            for reader in self._spare:
                reader.close()
            self._spare.clear()

    def _advance(self, changes: Iterable[tuple[StateKey, Row | None]]) -> None:
        if self._postponed:
            self._postponed -= 1
        elif self._store.must_checkpoint():
            self._fold_log()
        reader = self._spare.pop() if self._spare else self._store.reader()
        height = reader.begin()
        self._cache.advance(height, changes)
        with self._changed:
            self._pinned += 1
            old, self._current = self._current, Snapshot(height, reader, self._cache)
            self._retire(old)
            self._changed.notify_all()

    def _take(self) -> Snapshot:
        check_process(self._process)
        with self._changed:
            while self._current is None:
                if self._closed:
                    raise Refusal(RefusalCode.STOPPED, "the node has stopped")
                self._changed.wait()
            self._current.users += 1
            return self._current

    def _release(self, snapshot: Snapshot) -> None:
        with self._changed:
            snapshot.users -= 1
            if snapshot is not self._current:
                self._retire(snapshot)

    def _retire(self, snapshot: Snapshot | None) -> None:
        """Unpin a snapshot that is no longer the newest, once nobody uses it. The condition is held."""
        if snapshot is None or snapshot.users:
            return
        snapshot.reader.end()
        self._pinned -= 1
        if len(self._spare) < _SPARE_READERS:
            self._spare.append(snapshot.reader)
        else:
            snapshot.reader.close()
        self._changed.notify_all()

    def _fold_log(self) -> None:
        with self._changed:
            old, self._current = self._current, None
            self._retire(old)
            drained = self._changed.wait_for(lambda: self._pinned == 0, timeout=_DRAIN_S)
        if not (drained and self._store.checkpoint()):
            self._postponed = _BLOCKS_UNTIL_RETRY
