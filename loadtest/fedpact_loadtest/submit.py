"""`fedpact bench submit`: committed transactions per second on an embedded ledger.

Nothing is left out: a fresh ledger on the disk with full sync, a client with a real certificate, the
gateway's real stages over the in-process transport; every proposal, envelope, endorsement and status request
is signed, and every signature is checked or is known to have been made by this process.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from fedpact.gateway.commit import Commit
from fedpact_loadtest import creates
from fedpact_loadtest.in_flight import Load, Outcomes, Progress, keep_in_flight
from fedpact_loadtest.venue import Venue, open_venue

_WARM_UP_S = 0.5
_BOUNDS = {
    "in_flight": (1, 5_000),
    "seconds": (0.05, 600),
    "repetitions": (1, 100),
    "organisations": (1, 64),
    "endorsements": (1, 64),
    "value_bytes": (1, creates.MAX_VALUE_BYTES),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRules:
    """What is measured.

    Attributes
    ----------
    in_flight : transactions under way at any moment, 1 to 5,000.
    seconds : length of each repetition, 0.05 to 600.
    repetitions : how often it is measured, on one ledger that keeps growing.
    organisations : of the channel; the node plays a peer of each.
    endorsements : of different organisations that a transaction needs.
    value_bytes : what each transaction writes.

    Raises
    ------
    ValueError
        Out of bounds, or more endorsements than organisations.
    """

    in_flight: int = 50
    seconds: float = 5.0
    repetitions: int = 3
    organisations: int = 1
    endorsements: int = 1
    value_bytes: int = 100

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies between {low} and {high}")
        if self.endorsements > self.organisations:
            raise ValueError("a transaction has at most one endorsement of each organisation")


class SubmitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes
    ----------
    tps : committed transactions a second, median of the repetitions. The time runs from the first
        proposal to the last verdict and includes what was spent on failures.
    failures : transactions that were refused, invalid, or stayed without a verdict.
    p50_ms, p95_ms : from before the proposal was built until the client knew the verdict; None without any.
    cpu_ms_per_tx : processor time of client and node together for each committed one; None without any.
    tps_min, tps_max : of the repetitions.
    transactions : committed, in all repetitions.
    blocks : that hold them.
    in_flight, seconds, repetitions, organisations, endorsements, value_bytes : the rules.
    """

    tps: float
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms_per_tx: float | None
    tps_min: float
    tps_max: float
    transactions: int
    blocks: int
    in_flight: int
    seconds: float
    repetitions: int
    organisations: int
    endorsements: int
    value_bytes: int


@dataclass(frozen=True, slots=True)
class _Repetition:
    outcomes: Outcomes
    elapsed_s: float
    cpu_s: float
    blocks: int

    @property
    def tps(self) -> float:
        return len(self.outcomes.latencies_s) / self.elapsed_s


DEFAULT_RULES = SubmitRules()


def bench_submit(
    rules: SubmitRules = DEFAULT_RULES,
    *,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SubmitReport:
    """Measure how many transactions a ledger commits in a second.

    Parameters
    ----------
    rules : what is measured.
    folder : where the ledger is created and kept as `ledger.db`; None: a temporary folder that is removed.
        What is measured depends on its disk: every block is flushed to it.
    progress : called with the tenths of seconds that have passed, and with how many there will be.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, if the folder holds one already.
    """
    total = round(rules.repetitions * rules.seconds * 10)

    def tell(repetition: int) -> Progress:
        def at(seconds: float) -> None:
            if progress is not None:
                progress(round((repetition * rules.seconds + seconds) * 10), total)

        return at

    with (
        _place(folder) as place,
        open_venue(place, organisations=rules.organisations, endorsements=rules.endorsements) as venue,
    ):
        _repeat(venue, rules, "warm-up", min(_WARM_UP_S, rules.seconds))
        measured = [
            _repeat(venue, rules, f"run-{number}", rules.seconds, tell(number))
            for number in range(rules.repetitions)
        ]
    return _report(rules, measured)


def _repeat(
    venue: Venue, rules: SubmitRules, name: str, seconds: float, progress: Progress | None = None
) -> _Repetition:
    value = "x" * rules.value_bytes

    def submit(key: str) -> Commit:
        message = msgspec.json.encode(creates.Create(key=key, value=value))
        return venue.gateway.submit_async(creates.CREATE, message)

    height, cpu_s, begun_s = venue.ledger.height(), time.process_time(), time.perf_counter()
    load = Load(rules.in_flight, seconds)
    outcomes = keep_in_flight(submit, load, name, progress=progress)
    elapsed_s = time.perf_counter() - begun_s
    return _Repetition(outcomes, elapsed_s, time.process_time() - cpu_s, venue.ledger.height() - height)


def _report(rules: SubmitRules, measured: list[_Repetition]) -> SubmitReport:
    latencies_s = sorted(latency for one in measured for latency in one.outcomes.latencies_s)
    committed = len(latencies_s)
    cpu_s = math.fsum(one.cpu_s for one in measured)
    speeds = [one.tps for one in measured]
    return SubmitReport(
        tps=round(statistics.median(speeds), 1),
        failures=sum(one.outcomes.failures for one in measured),
        p50_ms=_quantile_ms(latencies_s, 0.50),
        p95_ms=_quantile_ms(latencies_s, 0.95),
        cpu_ms_per_tx=round(cpu_s / committed * 1000, 4) if committed else None,
        tps_min=round(min(speeds), 1),
        tps_max=round(max(speeds), 1),
        transactions=committed,
        blocks=sum(one.blocks for one in measured),
        in_flight=rules.in_flight,
        seconds=rules.seconds,
        repetitions=rules.repetitions,
        organisations=rules.organisations,
        endorsements=rules.endorsements,
        value_bytes=rules.value_bytes,
    )


def _quantile_ms(ordered_s: list[float], part: float) -> float | None:
    """Return the smallest value that at least this part of all values does not exceed."""
    if not ordered_s:
        return None
    return round(ordered_s[math.ceil(part * len(ordered_s)) - 1] * 1000, 3)


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with TemporaryDirectory(prefix="fedpact-bench-") as name:
        yield Path(name)
