"""When to cut a block: by count, bytes and time, and no later than pays.

Fabric's rules (preferred bytes, count, time) bound every block. Within them three things are done for
speed. A block takes at most half of the transactions in flight: were it to take all, every client would
wait for the block, and then the block stage for the clients. It is cut at once when everybody who is in
flight has arrived, which is always so for a single client. Otherwise there are at most 50 blocks a second,
because each one costs a signature, a database transaction and a flush to the disk. As in Fabric, what must
be alone in its block, a configuration, is cut at once, and so is what came before it.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from fedpact.wire.config import BatchRules

T = TypeVar("T")

_PACE_S = 0.02
_FORGETTING = 0.98  # of the load's estimate, per block: about 35 blocks until half of it is forgotten


class Batcher(Generic[T]):
    """The queue before the block stage. It has no clock and no lock: the sequencer brings both.

    Parameters
    ----------
    rules : bounds of a block; may be changed at any time.
    """

    def __init__(self, rules: BatchRules) -> None:
        self.rules = rules
        self._queue: deque[tuple[T, int, float, bool]] = deque()
        self._bytes = 0
        self._alone = 0
        self._in_block = 0
        self._in_flight = 1.0
        self._last_cut_s = float("-inf")

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def size_bytes(self) -> int:
        """Bytes of all waiting items."""
        return self._bytes

    def add(self, item: T, size_bytes: int, now_s: float, *, alone: bool = False) -> None:
        """Append an item; one that is `alone` shares its block with no other."""
        self._queue.append((item, size_bytes, now_s, alone))
        self._alone += alone
        self._bytes += size_bytes
        self._in_flight = max(self._in_flight, len(self._queue) + self._in_block)

    def wait_s(self, now_s: float) -> float | None:
        """Return how long to wait before the next `cut`: 0 is now, None until something arrives."""
        if not self._queue:
            return None
        waiting = len(self._queue)
        if (
            self._alone
            or waiting >= min(round(self._in_flight), self.rules.max_messages)
            or self._bytes >= self.rules.max_bytes
        ):
            return 0.0
        due_s = self._queue[0][2] + self.rules.timeout_ms / 1000
        if waiting >= self._half:
            due_s = min(due_s, self._last_cut_s + _PACE_S)
        return max(0.0, due_s - now_s)

    def cut(self, now_s: float) -> list[T]:
        """Take the next block's items; an item larger than the preferred bytes goes alone."""
        most = min(self._half, self.rules.max_messages)
        # Whoever has not come by the time of the rules is not in flight.
        late = now_s - self._queue[0][2] >= self.rules.timeout_ms / 1000
        self._in_flight = max(len(self._queue), 0.0 if late else self._in_flight * _FORGETTING)
        self._last_cut_s = now_s
        batch: list[T] = []
        size = 0
        while self._queue and len(batch) < most:
            item, item_bytes, _, alone = self._queue[0]
            if batch and (alone or size + item_bytes > self.rules.max_bytes):
                break
            self._queue.popleft()
            self._bytes -= item_bytes
            size += item_bytes
            batch.append(item)
            if alone:
                self._alone -= 1
                break
        self._in_block = len(batch)
        return batch

    def done(self) -> None:
        """Learn that the last block is committed."""
        self._in_block = 0

    @property
    def _half(self) -> int:
        return -(-round(self._in_flight) // 2)
