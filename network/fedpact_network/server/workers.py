"""Threads that execute calls for an event loop.

An executor's futures wake the loop once a result, through a lock and a socket; these wake it once for all the
results that are ready by then, which at 200 calls in flight is a tenth of a transaction's processor time.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple


class _Job(NamedTuple):
    call: Callable[[bytes], bytes]
    request: bytes
    answer: asyncio.Future[bytes]


class Workers:
    """A fixed number of threads.

    Parameters
    ----------
    loop : whose tasks wait for results.
    count : of threads; so many long calls may run while short ones still find a thread, less one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[asyncio.Future[bytes], bytes | BaseException]] = deque()
        self._telling = False
        self._threads = [
            threading.Thread(target=self._work, name=f"fedpact-call-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, call: Callable[[bytes], bytes], request: bytes) -> bytes:
        """Execute a call on a thread; whoever is cancelled waits no longer, the call itself goes on."""
        job = _Job(call, request, self._loop.create_future())
        self._jobs.put(job)
        return await job.answer

    def close(self) -> None:
        """End the threads as soon as their calls have ended."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.answer.cancelled():
                continue
            answer: bytes | BaseException
            try:
                answer = job.call(job.request)
            except BaseException as error:
                answer = error
            self._done.append((job.answer, answer))
            if not self._telling:
                self._telling = True
                try:
                    self._loop.call_soon_threadsafe(self._tell)
                except RuntimeError:  # the loop has ended before a call has
                    return
            del job, answer

    def _tell(self) -> None:
        self._telling = False  # first: what is appended from here on tells again
        while self._done:
            future, answer = self._done.popleft()
            if future.done():
                continue
            if isinstance(answer, bytes):
                future.set_result(answer)
            else:
                future.set_exception(answer)
