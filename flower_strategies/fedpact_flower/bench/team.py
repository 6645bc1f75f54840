"""A consortium with a running task, as the benchmark's recorded rounds need it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fedpact import Consortium, Identity, Ledger, Session, connect, found
from fedpact.records import CreateTask, Elimination, Form, LearningKind, MotionStatus, NodeKind, Rules
from fedpact_flower.bench.settings import RoundRules

TASK = "digits"
CATEGORY = "handwriting"
_HOUR_MS = 3600 * 1000
_DAY_MS = 24 * _HOUR_MS
_REWARD, _MORTGAGE = 1_000_000, 1_000


@dataclass(frozen=True, eq=False)
class Team:
    """The members of the running task.

    Attributes
    ----------
    ledger : where the task is.
    nodes : identity of each client, by partition.
    models : folder of the store of models.
    stores_models : whether clients use it.
    """

    ledger: Ledger
    nodes: tuple[Identity, ...]
    models: Path
    stores_models: bool

    def session(self, partition: int, *, address: str | Ledger | None = None) -> Session:
        """Open a client's own session, on the ledger or through its socket."""
        models = f"file://{self.models}" if self.stores_models else None
        return connect(address or self.ledger, identity=self.nodes[partition], models=models)


@contextmanager
def running_team(home: Path, rules: RoundRules) -> Iterator[Team]:
    """Found a consortium, publish the clients' datasets, fund a task and start it; close the ledger after.

    Nobody is eliminated, so that no scores are asked for: the plain round has none either. The task has one
    round more than are run, because its last one would end with the committee's approval.
    """
    names = {f"Hospital{n}MSP": f"Hospital {n}" for n in range(1, rules.organisations + 1)}
    consortium, ledger = found(home, names)
    try:
        people = _People(consortium, ledger, rules)
        people.prepare()
        people.start()
        models = home / "models"
        models.mkdir()
        nodes = tuple(session.identity for session in people.nodes)
        yield Team(ledger, nodes, models, rules.stores_models)
    finally:
        ledger.close()


class _People:
    """Everybody's sessions while the task is set up."""

    def __init__(self, consortium: Consortium, ledger: Ledger, rules: RoundRules) -> None:
        self._consortium = consortium
        self._ledger = ledger
        self._rules = rules
        mspids = list(consortium.organisations)
        self.admins = [self._session(mspid, "admin", "admin") for mspid in mspids]
        self.requester = self._session(mspids[0], "researcher", "member")
        self.nodes = [
            self._session(mspids[n % len(mspids)], f"node{n}", "member") for n in range(rules.clients)
        ]
        self._datasets: list[str] = []

    def prepare(self) -> None:
        """Register the nodes, publish and grant their datasets, hand out credit."""
        self.admins[0].council.found(self._consortium.organisations)
        self._issue(
            self.requester.identity.id, _REWARD * (self._rules.rounds + 2) + 3 * _MORTGAGE * len(self.nodes)
        )
        expires_ms = time.time_ns() // 1_000_000 + _DAY_MS
        for number, node in enumerate(self.nodes):
            node.council.register_node(NodeKind.PROVIDER)
            profile = {"digit": 0.5, f"part {number}": 0.5}
            dataset = node.data.publish(
                f"part{number}", profile, category=CATEGORY, form=Form.IMAGE, rows=self._rules.images
            )
            node.sharing.grant(dataset.id, self.requester.identity.mspid, CATEGORY, expires_ms=expires_ms)
            self.requester.credit.transfer(node.identity.id, 2 * _MORTGAGE)
            self._datasets.append(dataset.id)

    def start(self) -> None:
        """Fund the task, form the team of all nodes and start the rounds."""
        terms = CreateTask(
            id=TASK,
            category=CATEGORY,
            kind=LearningKind.CLASSIFICATION,
            rounds=self._rules.rounds + 2,
            deadline_ms=time.time_ns() // 1_000_000 + _DAY_MS,
            reward_per_round=_REWARD,
            team_size=len(self.nodes),
            min_mortgage=_MORTGAGE,
            fingerprint="0" * 64,
            rules=Rules(elimination=Elimination.NONE, update_time_ms=_HOUR_MS),
        )
        self.requester.tasks.create(terms)
        leader, *others = self.nodes
        leader.tasks.open_team(TASK, self._datasets[0], mortgage=2 * _MORTGAGE)
        for node, dataset in zip(others, self._datasets[1:], strict=True):
            node.tasks.apply(TASK, dataset, mortgage=_MORTGAGE, preference=1.0)
            leader.tasks.assess(TASK, node.identity.id, ability=1.0)
        leader.tasks.form(TASK)
        leader.tasks.start(TASK)

    def _issue(self, account: str, amount: int) -> None:
        motion = self.admins[0].council.propose("funds", "issue_credit", account, amount=amount)
        for admin in self.admins:
            if admin.council.vote(motion.id).status is not MotionStatus.OPEN:
                return

    def _session(self, mspid: str, name: str, role: str) -> Session:
        identity = self._consortium.enrol(mspid, name, role=role)
        return connect(self._ledger, identity=identity, retrieval_key=self._consortium.retrieval_key)
