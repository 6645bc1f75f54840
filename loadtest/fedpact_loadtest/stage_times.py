"""Where a process spends its processor time: by thread, and by call."""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_NUMBER = re.compile(r"[-_ ]\d+( \(.*\))?$")
REST = "threads of libraries"
"""Processor time of threads that Python does not know: gRPC's."""


class StageTimes:
    """Processor time of calls, while `on`; calls of one thread that wait cost nothing.

    Attributes
    ----------
    on : whether it counts. What is off costs a call a tenth of a microsecond.
    """

    def __init__(self) -> None:
        self.on = False
        self._spent: defaultdict[str, list[float]] = defaultdict(list)

    def timed(self, stage: str, call: Callable[P, R]) -> Callable[P, R]:
        """Return a function that does the same and is counted."""
        spent = self._spent[stage]

        @wraps(call)
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            if not self.on:
                return call(*args, **kwargs)
            begun_s = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent.append(time.thread_time() - begun_s)  # one operation: no lock is needed

        return counted

    def seconds(self) -> dict[str, float]:
        """Return the seconds of every stage so far."""
        return {stage: sum(spent) for stage, spent in self._spent.items()}


def thread_seconds() -> dict[str, float]:
    """Return the processor time of this process by the names of its threads, numbers left out.

    Linux only; elsewhere everything is `REST`.
    """
    seconds: defaultdict[str, float] = defaultdict(float)
    for thread in threading.enumerate():
        try:
            text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text(encoding="ascii")
        except OSError:  # ended meanwhile
            continue
        seconds[_NUMBER.sub("", thread.name)] += int(text.split()[0]) / 1e9
    seconds[REST] = max(time.process_time() - sum(seconds.values()), 0.0)
    return dict(seconds)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return by how much every entry has grown."""
    return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
