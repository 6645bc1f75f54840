"""Telling those who wait what became of their transactions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded.errors import Refusal, RefusalCode

_MAX_WAITERS = 20_000
_MAX_RECENT = 65_536


class Outcome(NamedTuple):
    """A committed transaction's verdict and its block."""

    code: ValidationCode
    block: int


class Listener(Protocol):
    """Told about every block, in the block stage's own thread: it must return at once and never raise."""

    def committed(self, height: int, outcomes: Collection[tuple[str, Outcome]], /) -> None:
        """There are `height` blocks now; the outcomes are those of the newest."""

    def stopped(self, reason: str, /) -> None:
        """Nothing will be committed any more."""


class _Waiter:
    """One blocked caller; the lock is a signal: held until there is news."""

    __slots__ = ("outcome", "signal")

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        self.signal = threading.Lock()
        self.signal.acquire()

    def wake(self) -> None:
        """Let the caller go on; a second time does no harm."""
        if self.signal.locked():
            self.signal.release()


class Notifier:
    """Remembers recent outcomes and wakes who waits for one; bounded on both sides.

    Parameters
    ----------
    height : number of blocks there are already.
    """

    def __init__(self, height: int) -> None:
        self._lock = threading.Lock()
        self._recent: dict[str, Outcome] = {}
        self._waiters: dict[str, list[_Waiter]] = {}
        self._waiting = 0
        self._height = threading.Condition()
        self._blocks = height
        self._stopped = ""
        self._listeners: tuple[Listener, ...] = ()

    def check(self) -> None:
        """Refuse (STOPPED) once nothing will be committed any more."""
        if self._stopped:
            raise Refusal(RefusalCode.STOPPED, self._stopped)

    @property
    def height(self) -> int:
        """Number of blocks that have been told about."""
        return self._blocks

    @property
    def failure(self) -> str:
        """Why nothing will be committed any more; empty as long as it works."""
        return self._stopped

    def add(self, listener: Listener) -> None:
        """Tell somebody about every block from now on; `stopped` comes at once if the node has stopped."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            reason = self._stopped
        if reason:
            listener.stopped(reason)

    def remove(self, listener: Listener) -> None:
        """Tell somebody no more."""
        with self._lock:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

    def recent(self, tx_id: str) -> Outcome | None:
        """Return the outcome of a transaction that was committed not long ago."""
        return self._recent.get(tx_id)

    def wait(
        self, tx_id: str, timeout_s: float, *, look_up: Callable[[str], Outcome | None] | None = None
    ) -> Outcome:
        """Wait until a transaction is committed.

        Parameters
        ----------
        tx_id : whose outcome.
        timeout_s : how long at most.
        look_up : finds an older outcome in the database, asked once where memory has none.

        Raises
        ------
        Refusal
            NOT_COMMITTED_YET when the time is over; OVERLOADED; STOPPED when the node stops before.
        """
        waiter = _Waiter()
        with self._lock:
            outcome = self._recent.get(tx_id)
            if outcome is not None:
                return outcome
            self.check()
            if self._waiting >= _MAX_WAITERS:
                raise Refusal(RefusalCode.OVERLOADED, "too many callers wait for a commit")
            self._waiting += 1
            self._waiters.setdefault(tx_id, []).append(waiter)
        try:
            found = None if look_up is None else look_up(tx_id)
            if found is not None:
                return found
            waiter.signal.acquire(timeout=min(max(timeout_s, 0), threading.TIMEOUT_MAX))
        finally:
            self._forget(tx_id, waiter)
        if waiter.outcome is None:
            self.check()
            raise Refusal(RefusalCode.NOT_COMMITTED_YET, f"not committed within {timeout_s:g} s")
        return waiter.outcome

    def wait_for_height(self, height: int, timeout_s: float) -> int:
        """Wait until there are so many blocks, or the time is over; return how many there are.

        Raises
        ------
        Refusal
            STOPPED.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._height:
            while self._blocks < height:
                self.check()
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    break
                self._height.wait(left_s)
            return self._blocks

    def publish(self, height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Tell everyone about a committed block; `height` counts it."""
        with self._lock:
            for tx_id, outcome in outcomes:
                self._recent[tx_id] = outcome
                for waiter in self._waiters.get(tx_id, ()):
                    waiter.outcome = outcome
                    waiter.wake()
            while len(self._recent) > _MAX_RECENT:
                del self._recent[next(iter(self._recent))]
        with self._height:
            self._blocks = height
            self._height.notify_all()
        for listener in self._listeners:
            listener.committed(height, outcomes)

    def stop(self, reason: str) -> None:
        """Wake everyone with bad news; nothing will be committed any more."""
        with self._lock:
            self._stopped = reason
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.wake()
        with self._height:
            self._height.notify_all()
        for listener in self._listeners:
            listener.stopped(reason)

    def _forget(self, tx_id: str, waiter: _Waiter) -> None:
        with self._lock:
            self._waiting -= 1
            waiters = self._waiters[tx_id]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[tx_id]
