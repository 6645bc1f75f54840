"""A ledger in memory, and people with real certificates."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from fedpact.identity import CertificateAuthority
from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.consortium import chaincode
from fedpact_chaincode.contract import Context, Contract, Id, Message, Result
from fedpact_chaincode.contracts.catalog import Dataset, Form, Publish
from fedpact_chaincode.contracts.privacy import Mechanisms, Release, charge
from fedpact_chaincode.contracts.registry import CastVote, Found, Founder, NodeKind, Propose, RegisterNode
from fedpact_chaincode.contracts.sharing import GrantAccess
from fedpact_chaincode.contracts.tasks import life
from fedpact_chaincode.contracts.tasks.records import FinalModel, Task, TaskId, TaskStatus
from fedpact_chaincode.contracts.tasks.transactions import CreateTask, OneTask
from fedpact_chaincode.contracts.teams import seats
from fedpact_chaincode.contracts.teams.forming import Assess
from fedpact_chaincode.contracts.teams.recruiting import Apply, OneTeam, OpenTeam
from fedpact_chaincode.state import Map, Record
from fedpact_chaincode.testing import MemoryLedger

People = Callable[..., bytes]


@pytest.fixture(scope="session")
def people() -> People:
    """`people(mspid, name, role)`: the creator (serialised identity) of that person, made once."""

    @cache
    def authority(mspid: str) -> CertificateAuthority:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        return CertificateAuthority.create(mspid, mspid, seed=mspid.encode(), not_before=start)

    @cache
    def person(mspid: str, name: str, role: str | None = "member") -> bytes:
        return authority(mspid).issue(name, role=role).creator

    return person


@pytest.fixture
def ledger() -> MemoryLedger:
    """An empty ledger that runs the consortium's chaincode."""
    return MemoryLedger(chaincode())


@pytest.fixture
def founded(ledger: MemoryLedger, people: People) -> MemoryLedger:
    """A ledger with a consortium of AlphaMSP, BetaMSP and GammaMSP; motions need all three."""
    founders = [Founder(mspid=f"{name}MSP", name=name) for name in ("Alpha", "Beta", "Gamma")]
    ledger.submit(people("AlphaMSP", "admin", "admin"), "registry:found", Found(organisations=founders))
    return ledger


class Spend(Message, frozen=True, kw_only=True):
    """Charge mechanisms to a budget, as a recorded update does."""

    dataset_id: Id
    requester: Id
    events: Mechanisms


class Fault(Message, frozen=True, kw_only=True):
    """What a closed round says of a member: `missed`, `lazy`, `eliminate`, `reinstate` or `schedule`."""

    task_id: TaskId
    node: Id
    kind: str
    round: int = 0


class Payment(Message, frozen=True, kw_only=True):
    """A reward from a task's escrow."""

    task_id: TaskId
    node: Id
    amount: int


class Finish(Message, frozen=True, kw_only=True):
    """Close a round, or complete the task."""

    task_id: TaskId
    model: FinalModel | None = None


rounds = Contract("rounds", "Does what closed rounds do, without rounds")


@rounds.transaction
def spend(ctx: Context, message: Spend) -> None:
    charge(ctx, Release(message.dataset_id, message.requester, "some-task", 1, message.events))


@rounds.transaction
def fault(ctx: Context, message: Fault) -> None:
    task = life.running(ctx, message.task_id)
    if message.kind == "schedule":
        seats.schedule_return(ctx, task, message.node, message.round)
        return
    does = {
        "missed": seats.note_missed,
        "lazy": seats.note_lazy,
        "eliminate": seats.eliminate,
        "reinstate": seats.reinstate,
    }
    does[message.kind](ctx, task.id, message.node)


@rounds.transaction
def reward(ctx: Context, message: Payment) -> None:
    life.reward(ctx, life.running(ctx, message.task_id), message.node, message.amount)


@rounds.transaction
def finish(ctx: Context, message: Finish) -> Task:
    task = life.running(ctx, message.task_id)
    if message.model is None:
        return life.round_closed(ctx, task)
    return life.close(ctx, task, TaskStatus.COMPLETED, message.model)


class Named(Result, frozen=True, kw_only=True):
    """A node."""

    id: str


@rounds.query
def aggregator(ctx: Context, message: OneTask) -> Named:
    return Named(id=seats.aggregator_of(ctx, life.running(ctx, message.task_id)))


