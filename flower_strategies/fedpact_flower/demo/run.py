"""One run, from an empty folder to a verified ledger and a report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from fedpact import FoundingRules, Ledger, found
from fedpact.datasets import Dataset, Split, load, split
from fedpact.records import Outcome, Request
from fedpact_flower.demo import accounts
from fedpact_flower.demo.baselines import alone, central, scores
from fedpact_flower.demo.clock import START_MS, SimulatedClock
from fedpact_flower.demo.federation import Federation, federate
from fedpact_flower.demo.learning import Problem, noise_multiplier
from fedpact_flower.demo.members import Cast, Hospital, derived, enrol, organisations
from fedpact_flower.demo.preparation import prepare
from fedpact_flower.demo.report import write_html
from fedpact_flower.demo.request import TASK, ask, find, fund, team_up
from fedpact_flower.demo.settings import DemoSettings
from fedpact_flower.demo.summary import AuditFacts, DemoSummary, LedgerFacts, Scores

log = logging.getLogger(__name__)
Progress = Callable[[str], None]
REPORT = "report.html"


def run_demo(settings: DemoSettings, progress: Progress = log.info) -> DemoSummary:
    """Run the demonstration.

    Parameters
    ----------
    settings : what is asked for.
    progress : told what comes next.

    Returns
    -------
    What happened; the ledger and the report stay in the home.

    Raises
    ------
    FileExistsError
        The home holds an earlier run.
    DataError
        The dataset is not there.
    """
    began = time.monotonic()
    dataset = load(settings.dataset, settings.data, limit=settings.learning.rows)
    divided = split(dataset, settings.hospitals, settings.seed)
    clock = SimulatedClock()
    progress("founding the consortium")
    consortium, ledger = found(
        settings.home,
        organisations(settings.hospitals),
        rules=FoundingRules(),
        seed=derived(settings.seed, "consortium"),
        not_before=datetime.fromtimestamp(START_MS / 1000, UTC) - timedelta(days=1),
        clock_ns=clock.peek,
    )
    try:
        cast = enrol(consortium, ledger, clock, settings.seed, settings.home)
        return _play(_Stage(settings, dataset, divided, clock, cast, ledger), progress, began)
    finally:
        ledger.close()


class _Stage:
    """What every act needs."""

    def __init__(
        self,
        settings: DemoSettings,
        dataset: Dataset,
        divided: Split,
        clock: SimulatedClock,
        cast: Cast,
        ledger: Ledger,
    ) -> None:
        self.settings = settings
        self.dataset = dataset
        self.split = divided
        self.clock = clock
        self.cast = cast
        self.ledger = ledger
        self.problem = Problem.of(dataset, logarithms=settings.learning.logarithms)
        releases = settings.rounds * settings.learning.steps
        self.noise = noise_multiplier(settings.epsilon, settings.delta, releases)


def _play(stage: _Stage, progress: Progress, began: float) -> DemoSummary:
    cast, settings, dataset, problem = stage.cast, stage.settings, stage.dataset, stage.problem
    progress("devices, profiles, readings, grants, budgets, credit")
    anchored = prepare(cast, dataset, stage.split, settings, stage.clock)
    progress("request, retrieval, task, team")
    request = ask(cast, dataset, settings, "first")
    matches = find(cast, dataset)
    fund(cast, dataset, request, settings, stage.clock)
    team_up(cast, matches)
    aggregator = next(h for h in cast.hospitals if h.dataset_id == matches[0].dataset_id)
    progress(f"{settings.rounds} federated rounds")
    address = stage.ledger.local_address()  # opened before the workers are forked
    federation = Federation(problem, stage.split, stage.noise, settings, cast, address)
    history = federate(federation, aggregator, stage.clock)
    progress("delivery, second request")
    delivered = deliver(stage, request, aggregator)
    again = ask(cast, dataset, settings, "second")
    if again.outcome is Outcome.HIT:
        deliver(stage, again, aggregator)
    progress("audit")
    report = cast.chair.audit.run()
    states = accounts.states(cast, history)
    rounds = accounts.rounds(states, history)
    summary = DemoSummary(
        dataset=dataset.name,
        seed=settings.seed,
        metric=dataset.metric,
        federated=delivered,
        local=alone(problem, stage.split, cast.hospitals, settings),
        central=central(problem, stage.split, settings),
        rounds=len(rounds),
        history=rounds,
        found={match.dataset_id: match.similarity for match in matches},
        readings_anchored=anchored.readings,
        eliminated=accounts.eliminations(rounds),
        leaders=accounts.leaders(states),
        credit=accounts.credit(cast),
        privacy=accounts.privacy(cast, settings, stage.noise),
        cache_hit=again.outcome is Outcome.HIT,
        ledger=LedgerFacts(
            cast.consortium.url, report.height, report.transactions, stage.ledger.state_hash()
        ),
        audit=AuditFacts(
            report.ok, report.findings, {check.value: count for check, count in report.checked.items()}
        ),
        report=str(settings.home / REPORT),
        seconds=round(time.monotonic() - began, 2),
    )
    write_html(summary, settings.home / REPORT)
    return summary


def deliver(stage: _Stage, request: Request, holder: Hospital) -> Scores:
    """Let the holder open the final model to the researcher, who decrypts and scores it."""
    researcher = stage.cast.researcher
    task = researcher.tasks.get(TASK)
    if task.model is None or holder.node.models is None or researcher.models is None:
        raise RuntimeError(f"task {TASK} ended as {task.status} without a model")
    holder.node.models.grant(task.model.digest, researcher.identity.certificate_pem)
    holder.node.sharing.deliver(request.id, TASK)
    opened = researcher.models.get(task.model.digest, owner=holder.node.identity.id)
    model = {name: np.asarray(array, dtype=np.float64) for name, array in opened.items()}
    return scores(stage.problem, model, stage.split.test)
