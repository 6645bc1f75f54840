"""Where the order of envelopes comes from.

The node's own sequencer orders by arrival. A consensus engine or a chain's log can stand in its place:
it gets every envelope by `submit` and hands over what was agreed by `deliver`, in order, from one thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from fedpact.wire.config import BatchRules
from fedpact_network.embedded.batching import Batcher
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.submission import Submission

log = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Submission] | bytes], None]
"""The block stage: cuts and commits a block of a batch, or commits one, serialised, of another node."""

_MAX_WAITING = 20_000
_MAX_WAITING_BYTES = 256 << 20


class Orderer(Protocol):
    """Puts envelopes into blocks. `submit` may be called from many threads."""

    def start(self, deliver: Deliver) -> None:
        """Begin to deliver blocks."""

    def submit(self, submission: Submission) -> None:
        """Take an envelope.

        Raises
        ------
        Refusal
            OVERLOADED, STOPPED; DUPLICATE where another envelope with this transaction id is waiting.
        """

    def holds(self, tx_id: str) -> bool:
        """Whether an envelope was taken and its block is not committed yet."""

    def close(self) -> None:
        """Deliver what was taken, then stop."""


class Sequencer:
    """The node's own orderer: first come, first served, one thread.

    Parameters
    ----------
    rules : bounds of a block.
    """

    def __init__(self, rules: BatchRules) -> None:
        self._batcher: Batcher[Submission] = Batcher(rules)
        self._held: dict[str, Submission] = {}
        self._changed = threading.Condition(threading.Lock())
        self._sleeping = False
        self._closing = False
        self._failed = False
        self._thread: threading.Thread | None = None

    def start(self, deliver: Deliver) -> None:
        """Start the block stage's thread."""
        self._thread = threading.Thread(target=self._run, args=(deliver,), name="block stage", daemon=True)
        self._thread.start()

    def submit(self, submission: Submission) -> None:
        """Take an envelope; taking the same one again changes nothing."""
        with self._changed:
            if self._closing or self._failed:
                raise Refusal(RefusalCode.STOPPED, "the node has stopped")
            waiting = self._held.get(submission.tx_id)
            if waiting is not None:
                if waiting.received == submission.received:
                    return
                raise Refusal(RefusalCode.DUPLICATE, "another envelope with this transaction id is waiting")
            if len(self._batcher) >= _MAX_WAITING or self._batcher.size_bytes >= _MAX_WAITING_BYTES:
                raise Refusal(RefusalCode.OVERLOADED, "too many transactions are waiting")
            now_s = time.monotonic()
            idle = not self._batcher
            self._batcher.add(submission, len(submission.envelope), now_s, alone=submission.alone)
            self._held[submission.tx_id] = submission
            if self._sleeping and (idle or self._batcher.wait_s(now_s) == 0):
                self._sleeping = False
                self._changed.notify()

    def renew(self, rules: BatchRules) -> None:
        """Cut the next blocks by other rules."""
        with self._changed:
            self._batcher.rules = rules

    def holds(self, tx_id: str) -> bool:
        """Whether an envelope was taken and its block is not committed yet."""
        return tx_id in self._held

    def close(self) -> None:
        """Cut and commit what is waiting, then end the thread; more than once is allowed."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, deliver: Deliver) -> None:
        while batch := self._next():
            try:
                deliver(batch)
            except Exception:
                log.exception("the block stage failed; the node stops")
                with self._changed:
                    self._failed = True
                return
            with self._changed:
                self._batcher.done()
                for submission in batch:
                    del self._held[submission.tx_id]

    def _next(self) -> list[Submission]:
        """Wait for the next batch; empty when all is done and the node closes."""
        with self._changed:
            while True:
                wait_s = self._batcher.wait_s(time.monotonic())
                if wait_s == 0 or (self._closing and wait_s is not None):
                    return self._batcher.cut(time.monotonic())
                if self._closing:
                    return []
                self._sleeping = True
                self._changed.wait(wait_s)
                self._sleeping = False