class Stage:
    """A founded consortium whose people are called by `mspid/name`; the name says the role."""

    ORGANISATIONS = ("AlphaMSP", "BetaMSP", "GammaMSP", "DeltaMSP")
    CATEGORY = "diabetes"

    def __init__(self, people: People) -> None:
        self.ledger = MemoryLedger(Chaincode([*chaincode().contracts.values(), rounds]))
        self.people = people
        self.motions = 0
        founders = [Founder(mspid=mspid, name=mspid) for mspid in self.ORGANISATIONS]
        self.do("AlphaMSP/admin", "registry:found", Found(organisations=founders))

    def _decode(self, function: str, payload: bytes) -> Any:
        result = self.ledger.chaincode.find(function).result
        return None if result is None else msgspec.json.decode(payload, type=result)

    def fork(self) -> Stage:
        """Return a stage that goes on from here by itself."""
        twin = copy(self)
        twin.ledger = MemoryLedger(self.ledger.chaincode, time_ms=self.ledger.time_ms)
        twin.ledger.state = dict(self.ledger.state)
        return twin

    def creator(self, who: str) -> bytes:
        mspid, _, name = who.partition("/")
        role = name if name in {"admin", "validator", "device", "manager"} else "member"
        return self.people(mspid, name, role)

    def do(self, who: str, function: str, message: msgspec.Struct | None = None) -> Any:
        """Submit, let a millisecond pass, and return the decoded result."""
        payload = self.ledger.submit(self.creator(who), function, message)
        self.ledger.time_ms += 1
        return self._decode(function, payload)

    def ask(self, function: str, message: msgspec.Struct | None = None) -> Any:
        return self._decode(function, self.ledger.evaluate(self.creator("AlphaMSP/node"), function, message))

    def read(self, kept: Map[Record], *parts: str | int) -> Any:
        """Decode a record from the raw state; None if there is none."""
        value = self.ledger.state.get(kept.key_of(*parts))
        return None if value is None else kept.decode(value)

    def issue(self, account: str, amount: int) -> None:
        """Let the council put credit into an account."""
        self.motions += 1
        motion = f"AlphaMSP/motion-{self.motions}"
        message = Propose(name=f"motion-{self.motions}", kind="issue_credit", subject=account, amount=amount)
        self.do("AlphaMSP/admin", "registry:propose", message)
        for mspid in self.ORGANISATIONS[:3]:
            self.do(f"{mspid}/validator", "registry:vote", CastVote(motion=motion, approve=True))

    def provider(
        self, node: str, *, credit: int = 10_000, rows: int = 100, requester: str = "AlphaMSP"
    ) -> Dataset:
        """Register a node with credit and a dataset `mspid/<name>-data` that is granted to the requester."""
        name = node.partition("/")[2]
        self.do(node, "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        if credit:
            self.issue(node, credit)
        publish = Publish(name=f"{name}-data", category=self.CATEGORY, form=Form.TABULAR, rows=rows)
        dataset: Dataset = self.do(node, "catalog:publish", publish)
        granted = GrantAccess(
            dataset_id=dataset.id, requester=requester, purpose=self.CATEGORY, expires_ms=10**13
        )
        self.do(node, "sharing:grant", granted)
        return dataset

    def task(self, task_id: str = "task", *, requester: str = "AlphaMSP/researcher", **changes: Any) -> Task:
        """Create a task; the requester gets the credit that it costs."""
        terms: dict[str, Any] = {
            "id": task_id,
            "category": self.CATEGORY,
            "kind": "regression",
            "rounds": 10,
            "deadline_ms": self.ledger.time_ms + 1_000_000,
            "reward_per_round": 100,
            "team_size": 3,
            "min_mortgage": 1_000,
            "fingerprint": "f" * 64,
        }
        self.issue(requester, 10_000)
        message = msgspec.convert({**terms, **changes}, CreateTask)
        task: Task = self.do(requester, "tasks:create", message)
        return task

    def team(self, task_id: str, leader: str, *others: str, mortgage: int = 1_000) -> None:
        """Open a team and let the others apply, each abler than the next."""
        opened = OpenTeam(task_id=task_id, dataset_id=data_of(leader), mortgage=2 * mortgage)
        self.do(leader, "teams:open_team", opened)
        for rank, node in enumerate(others):
            applied = Apply(
                task_id=task_id, dataset_id=data_of(node), mortgage=mortgage, preference_nano=500_000_000
            )
            self.do(node, "teams:apply", applied)
            assessed = Assess(task_id=task_id, node=node, ability_nano=10**9 - rank)
            self.do(leader, "teams:assess", assessed)

    def start(self, task_id: str, leader: str) -> None:
        """Form the team and start the task."""
        self.do(leader, "teams:form", OneTeam(task_id=task_id))
        self.do(leader, "teams:start", OneTeam(task_id=task_id))


def data_of(node: str) -> str:
    """Return the id of the dataset that `Stage.provider` publishes for a node."""
    return f"{node}-data"


@pytest.fixture
def stage(people: People) -> Stage:
    """A founded consortium of four organisations; nobody has credit yet."""
    return Stage(people)
