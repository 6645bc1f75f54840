"""Federated averaging in which the participants validate each other's models (BPCV-FL, 4.1).

The paper (Blockchain-based mutual validation, retracted by its publisher) trains, lets every participant
score every other's model on its own data, drops the worst, elects the best as the round's leader and
averages the rest. What follows from the scores (who is dropped, who leads, what each model weighs) is
computed by the trail: by the contract where there is a ledger, by the same pure rules where there is none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fedpact.rules import LearningKind, Rules, Verdict
from fedpact_flower.arrays import record_of, weighted_mean
from fedpact_flower.conductor import Conductor, Update
from fedpact_flower.local_trail import LocalTrail
from fedpact_flower.trail import Trail

NANO = 10**9

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MutualValidationConfig:
    """How mutual validation runs; on a ledger the task's terms take the place of the last four.

    Attributes
    ----------
    fraction_evaluate : share of nodes that evaluate the global model after each round, [0, 1].
    timeout_s : longest wait for the scores of a round.
    kind : classification (scores are accuracies) or regression (mean absolute errors).
    rules : elimination (guarded, as in the paper, or none), margins, warm-up, validators per model.
    rows : registered number of records by member; members that are missing count as one.
    seed : of the draw of validators and of ties.
    """

    fraction_evaluate: float = 0.0
    timeout_s: float = 600.0
    kind: LearningKind = LearningKind.CLASSIFICATION
    rules: Rules = field(default_factory=Rules)
    rows: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


class MutualValidation(FedAvg):
    """Federated averaging with mutual validation.

    Clients answer the query `mutual_validate` (`fedpact_flower.client.validator`). Models are averaged by
    the verdict's weights, that is by registered sizes, never by what a client claims of itself.

    Parameters
    ----------
    config : settings.
    trail : where the rounds are kept; None: in memory.

    Examples
    --------
    >>> strategy = MutualValidation(MutualValidationConfig(kind=LearningKind.REGRESSION))  # doctest: +SKIP
    """

    def __init__(self, config: MutualValidationConfig | None = None, trail: Trail | None = None) -> None:
        self.config = config or MutualValidationConfig()
        super().__init__(
            fraction_evaluate=self.config.fraction_evaluate,
            min_evaluate_nodes=1 if self.config.fraction_evaluate else 0,
        )
        kept = trail or LocalTrail(
            self.config.kind, self.config.rules, rows=self.config.rows, seed=self.config.seed
        )
        self.conductor = Conductor(kept, timeout_s=self.config.timeout_s)
        self.verdicts: dict[int, Verdict] = {}

    def follow(self, conductor: Conductor) -> None:
        """Take part in rounds that `Recorded` leads."""
        self.conductor = conductor

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Send the global model to the round's participants."""
        if self.conductor.open(server_round, arrays, grid) is None:
            return []
        config["server-round"] = server_round
        content = {self.arrayrecord_key: arrays, self.configrecord_key: config}
        return self.conductor.stamp(
            Message(RecordDict(content), node, MessageType.TRAIN) for node in self.conductor.addressees()
        )

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the participants score each other's models, and average those that the verdict keeps."""
        if self.conductor.plan is None:
            return None, None
        updates = self.conductor.updates(replies)
        verdict = self.verdicts[server_round] = self.conductor.judge(updates, validate=True)
        kept = [update for update in updates if verdict.weights[update.position] > 0]
        arrays = None
        if kept:
            weights = [verdict.weights[update.position] for update in kept]
            arrays = record_of(weighted_mean([update.model for update in kept], weights))
        self.conductor.conclude(arrays)
        return arrays, _metrics(kept, verdict)


def _metrics(kept: Sequence[Update], verdict: Verdict) -> MetricRecord:
    """Summarise a round in numbers; the verdict itself is in `MutualValidation.verdicts`."""
    counts = {
        "kept": len(kept),
        "eliminated": len(verdict.eliminated),
        "missed": len(verdict.missed),
        "lazy": len(verdict.lazy),
    }
    level = {} if verdict.level is None else {"level": verdict.level / NANO}
    return MetricRecord({**counts, **level})
