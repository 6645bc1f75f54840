"""The demonstration's clock: it moves only when a transaction is dated, so that one seed gives one ledger."""

from __future__ import annotations

START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""

STEP_MS = 100


class SimulatedClock:
    """Nanoseconds since 1970; every reading is `STEP_MS` after the one before.

    Parameters
    ----------
    start_ms : the first reading.
    step_ms : by how much a reading moves the clock; 0 leaves it to `set_ms`.
    """

    def __init__(self, start_ms: int = START_MS, step_ms: int = STEP_MS) -> None:
        self._now_ms = start_ms
        self._step_ms = step_ms

    def __call__(self) -> int:
        """Return the time and move the clock."""
        now_ms = self._now_ms
        self._now_ms += self._step_ms
        return now_ms * 1_000_000

    def peek(self) -> int:
        """Return the time without moving the clock: what the node compares transactions with."""
        return self._now_ms * 1_000_000

    def set_ms(self, now_ms: int) -> None:
        """Set the time."""
        self._now_ms = now_ms
