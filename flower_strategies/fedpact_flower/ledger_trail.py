"""A trail on a ledger, kept by the aggregator's session; every other member keeps its own part itself."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

from fedpact import Rejected, Session
from fedpact.models import ModelRef
from fedpact.records import Elimination, Node, Round, RoundStatus, Task, TaskStatus
from fedpact.rules import Verdict
from fedpact_flower.arrays import Model
from fedpact_flower.identification import CHALLENGE_BYTES, proves
from fedpact_flower.trail import Challenge, Plan

R = TypeVar("R")

log = logging.getLogger(__name__)


class RoundNotSealed(Exception):  # noqa: N818 - reads as what happened
    """Nobody in the round's ranking sealed it; the members' logs say why."""

    def __init__(self, task_id: str, number: int) -> None:
        super().__init__(f"round {number} of task {task_id} was sealed by nobody")
        self.task_id = task_id
        self.number = number


class LedgerTrail:
    """Keeps a task's rounds on its ledger.

    Parameters
    ----------
    session : the aggregator's.
    task_id : a running task.
    wait_until : returns when the session's clock shows a time in milliseconds; None sleeps until then. For
        simulations: the method that sets their clock.
    """

    def __init__(
        self, session: Session, task_id: str, *, wait_until: Callable[[int], None] | None = None
    ) -> None:
        self.task_id = task_id
        self._session = session
        self._wait_until = wait_until or self._sleep_until

    def now_ms(self) -> int:
        """Return the session's time."""
        return self._session.time_ms

    def enlist(self, flower_nodes: Sequence[int], challenge: Challenge) -> Mapping[str, int]:
        """Find the members by a challenge that they sign with the keys that they registered."""
        question = secrets.token_bytes(CHALLENGE_BYTES)
        registered = {node.id: node.public_key for node in self._registered()}
        found: dict[str, int] = {}
        for flower_node, claim in challenge(question).items():
            key = registered.get(claim.node)
            if key is None or not proves(key, claim.signature, question, flower_node):
                log.warning("Flower node %d is not the %s that it claims to be", flower_node, claim.node)
            elif found.setdefault(claim.node, flower_node) != flower_node:
                log.warning("%s answers as Flower node %d too", claim.node, flower_node)
        return found

    def open(self, number: int, nodes: Sequence[str]) -> Plan | None:
        """Open the task's next round, or go on with one that is open; None once the task has ended.

        The ledger counts the rounds; `number` is Flower's count, which begins again when a server does.
        """
        task = self._session.tasks.get(self.task_id)
        if task.status is not TaskStatus.RUNNING or task.rounds_closed >= task.rounds:
            return None
        opened = self._under_way(task) or self._session.training.open_round(self.task_id)
        return Plan(
            number=opened.number,
            participants=tuple(participant.node for participant in opened.participants),
            asks=tuple(opened.asked_of(position) for position in range(len(opened.participants))),
            scores_needed=task.rules.elimination is not Elimination.NONE,
            awaits_updates=opened.status is RoundStatus.UPDATES,
        )

    def received(self, updates: Mapping[str, str]) -> None:
        """Take no note: what counts is what the members recorded."""

    def updates(self, number: int) -> Mapping[str, str]:
        """Return the hash that each member recorded."""
        state = self._session.training.round(self.task_id, number)
        return {update.node: update.model for update in state.updates}

    def begin_scoring(self, number: int) -> None:
        """Begin scoring when every update is in or its time has passed."""
        state = self._session.training.round(self.task_id, number)
        if state.status is RoundStatus.UPDATES:
            self._when_due(
                lambda: self._session.training.begin_scoring(self.task_id, number), state.updates_due_ms
            )

    def scored(self, node: str, scores: Sequence[int]) -> None:
        """Take no note: what counts is what the members recorded."""

    def verdict(self, number: int) -> Verdict:
        """Have the contract close the round, when all is in or the time has passed."""
        state = self._session.training.round(self.task_id, number)
        verdict = state.verdict
        if verdict is None:
            due_ms = state.scores_due_ms or state.updates_due_ms
            closed = self._when_due(lambda: self._session.training.close_round(self.task_id, number), due_ms)
            verdict = closed.verdict
        if verdict is None:
            raise RuntimeError(f"round {number} of task {self.task_id} was closed without a verdict")
        return Verdict(**{field.name: getattr(verdict, field.name) for field in fields(Verdict)})

    def record_global(self, number: int, model: Model) -> str:
        """Store and record the global model, unless one is recorded; return the recorded hash."""
        recorded = self._session.training.round(self.task_id, number).model
        if recorded is not None:
            return recorded.digest
        store = self._session.models
        if store is None:
            reference = ModelRef(model.digest, model.size_bytes, f"message://{model.digest}")
        else:
            reference = store.put(model.arrays)
        self._session.training.record_global(self.task_id, number, reference)
        return model.digest

    def sealers(self, number: int) -> Iterator[str]:
        """Yield the leader, then the next in rank when its time has passed, until the round is sealed."""
        act_time_ms = self._session.tasks.get(self.task_id).rules.act_time_ms
        state = self._session.training.round(self.task_id, number)
        if state.election is None or state.model is None:
            raise RoundNotSealed(self.task_id, number)
        for rank, node in enumerate(state.election.ranking):
            self._reach(state.model.recorded_ms + rank * act_time_ms)
            yield node
            if self._session.training.round(self.task_id, number).status is RoundStatus.SEALED:
                return
            log.warning("round %d of task %s: %s did not seal", number, self.task_id, node)
        raise RoundNotSealed(self.task_id, number)

    def committee(self, number: int) -> Sequence[str]:
        """Return who has to approve the final model; nobody before the task's last round."""
        return self._session.training.committee(self.task_id).members

    def complete(self, number: int) -> None:
        """Have the contract count the committee's measurements, when the outcome is certain."""
        task = self._session.tasks.get(self.task_id)
        election = self._session.training.round(self.task_id, number).election
        sealed_ms = election.sealed_ms if election is not None and election.sealed_ms is not None else 0
        ended = self._when_due(
            lambda: self._session.training.complete(self.task_id), sealed_ms + task.rules.score_time_ms
        )
        log.info("task %s: %s", self.task_id, ended.status)

    def _under_way(self, task: Task) -> Round | None:
        """Return the round that a server before this one opened and did not close."""
        rounds = self._session.training.rounds(self.task_id, after=task.rounds_closed)
        return rounds[0] if rounds else None

    def _registered(self) -> Iterator[Node]:
        after: str | None = None
        while page := self._session.council.nodes(after=after):
            yield from page
            after = page[-1].id

    def _when_due(self, act: Callable[[], R], due_ms: int) -> R:
        """Act at once if the contract lets us, else when its time has come."""
        try:
            return act()
        except Rejected as rejected:
            if rejected.code.name not in {"ROUND_NOT_DUE", "COMMITTEE_OPEN"}:
                raise
            log.info("task %s: waiting until %d ms: %s", self.task_id, due_ms, rejected)
        self._reach(due_ms + 1)
        return act()

    def _reach(self, time_ms: int) -> None:
        if self._session.time_ms < time_ms:
            self._wait_until(time_ms)

    def _sleep_until(self, time_ms: int) -> None:
        while (missing_ms := time_ms - self._session.time_ms) > 0:
            time.sleep(missing_ms / 1000)
