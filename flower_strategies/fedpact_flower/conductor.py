"""Leads the rounds of a task through a Flower grid, as its trail prescribes.

One conductor is shared by the strategies that are wrapped around each other, so every step happens once a
round however many of them ask for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fedpact.rules import Verdict
from fedpact_flower import phases
from fedpact_flower.arrays import Model, ModelCache, UnusableModel, record_of
from fedpact_flower.phases import ANSWER, MODEL, QUESTION, ROUND, RoundCall, integers, score_key
from fedpact_flower.trail import Claim, Plan, Trail

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Update:
    """A participant's model, as it recorded it.

    Attributes
    ----------
    position : the participant's.
    model : decoded and verified against the trail.
    reply : the message that brought it.
    """

    position: int
    model: Model
    reply: Message

    @property
    def record(self) -> ArrayRecord:
        """The model as it came."""
        return next(iter(self.reply.content.array_records.values()))


class Conductor:
    """The server's side of a task's rounds.

    Parameters
    ----------
    trail : where the rounds are kept.
    timeout_s : longest wait for the answers to one query.
    """

    def __init__(self, trail: Trail, *, timeout_s: float = 600.0) -> None:
        self.trail = trail
        self.plan: Plan | None = None
        self._timeout_s = timeout_s
        self._cache = ModelCache()
        self._flower_nodes: dict[str, int] = {}
        self._grid: Grid | None = None
        self._number = 0
        self._verdict: Verdict | None = None
        self._concluded = False

    def open(self, number: int, grid: Grid) -> Plan | None:
        """Open a round, unless it is open already; None once the task has ended."""
        if number == self._number:
            return self.plan
        self._number, self._grid = number, grid
        self._verdict, self._concluded = None, False
        if not self._flower_nodes:
            self._enlist(grid)
        self.plan = self.trail.open(number, list(self._flower_nodes))
        if self.plan is None:
            log.info("the task has ended before round %d", number)
        elif any(node not in self._flower_nodes for node in self.plan.participants):
            self._enlist(grid)  # it may have connected since
        return self.plan

    def addressees(self) -> list[int]:
        """Return the Flower nodes of the round's participants, in their order; O(participants)."""
        return [self._flower_nodes[node] for node in self._reachable()]

    def stamp(self, messages: Iterable[Message]) -> list[Message]:
        """Add the round to messages that are addressed to participants; drop the others."""
        stamped = []
        addressed = set(self.addressees())
        record = self._call().record()
        for message in messages:
            if message.metadata.dst_node_id in addressed:
                message.content[ROUND] = record
                stamped.append(message)
        return stamped

    def updates(self, replies: Iterable[Message]) -> list[Update]:
        """Return the models that match their owners' records, in the participants' order.

        A reply is dropped where the client failed, where it brings no usable model, and where its hash is
        not the one that the participant itself recorded.
        """
        plan = self._open_plan()
        arrived = self._arrived(replies)
        self.trail.received({node: model.digest for node, (model, _) in arrived.items()})
        recorded = self.trail.updates(plan.number)
        genuine = []
        for position, node in enumerate(plan.participants):
            if node not in arrived:
                continue
            model, reply = arrived[node]
            if recorded.get(node) == model.digest:
                genuine.append(Update(position, model, reply))
            else:
                log.warning("round %d: %s sent another model than it recorded", plan.number, node)
        return genuine

    def ask(self, kind: str, questions: Mapping[str, RecordDict]) -> dict[str, RecordDict]:
        """Put a query to some members; return the contents of the answers that came."""
        record = self._call().record()
        messages = []
        for node, question in questions.items():
            if node in self._flower_nodes:
                content = RecordDict({**question, ROUND: record})
                group = str(self._number)
                messages.append(Message(content, self._flower_nodes[node], kind, group_id=group))
        members = {flower_node: node for node, flower_node in self._flower_nodes.items()}
        answers = {}
        for reply in self._send(messages):
            node = members[reply.metadata.src_node_id]
            if reply.has_error():
                log.warning("round %d: %s did not %s: %s", self._number, node, kind, reply.error.reason)
            else:
                answers[node] = reply.content
        return answers

    def judge(self, updates: Sequence[Update], *, validate: bool = False) -> Verdict:
        """Have the round closed, unless it is closed already, and return the verdict.

        Parameters
        ----------
        updates : the models that can be validated; the others are missing.
        validate : whether members score them even where the task's rules do not need it.
        """
        if self._verdict is None:
            plan = self._open_plan()
            if validate or plan.scores_needed:
                self.trail.begin_scoring(plan.number)
                self._validate(updates)
            self._verdict = self.trail.verdict(plan.number)
        return self._verdict

    def conclude(self, model: Model) -> None:
        """Record the new global model, have the round sealed, and after the last one the task completed."""
        if self._concluded:
            return
        number = self._open_plan().number
        self.trail.record_global(number, model)
        for leader in self.trail.sealers(number):
            question = ConfigRecord({"model": model.digest})
            self.ask(phases.SEAL, {leader: RecordDict({QUESTION: question})})
        committee = self.trail.committee(number)
        if committee:
            final = record_of(model.arrays)
            self.ask(phases.APPROVE, {node: RecordDict({MODEL: final}) for node in committee})
            self.trail.complete(number)
        self._concluded = True

    def model_of(self, record: ArrayRecord) -> Model:
        """Return the model of an array record, decoded once.

        Raises
        ------
        UnusableModel
            It is none.
        """
        return self._cache.model_of(record)

    def _validate(self, updates: Sequence[Update]) -> None:
        plan = self._open_plan()
        models = {update.position: update.record for update in updates}
        questions = {}
        for node, asked in zip(plan.participants, plan.asks, strict=True):
            if asked:
                question = ConfigRecord({"participants": len(plan.participants), "asked": list(asked)})
                given = {score_key(position): models[position] for position in asked if position in models}
                questions[node] = RecordDict({QUESTION: question, **given})
        for node, answer in self.ask(phases.MUTUAL_VALIDATE, questions).items():
            try:
                self.trail.scored(node, integers(phases.record_in(answer, ANSWER), "scores"))
            except ValueError as error:
                log.warning("round %d: %s sent no scores: %s", plan.number, node, error)

    def _enlist(self, grid: Grid) -> None:
        self._flower_nodes = dict(self.trail.enlist(list(grid.get_node_ids()), self._challenge))

    def _challenge(self, challenge: bytes) -> dict[int, Claim]:
        content = RecordDict({QUESTION: ConfigRecord({"challenge": challenge}), ROUND: self._call().record()})
        nodes = list(self._open_grid().get_node_ids())
        replies = self._send([Message(content, node, phases.IDENTIFY) for node in nodes])
        claims = {}
        for reply in replies:
            record = phases.record_in(reply.content, ANSWER) if reply.has_content() else ConfigRecord()
            try:
                claim = Claim(phases.text(record, "node"), phases.octets(record, "signature"))
            except ValueError:
                log.warning("Flower node %d does not say who it is", reply.metadata.src_node_id)
                continue
            claims[reply.metadata.src_node_id] = claim
        return claims

    def _arrived(self, replies: Iterable[Message]) -> dict[str, tuple[Model, Message]]:
        members = {flower_node: node for node, flower_node in self._flower_nodes.items()}
        arrived: dict[str, tuple[Model, Message]] = {}
        for reply in replies:
            node = members.get(reply.metadata.src_node_id, "")
            if reply.has_error():
                log.warning("round %d: %s failed: %s", self._number, node, reply.error.reason)
                continue
            records = list(reply.content.array_records.values())
            try:
                [record] = records
                arrived[node] = (self._cache.model_of(record), reply)
            except (ValueError, UnusableModel) as error:
                log.warning("round %d: %s sent no model: %s", self._number, node, error)
        return arrived

    def _send(self, messages: list[Message]) -> list[Message]:
        if not messages:
            return []
        return list(self._open_grid().send_and_receive(messages, timeout=self._timeout_s))

    def _reachable(self) -> list[str]:
        return [node for node in self._open_plan().participants if node in self._flower_nodes]

    def _open_plan(self) -> Plan:
        if self.plan is None:
            raise RuntimeError("no round is open")
        return self.plan

    def _open_grid(self) -> Grid:
        if self._grid is None:
            raise RuntimeError("no round was opened yet")
        return self._grid

    def _call(self) -> RoundCall:
        # a resumed task counts on where the ledger is, Flower counts from 1 again
        number = self.plan.number if self.plan is not None else self._number
        return RoundCall(self.trail.task_id, number, self.trail.now_ms())
