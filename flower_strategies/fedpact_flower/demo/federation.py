"""The federated rounds: each hospital trains, records and validates under its own identity."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedpact import Session, connect
from fedpact.datasets import Split
from fedpact.models import Array
from fedpact.records import Gaussian, LearningKind
from fedpact_flower.arrays import model_of, record_of
from fedpact_flower.client import Member, recorded_client, serve
from fedpact_flower.demo.baselines import Model, outcomes, scores
from fedpact_flower.demo.clock import SimulatedClock
from fedpact_flower.demo.learning import Problem, accuracy, mean_absolute_error, train
from fedpact_flower.demo.members import Cast, Hospital, model_store
from fedpact_flower.demo.request import TASK
from fedpact_flower.demo.settings import DemoSettings
from fedpact_flower.demo.summary import Scores
from fedpact_flower.ledger_trail import LedgerTrail
from fedpact_flower.mutual_validation import MutualValidation, MutualValidationConfig
from fedpact_flower.runtime import Rounds, run_in_process


@dataclass(frozen=True, eq=False)
class Federation:
    """Everything that the hospitals' training apps know.

    Attributes
    ----------
    problem : what is learned.
    split : every hospital's rows; each app touches its own.
    noise_multiplier : of every gradient step.
    settings : of the demonstration.
    cast : who they are.
    address : of the node, for the worker processes.
    clock : of this process's training nodes; follows the server's messages.
    """

    problem: Problem
    split: Split
    noise_multiplier: float
    settings: DemoSettings
    cast: Cast
    address: str
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(step_ms=0))
    sessions: dict[tuple[int, int], Session] = field(default_factory=dict)

    def session_of(self, context: Context) -> Session:
        """Return the node's own session; a worker process opens it when it first needs it."""
        partition = _partition(context)
        place = (os.getpid(), partition)
        if place not in self.sessions:
            identity = self.cast.hospitals[partition].node.identity
            self.sessions[place] = connect(
                self.address,
                identity=identity,
                models=model_store(self.settings.home, identity, self.settings.seed, self.clock),
                clock_ns=self.clock,
            )
        return self.sessions[place]

    def quality(self, model: Mapping[str, Array], context: Context) -> float:
        """Score a model on the hospital's own validation rows: MAE or accuracy."""
        partition = _partition(context)
        rows = self.split.owners[partition].validation
        target = self.problem.turned_round(rows.target) if self._lies(partition) else rows.target
        predicted = self.problem.predict(_floats(model), rows.features)
        measure = mean_absolute_error if self.problem.is_regression else accuracy
        return measure(predicted, target)

    def train(self, message: Message, context: Context) -> Message:
        """Train on the hospital's own rows, privately."""
        partition = _partition(context)
        arrays = next(iter(message.content.array_records.values()))
        data = outcomes(self.problem, self.split.owners[partition], liar=self._lies(partition))
        model = train(
            self.problem,
            _floats(model_of(arrays).arrays),
            data,
            self.settings.learning,
            noise_multiplier=self.noise_multiplier,
            # the runtime has seeded this generator for this node and round
            generator=np.random.default_rng(np.random.randint(2**31)),
        )
        metrics = MetricRecord({"num-examples": len(data[1])})
        return Message(RecordDict({"arrays": record_of(model), "metrics": metrics}), reply_to=message)

    def app(self) -> ClientApp:
        """Return the hospitals' app."""
        spent = Gaussian(
            noise_multiplier_nano=round(self.noise_multiplier * 10**9), count=self.settings.learning.steps
        )
        member = Member(session_of=self.session_of, follow=self.clock.set_ms, spends=lambda _: (spent,))
        app = ClientApp()
        app.train(mods=[recorded_client(member)])(self.train)
        serve(app, member, self.quality)
        return app

    def _lies(self, partition: int) -> bool:
        return partition == len(self.cast.hospitals) - 1


def federate(federation: Federation, aggregator: Hospital, clock: SimulatedClock) -> dict[int, Scores]:
    """Run all rounds as the aggregation server; return the global model's scores by round.

    Parameters
    ----------
    clock : of the aggregator's session.
    """
    problem, settings = federation.problem, federation.settings
    history: dict[int, Scores] = {}

    def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
        history[number] = scores(problem, _floats(model_of(arrays).arrays), federation.split.test)
        return MetricRecord(dict(history[number]))

    kind = LearningKind.REGRESSION if problem.is_regression else LearningKind.CLASSIFICATION
    trail = LedgerTrail(aggregator.node, TASK, wait_until=clock.set_ms)
    strategy = MutualValidation(MutualValidationConfig(kind=kind), trail)
    run_in_process(
        strategy,
        federation.app(),
        len(federation.cast.hospitals),
        seed=settings.seed,
        rounds=Rounds(
            initial_arrays=record_of(problem.initial()), num_rounds=settings.rounds, evaluate_fn=evaluate
        ),
        workers=settings.workers,
    )
    return {number: found for number, found in history.items() if number > 0}


def _partition(context: Context) -> int:
    return int(context.node_config["partition-id"])


def _floats(model: Mapping[str, Array]) -> Model:
    return {name: np.asarray(array, dtype=np.float64) for name, array in model.items()}
