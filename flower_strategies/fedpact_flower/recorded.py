"""A trail for any Flower strategy: every update is its owner's own record, every round is sealed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedpact_flower.conductor import Conductor
from fedpact_flower.participants import ParticipantGrid
from fedpact_flower.trail import Trail


@runtime_checkable
class Follower(Protocol):
    """A strategy that itself asks for plans and verdicts."""

    def follow(self, conductor: Conductor) -> None:
        """Take part in rounds that another strategy leads."""


class Recorded(Strategy):
    """Gives a strategy its trail.

    Before training it opens the round, and only its participants are asked. After training it drops every
    update that its owner did not record on the trail with this very hash. When the strategy has
    aggregated, it closes the round, records the global model, and has the elected leader seal the round.

    Parameters
    ----------
    strategy : any strategy; one that has a method `follow`, as `MutualValidation` has, is led by this one.
    trail : where the rounds are kept.
    timeout_s : longest wait for the answers to one query.

    Examples
    --------
    >>> strategy = Recorded(FedAvg(), LedgerTrail(session, "task-1"))  # doctest: +SKIP
    """

    def __init__(self, strategy: Strategy, trail: Trail, *, timeout_s: float = 600.0) -> None:
        self.strategy = strategy
        self.conductor = Conductor(trail, timeout_s=timeout_s)
        if isinstance(strategy, Follower):
            strategy.follow(self.conductor)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Open the round and let the strategy address its participants."""
        if self.conductor.open(server_round, arrays, grid) is None:
            return []
        view = ParticipantGrid(grid, self.conductor.addressees())
        messages: Iterable[Message] = self.strategy.configure_train(server_round, arrays, config, view)
        return self.conductor.stamp(messages)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the strategy aggregate the recorded updates, then close, record and seal the round."""
        if self.conductor.plan is None:
            return None, None
        updates = self.conductor.updates(replies)
        arrays, metrics = self.strategy.aggregate_train(server_round, [update.reply for update in updates])
        self.conductor.judge(updates)
        self.conductor.conclude(arrays)
        return arrays, metrics

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Leave the evaluation to the strategy."""
        messages: Iterable[Message] = self.strategy.configure_evaluate(server_round, arrays, config, grid)
        return messages

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Leave the evaluation to the strategy."""
        return self.strategy.aggregate_evaluate(server_round, replies)

    def summary(self) -> None:
        """Log what the strategy says of itself."""
        self.strategy.summary()
