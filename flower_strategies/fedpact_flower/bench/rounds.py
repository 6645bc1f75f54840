"""Timing rounds of federated averaging with and without their trail, in turns on the same workers."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import FedAvg, Strategy

from fedpact.datasets import read_mnist
from fedpact.records import RoundStatus
from fedpact.wire.blocks import parse_block
from fedpact_flower.arrays import model_of
from fedpact_flower.bench.client import client_app
from fedpact_flower.bench.cnn import Trainer
from fedpact_flower.bench.processor_time import total_s
from fedpact_flower.bench.report import RoundReport, Scale, Timing, report_of
from fedpact_flower.bench.settings import DEFAULT_RULES, RoundRules
from fedpact_flower.bench.team import TASK, Team, running_team
from fedpact_flower.ledger_trail import LedgerTrail
from fedpact_flower.recorded import Recorded
from fedpact_flower.runtime import Population, SimulatedGrid, open_grid, seeded, usable_cores

_TIMEOUT_S = 3600.0
_WARM_UP = 1

Progress = Callable[[int, int], None]


class RoundFailed(Exception):  # noqa: N818 - reads as what happened
    """A round did not do all that it is timed for; its time says nothing.

    Attributes
    ----------
    code : `ROUND_FAILED`; stable.
    """

    code = "ROUND_FAILED"


@dataclass(frozen=True, slots=True)
class Federation:
    """The clients, the same for both kinds of rounds.

    Attributes
    ----------
    grid : where they are, in forked workers.
    clients, workers : how many there are.
    """

    grid: SimulatedGrid
    clients: int
    workers: int


class Side:
    """Rounds of one kind, one after another.

    Parameters
    ----------
    strategy : aggregates, and records if it does.
    federation : the clients.
    arrays : the first global model.
    """

    def __init__(self, strategy: Strategy, federation: Federation, arrays: ArrayRecord) -> None:
        self._strategy = strategy
        self._federation = federation
        self._arrays = arrays
        self._number = 0
        self.timings: list[Timing] = []

    def run(self) -> None:
        """Run and time the next round: addressing, training, aggregating, and recording where it is done.

        Raises
        ------
        RoundFailed
            A client failed, or nothing was aggregated.
        """
        grid, workers = self._federation.grid, self._federation.workers
        self._number += 1
        gc.collect()
        cpu_s, begun_s = total_s(grid, workers), time.perf_counter()
        messages = self._strategy.configure_train(self._number, self._arrays, ConfigRecord(), grid)
        replies = grid.send_and_receive(messages, timeout=_TIMEOUT_S)
        arrays, _ = self._strategy.aggregate_train(self._number, replies)
        seconds = time.perf_counter() - begun_s
        self.timings.append(Timing(seconds, total_s(grid, workers) - cpu_s))
        errors = [reply.error.reason for reply in replies if reply.has_error()]
        if errors or len(replies) != self._federation.clients or arrays is None:
            raise RoundFailed(f"round {self._number}: {len(replies)} replies; {'; '.join(errors)[:500]}")
        self._arrays = arrays


def bench_round(
    rules: RoundRules = DEFAULT_RULES, *, data: Path | str | None = None, progress: Progress | None = None
) -> RoundReport:
    """Measure what it costs to record rounds on a ledger.

    Parameters
    ----------
    rules : what is run.
    data : the folder of datasets; None: FEDPACT_DATA.
    progress : called with rounds done and rounds altogether.

    Raises
    ------
    DataError
        MNIST is not there.
    RoundFailed
        A client failed, or the ledger does not hold the whole round.
    """
    trainer = Trainer.of(read_mnist(data), rules)
    initial = trainer.initial()
    workers = min(rules.workers or usable_cores(), rules.clients)
    with (
        _quiet_flower(),
        TemporaryDirectory(prefix="fedpact-bench-") as home,
        running_team(Path(home), rules) as team,
    ):
        height = team.ledger.height()
        app, population = client_app(trainer, team), Population(rules.clients)
        with (
            open_grid(app, population, seed=rules.seed, workers=workers) as grid,
            seeded(rules.seed, "bench"),
            team.session(0) as aggregator,
        ):
            federation = Federation(grid, rules.clients, workers)
            plain = Side(_averaging(rules), federation, initial)
            trail = LedgerTrail(aggregator, TASK)
            recorded = Side(Recorded(_averaging(rules), trail), federation, initial)
            _take_turns(plain, recorded, rules, progress)
        _require_complete(team, rules)
        transactions = _transactions(team, height) // len(recorded.timings)
    size = model_of(initial)
    parameters = sum(array.size for array in size.arrays.values())
    scale = Scale(transactions, parameters, size.size_bytes, workers)
    return report_of(rules, plain.timings[_WARM_UP:], recorded.timings[_WARM_UP:], scale)


def _take_turns(plain: Side, recorded: Side, rules: RoundRules, progress: Progress | None) -> None:
    """Run both sides in turns; the one that goes first changes, so that a drift of the machine cancels."""
    pairs = _WARM_UP + rules.rounds
    for pair in range(pairs):
        for place, side in enumerate((plain, recorded) if pair % 2 else (recorded, plain)):
            side.run()
            if progress is not None:
                progress(2 * pair + place + 1, 2 * pairs)


def _averaging(rules: RoundRules) -> FedAvg:
    return FedAvg(fraction_train=1.0, min_train_nodes=rules.clients, min_available_nodes=rules.clients)


@contextmanager
def _quiet_flower() -> Iterator[None]:
    """Keep Flower from logging a line for each round, which it does beside any progress bar."""
    logger = logging.getLogger("flwr")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def _require_complete(team: Team, rules: RoundRules) -> None:
    """Refuse rounds that the ledger does not hold completely: sealed, and with everybody's update."""
    with team.session(0) as session:
        for number in range(1, _WARM_UP + rules.rounds + 1):
            held = session.training.round(TASK, number)
            if held.status is not RoundStatus.SEALED or len(held.updates) != rules.clients:
                raise RoundFailed(f"round {number} is {held.status} with {len(held.updates)} updates")


def _transactions(team: Team, start: int) -> int:
    """Count the transactions of the blocks from a height on."""
    return sum(len(parse_block(data).envelopes) for data in team.ledger.blocks(start))
