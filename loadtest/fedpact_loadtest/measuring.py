"""What a repetition measures, and the numbers that are made of several."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedpact_loadtest.in_flight import Outcomes

Stages = dict[str, float]
"""Milliseconds of processor time a transaction, by stage."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A repetition.

    Attributes
    ----------
    outcomes : what became of its transactions.
    blocks : that were committed meanwhile.
    client_cpu_s, node_cpu_s : processor time; None where client and node share a process.
    cpu_s : of both.
    """

    outcomes: Outcomes
    blocks: int
    cpu_s: float
    client_cpu_s: float | None = None
    node_cpu_s: float | None = None

    @property
    def committed(self) -> int:
        """Number of valid transactions."""
        return len(self.outcomes.latencies_s)

    @property
    def tps(self) -> float:
        """Valid transactions a second; what failed costs time and adds nothing."""
        return self.committed / self.outcomes.elapsed_s


def median_tps(measured: Sequence[Outcomes]) -> tuple[float, float, float]:
    """Return median, lowest and highest of the repetitions' valid transactions a second."""
    speeds = [len(one.latencies_s) / one.elapsed_s for one in measured]
    return round(statistics.median(speeds), 1), round(min(speeds), 1), round(max(speeds), 1)


def quantile_ms(seconds: Sequence[float], part: float) -> float | None:
    """Return the smallest value that at least this part of all values does not exceed; None without any."""
    if not seconds:
        return None
    return round(sorted(seconds)[math.ceil(part * len(seconds)) - 1] * 1000, 3)


def ms_each(parts_s: Sequence[float | None], transactions: int) -> float | None:
    """Return the sum in milliseconds for each of so many; None without any, or where a part is unknown."""
    known = [one for one in parts_s if one is not None]
    if not transactions or len(known) < len(parts_s):
        return None
    return round(math.fsum(known) / transactions * 1000, 4)


def stages_of(seconds: Mapping[str, float], transactions: int) -> Stages:
    """Return seconds by stage as milliseconds a transaction."""
    if not transactions:
        return {}
    return {name: round(spent / transactions * 1000, 4) for name, spent in seconds.items()}
