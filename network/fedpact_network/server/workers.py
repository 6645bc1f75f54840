"""Threads that execute calls for an event loop.

An executor's futures wake the loop once a result, through a lock and a socket; these wake it once for all the
results that are ready by then. Few threads serve best, because they share the interpreter; only when they are
all held by long calls do more come to help, for a while.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

STEADY = 4
"""Threads that are always there."""

_STUCK_S = 0.05
_HELP_S = 1.0


class _Job(NamedTuple):
    call: Callable[[Any], Any]
    argument: Any
    answer: asyncio.Future[Any]


class Workers:
    """Executes calls on `STEADY` threads, on more while these are held by long calls.

    Parameters
    ----------
    loop : whose tasks wait for results; it makes and closes the workers.
    most : threads at a time; so many long calls may run while short ones still find a thread, less one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: deque[tuple[asyncio.Future[Any], bool, Any]] = deque()
        self._telling = False
        self._watching = False
        self._taken = 0
        self._threads: set[threading.Thread] = set()
        for _ in range(min(STEADY, most)):
            self._start(None)

    async def run(self, call: Callable[[T], R], argument: T) -> R:
        """Execute a call on a thread; whoever is cancelled waits no longer, though the call goes on."""
        answer: asyncio.Future[R] = self._loop.create_future()
        self._jobs.put(_Job(call, argument, answer))
        if not self._watching:
            self._watching = True
            self._loop.call_later(_STUCK_S, self._watch, self._taken)
        return await answer

    def close(self) -> None:
        """End the threads as soon as their calls have ended."""
        for _ in range(len(self._threads)):
            self._jobs.put(None)

    def _watch(self, taken: int) -> None:
        """Help if no call was taken for a while though some wait."""
        if self._jobs.empty():
            self._watching = False
            return
        if taken == self._taken and len(self._threads) < self._most:
            self._start(time.monotonic() + _HELP_S)
        self._loop.call_later(_STUCK_S, self._watch, self._taken)

    def _start(self, until_s: float | None) -> None:
        thread = threading.Thread(target=self._work, args=(until_s,), name="fedpact-call", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _work(self, until_s: float | None) -> None:
        try:
            while until_s is None or time.monotonic() < until_s:
                try:
                    job = self._jobs.get(timeout=None if until_s is None else _STUCK_S)
                except queue.Empty:
                    return
                if job is None:
                    return
                self._taken += 1
                if not job.answer.cancelled():
                    self._answer(job)
                del job
        except RuntimeError:  # the loop ended before a call did
            pass
        finally:
            self._threads.discard(threading.current_thread())

    def _answer(self, job: _Job) -> None:
        try:
            self._done.append((job.answer, True, job.call(job.argument)))
        except BaseException as error:
            self._done.append((job.answer, False, error))
        if not self._telling:
            self._telling = True
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._telling = False  # first: what is appended from here on tells again
        while self._done:
            future, well, answer = self._done.popleft()
            if future.done():
                continue
            if well:
                future.set_result(answer)
            else:
                future.set_exception(answer)
