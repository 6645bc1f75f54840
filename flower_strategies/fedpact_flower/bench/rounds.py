"""Timing rounds of federated averaging with and without their trail, in turns on the same workers."""

from __future__ import annotations

import gc
import logging
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from flwr.app import ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import FedAvg, Strategy

from fedpact.datasets import read_mnist
from fedpact.records import RoundStatus
from fedpact.wire.blocks import parse_block
from fedpact_flower.arrays import model_of
from fedpact_flower.bench.client import client_app
from fedpact_flower.bench.cnn import Trainer
from fedpact_flower.bench.settings import DEFAULT_RULES, RoundReport, RoundRules
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


class Scale(NamedTuple):
    """How much a recorded round was about."""

    transactions: int
    parameters: int
    model_bytes: int
    workers: int


class Side:
    """Rounds of one kind, one after another.

    Parameters
    ----------
    strategy : aggregates, and records if it does.
    grid : where the clients are; both sides use the same.
    arrays : the first global model.
    clients : how many have to answer.
    """

    def __init__(self, strategy: Strategy, grid: SimulatedGrid, arrays: ArrayRecord, clients: int) -> None:
        self._strategy = strategy
        self._grid = grid
        self._arrays = arrays
        self._clients = clients
        self._number = 0
        self.seconds: list[float] = []

    def run(self) -> None:
        """Run and time the next round: addressing, training, aggregating, and recording where it is done.

        Raises
        ------
        RoundFailed
            A client failed, or nothing was aggregated.
        """
        self._number += 1
        gc.collect()
        begun_s = time.perf_counter()
        messages = self._strategy.configure_train(self._number, self._arrays, ConfigRecord(), self._grid)
        replies = self._grid.send_and_receive(messages, timeout=_TIMEOUT_S)
        arrays, _ = self._strategy.aggregate_train(self._number, replies)
        self.seconds.append(time.perf_counter() - begun_s)
        errors = [reply.error.reason for reply in replies if reply.has_error()]
        if errors or len(replies) != self._clients or arrays is None:
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
            plain = Side(_averaging(rules), grid, initial, rules.clients)
            trail = LedgerTrail(aggregator, TASK)
            recorded = Side(Recorded(_averaging(rules), trail), grid, initial, rules.clients)
            _take_turns(plain, recorded, rules, progress)
        _require_complete(team, rules)
        transactions = _transactions(team, height) // len(recorded.seconds)
    size = model_of(initial)
    parameters = sum(array.size for array in size.arrays.values())
    scale = Scale(transactions, parameters, size.size_bytes, workers)
    return _report(rules, plain.seconds[_WARM_UP:], recorded.seconds[_WARM_UP:], scale)


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


def _report(
    rules: RoundRules, plain: Sequence[float], recorded: Sequence[float], scale: Scale
) -> RoundReport:
    plain_s, recorded_s = statistics.median(plain), statistics.median(recorded)
    ratios = [with_trail / without for without, with_trail in zip(plain, recorded, strict=True)]
    return RoundReport(
        plain_s=round(plain_s, 4),
        recorded_s=round(recorded_s, 4),
        ratio=round(recorded_s / plain_s, 4),
        rounds=rules.rounds,
        plain_min_s=round(min(plain), 4),
        plain_max_s=round(max(plain), 4),
        recorded_min_s=round(min(recorded), 4),
        recorded_max_s=round(max(recorded), 4),
        ratio_min=round(min(ratios), 4),
        ratio_max=round(max(ratios), 4),
        transactions=scale.transactions,
        parameters=scale.parameters,
        model_bytes=scale.model_bytes,
        clients=rules.clients,
        organisations=rules.organisations,
        images=rules.images,
        epochs=rules.epochs,
        batch_size=rules.batch_size,
        stores_models=rules.stores_models,
        workers=scale.workers,
    )
