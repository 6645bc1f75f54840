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
from fedpact_flower.contacts import Contacts
from fedpact_flower.phases import ANSWER, MODEL, QUESTION, ROUND, RoundCall, integers, score_key
from fedpact_flower.trail import Plan, Trail

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Update:
    """A participant's model, as it recorded it.

    Attributes
    ----------
    position : the participant's.
    model : decoded and verified against the trail.
    record : the model as it came; strategies may empty the reply's own record.
    reply : the message that brought it.
    """

    position: int
    model: Model
    record: ArrayRecord
    reply: Message


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
        self._contacts: Contacts | None = None
        self._number = 0
        self._before: Model | None = None
        self._verdict: Verdict | None = None
        self._concluded = False

    def open(self, number: int, arrays: ArrayRecord, grid: Grid) -> Plan | None:
        """Open a round, unless it is open already; None once the task has ended.

        A round that an earlier server left unfinished is finished first, without its models: the global
        model stays as it was.

        Parameters
        ----------
        number : Flower's count of the rounds.
        arrays : the global model before the round.
        grid : where the clients are.

        Raises
        ------
        UnusableModel
            The arrays are no model.
        """
        if number == self._number:
            return self.plan
        self._number, self._before = number, self._cache.model_of(arrays)
        if self._contacts is None:
            self._contacts = Contacts(grid, timeout_s=self._timeout_s)
            self._contacts.enlist(self.trail, self._call())
        self._begin(self._contacts)
        while self.plan is not None and not self.plan.awaits_updates:
            log.warning("round %d was left unfinished", self.plan.number)
            self._verdict = self.trail.verdict(self.plan.number)
            self.conclude(None)
            self._begin(self._contacts)
        if self.plan is None:
            log.info("the task has ended before round %d", number)
        elif set(self.plan.participants) - set(self._contacts.members):
            self._contacts.enlist(self.trail, self._call())  # they may have connected since
        return self.plan

    def addressees(self) -> list[int]:
        """Return the Flower nodes of the round's participants, in their order."""
        return self._reached().addresses(self._open_plan().participants)

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

        A reply is dropped where the client failed, where it brings no model that could replace the global
        one, and where its hash is not the one that the participant itself recorded.
        """
        plan = self._open_plan()
        arrived = self._arrived(replies)
        self.trail.received({node: update.model.digest for node, update in arrived.items()})
        recorded = self.trail.updates(plan.number)
        genuine = []
        for node, update in sorted(arrived.items(), key=lambda item: item[1].position):
            if recorded.get(node) == update.model.digest:
                genuine.append(update)
            else:
                log.warning("round %d: %s sent another model than it recorded", plan.number, node)
        return genuine

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

    def conclude(self, arrays: ArrayRecord | None) -> None:
        """Record the new global model, have the round sealed, and after the last one the task completed.

        Parameters
        ----------
        arrays : the new global model; None: no usable update came, and the model stays as it was.
        """
        if self._concluded:
            return
        number = self._open_plan().number
        model = self._before if arrays is None else self._cache.model_of(arrays)
        if model is None:
            raise RuntimeError("no round was opened yet")
        recorded = self.trail.record_global(number, model)
        for leader in self.trail.sealers(number):
            question = ConfigRecord({"model": recorded})
            self._ask(phases.SEAL, {leader: RecordDict({QUESTION: question})})
        committee = self.trail.committee(number)
        if committee:
            final = record_of(model.arrays)
            self._ask(phases.APPROVE, {node: RecordDict({MODEL: final}) for node in committee})
            self.trail.complete(number)
        self._concluded = True

    def _begin(self, contacts: Contacts) -> None:
        self._verdict, self._concluded = None, False
        self.plan = self.trail.open(self._number, contacts.members)

    def _validate(self, updates: Sequence[Update]) -> None:
        plan = self._open_plan()
        models = {update.position: update.record for update in updates}
        questions = {}
        for node, asked in zip(plan.participants, plan.asks, strict=True):
            if asked:
                question = ConfigRecord({"participants": len(plan.participants), "asked": list(asked)})
                given = {score_key(position): models[position] for position in asked if position in models}
                questions[node] = RecordDict({QUESTION: question, **given})
        for node, answer in self._ask(phases.MUTUAL_VALIDATE, questions).items():
            try:
                self.trail.scored(node, integers(phases.record_in(answer, ANSWER), "scores"))
            except ValueError as error:
                log.warning("round %d: %s sent no scores: %s", plan.number, node, error)

    def _arrived(self, replies: Iterable[Message]) -> dict[str, Update]:
        positions = {node: position for position, node in enumerate(self._open_plan().participants)}
        arrived: dict[str, Update] = {}
        for reply in replies:
            node = self._reached().sender(reply)
            if reply.has_error():
                log.warning("round %d: %s failed: %s", self._number, node, reply.error.reason)
            elif node in positions:
                try:
                    arrived[node] = self._update(positions[node], reply)
                except UnusableModel as error:
                    log.warning("round %d: %s sent no model: %s", self._number, node, error)
        return arrived

    def _update(self, position: int, reply: Message) -> Update:
        records = list(reply.content.array_records.values())
        if len(records) != 1:
            raise UnusableModel(f"{len(records)} array records")
        model = self._cache.model_of(records[0])
        if self._before is None or not model.fits(self._before):
            raise UnusableModel("other arrays than the global model's")
        if not model.finite:
            raise UnusableModel("numbers that are not finite")
        return Update(position, model, ArrayRecord(dict(records[0])), reply)

    def _ask(self, kind: str, questions: Mapping[str, RecordDict]) -> dict[str, RecordDict]:
        return self._reached().ask(kind, questions, self._call())

    def _open_plan(self) -> Plan:
        if self.plan is None:
            raise RuntimeError("no round is open")
        return self.plan

    def _reached(self) -> Contacts:
        if self._contacts is None:
            raise RuntimeError("no round was opened yet")
        return self._contacts

    def _call(self) -> RoundCall:
        # a resumed task counts on where the ledger is, Flower counts from 1 again
        number = self.plan.number if self.plan is not None else self._number
        return RoundCall(self.trail.task_id, number, self.trail.now_ms())
