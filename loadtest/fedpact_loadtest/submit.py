"""`fedpact bench submit`: committed transactions per second on an embedded ledger.

Nothing is left out: a fresh ledger on the disk with full sync, a client with a real certificate, the
gateway's real stages; every proposal, envelope and endorsement is signed, and every signature is checked, or
is known to have been made by this process. The client comes in-process, or from a process of its own over
gRPC with TLS. Over Fabric's own methods its status requests are signed and verified, too; elsewhere there are
none: the answer to a signed envelope is its verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedpact_loadtest import creates
from fedpact_loadtest.client_process import Front
from fedpact_loadtest.in_flight import Progress
from fedpact_loadtest.measuring import Measured, Stages
from fedpact_loadtest.submit_inprocess import InProcess
from fedpact_loadtest.submit_report import SubmitReport, report
from fedpact_loadtest.submit_served import Served
from fedpact_loadtest.venue import folder_or_temporary

FRONTS: tuple[Front, ...] = ("inprocess", "batch", "gateway")
GATEWAY_CALLS = 500
"""Calls under way that a node lets in over Fabric's methods, unless told otherwise; as Fabric's peers."""
THREADS = 1
_WARM_UP_S = 0.5
_BOUNDS = {
    "in_flight": (1, 5_000),
    "seconds": (0.05, 600),
    "repetitions": (1, 100),
    "organisations": (1, 64),
    "endorsements": (1, 64),
    "value_bytes": (1, creates.MAX_VALUE_BYTES),
    "clients": (1, 64),
    "threads": (1, 64),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRules:
    """What is measured.

    Attributes
    ----------
    front : `inprocess`: client and node in one process; `batch`: our client over the batched method;
        `gateway`: our client over Fabric's methods. These two over TLS, each side in processes of its own.
    in_flight : transactions under way at any moment, of all clients, 1 to 5,000; 500 at most with `gateway`.
    clients : processes of `batch` and `gateway`, 1 to 64.
    threads : that submit, with `inprocess`, 1 to 64.
    seconds : length of each repetition, 0.05 to 600.
    repetitions : how often it is measured, on one ledger that keeps growing.
    organisations : of the channel; the node plays a peer of each.
    endorsements : of different organisations that a transaction needs.
    value_bytes : what each transaction writes.
    with_stages : whether one more repetition, which does not count, tells where processor time goes.

    Raises
    ------
    ValueError
        Out of bounds, more endorsements than organisations, more clients than transactions in flight.
    """

    front: Front = "inprocess"
    in_flight: int = 50
    clients: int = 1
    threads: int = THREADS
    seconds: float = 5.0
    repetitions: int = 3
    organisations: int = 1
    endorsements: int = 1
    value_bytes: int = 100
    with_stages: bool = False

    def __post_init__(self) -> None:
        if self.front not in FRONTS:
            raise ValueError(f"front is one of {', '.join(FRONTS)}")
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies between {low} and {high}")
        if self.endorsements > self.organisations:
            raise ValueError("a transaction has at most one endorsement of each organisation")
        if max(self.clients, self.threads) > self.in_flight:
            raise ValueError("every client and thread has at least one transaction in flight")
        if self.front == "gateway" and self.in_flight > GATEWAY_CALLS:
            raise ValueError(f"a node lets in {GATEWAY_CALLS} calls at a time over Fabric's methods")
        if self.front == "inprocess" and self.clients > 1:
            raise ValueError("clients are processes, which the in-process front has none of; see threads")
        if self.front != "inprocess" and self.threads > 1:
            raise ValueError("threads are the in-process front's; see clients")


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
    ChildError
        A process of the benchmark ended before its time.
    """
    total = round(rules.repetitions * rules.seconds * 10)

    def tell(repetition: int) -> Progress:
        def at(seconds: float) -> None:
            if progress is not None:
                progress(round((repetition * rules.seconds + seconds) * 10), total)

        return at

    stages: Stages | None = None
    with folder_or_temporary(folder) as place, _bench(rules, place) as bench:
        bench.run("warm-up", min(_WARM_UP_S, rules.seconds))
        measured: list[Measured] = []
        for number in range(rules.repetitions):
            measured.append(bench.run(f"run-{number}", rules.seconds, tell(number)))
            tell(number)(rules.seconds)
        if rules.with_stages:
            stages = bench.stages("stages", rules.seconds)
    return report(rules, measured, stages)


@contextmanager
def _bench(rules: SubmitRules, place: Path) -> Iterator[InProcess | Served]:
    if rules.front == "inprocess":
        with InProcess.open(place, rules) as inside:
            yield inside
    else:
        with Served.open(place, rules) as served:
            yield served
