"""The round benchmark times real rounds: four clients, real images, a real ledger, forked workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch", reason="the benchmark's network needs the extra torch")

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from fedpact.datasets import DataError
from fedpact_flower.arrays import record_of
from fedpact_flower.bench import processor_time
from fedpact_flower.bench.report import RoundReport
from fedpact_flower.bench.rounds import Federation, RoundFailed, Side, bench_round
from fedpact_flower.bench.settings import QUICK_RULES, RoundRules
from fedpact_flower.runtime import Population, SimulatedGrid, open_grid

needs_mnist = pytest.mark.skipif(
    not (Path(os.environ.get("FEDPACT_DATA", "")) / "mnist").is_dir(),
    reason="FEDPACT_DATA names no folder with mnist",
)


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def report(told: list[tuple[int, int]]) -> RoundReport:
    return bench_round(QUICK_RULES, progress=lambda done, total: told.append((done, total)))


@needs_mnist
@pytest.mark.slow
def test_the_report_adds_up(report: RoundReport, told: list[tuple[int, int]]) -> None:
    assert 0 < report.plain_min_s <= report.plain_s <= report.plain_max_s
    assert 0 < report.recorded_min_s <= report.recorded_s <= report.recorded_max_s
    assert report.ratio == pytest.approx(report.recorded_s / report.plain_s, abs=1e-2)
    assert report.ratio_min <= report.ratio_max
    assert report.plain_cpu_s > 0
    assert report.cpu_ratio == pytest.approx(report.recorded_cpu_s / report.plain_cpu_s, abs=1e-2)
    settings = {name: getattr(QUICK_RULES, name) for name in QUICK_RULES.__dataclass_fields__}
    settings.pop("workers")
    assert {name: getattr(report, name, settings[name]) for name in settings} == settings
    assert report.parameters == 215_370
    assert report.model_bytes > 4 * report.parameters
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    fields = msgspec.json.decode(msgspec.json.encode(report))
    assert {"plain_s", "recorded_s", "ratio", "rounds"} <= set(fields)


@needs_mnist
@pytest.mark.slow
def test_a_recorded_round_is_all_of_its_transactions(report: RoundReport) -> None:
    """Open, an update of each client, close, the global model, seal."""
    assert report.transactions == 1 + QUICK_RULES.clients + 3


@needs_mnist
@pytest.mark.slow
def test_models_can_be_stored_too() -> None:
    rules = RoundRules(clients=2, organisations=1, rounds=1, images=32, stores_models=True, workers=1)
    assert bench_round(rules).transactions == 6


@needs_mnist
@pytest.mark.slow
def test_the_command_prints_one_object() -> None:
    command = [sys.executable, "-m", "fedpact.cli", "bench", "round", "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=240)
    assert msgspec.json.decode(done.stdout, type=RoundReport).clients == QUICK_RULES.clients


def test_without_the_data_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="FILE_MISSING"):
        bench_round(QUICK_RULES, data=tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clients": 1},
        {"clients": 51},
        {"organisations": 0},
        {"organisations": 51},
        {"rounds": 0},
        {"images": 60_001},
        {"workers": 0},
    ],
    ids=str,
)
def test_rules_out_of_bounds_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"between|enough"):
        RoundRules(**wrong)  # type: ignore[arg-type]


class Partial(FedAvg):
    """Asks all nodes but one."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: SimulatedGrid
    ) -> list[object]:
        return list(super().configure_train(server_round, arrays, config, grid))[1:]


class Nothing(FedAvg):
    """Aggregates nothing."""

    def aggregate_train(
        self, server_round: int, replies: object
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return None, None


@pytest.fixture
def echo() -> Iterator[SimulatedGrid]:
    """A grid of three clients that send the model back."""
    app = ClientApp()
    app.query("processor_time")(processor_time.answer)

    @app.train()
    def train(message: Message, context: Context) -> Message:
        arrays = message.content["arrays"]
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})})
        return Message(content, reply_to=message)

    with open_grid(app, Population(3), seed=1, workers=0) as grid:
        yield grid


@pytest.mark.parametrize("strategy", [Partial, Nothing])
def test_an_incomplete_round_is_not_timed(echo: SimulatedGrid, strategy: type[FedAvg]) -> None:
    initial = record_of({"w": np.zeros(3)})
    federation = Federation(echo, clients=3, workers=1)
    Side(FedAvg(), federation, initial).run()
    with pytest.raises(RoundFailed):
        Side(strategy(), federation, initial).run()
