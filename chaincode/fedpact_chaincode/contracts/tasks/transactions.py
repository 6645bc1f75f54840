"""What a requester does with a task, and what anybody may ask about tasks."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec
from msgspec.structs import replace

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contract import (
    Context,
    Contract,
    Digest,
    Event,
    Id,
    Message,
    Micros,
    Name,
    Nanos,
    Result,
    TimeMs,
)
from fedpact_chaincode.contracts.credit.book import move
from fedpact_chaincode.contracts.credit.records import Reason, escrow_of
from fedpact_chaincode.contracts.registry import Limit, require_member
from fedpact_chaincode.contracts.sharing.records import REQUESTS, Outcome
from fedpact_chaincode.contracts.tasks.life import close, in_status, round_funding
from fedpact_chaincode.contracts.tasks.records import (
    REQUEST_MISMATCH,
    TASK_NOT_DUE,
    TASK_STATUS,
    TASK_TERMS,
    TASKS,
    LearningKind,
    Rules,
    Task,
    TaskId,
    TaskStatus,
)
from fedpact_chaincode.contracts.teams.seats import seat
from fedpact_chaincode.errors import Rejected

contract = Contract("tasks", "Requests for models: terms, funding, and how they end")
_LIVING = (TaskStatus.OPEN, TaskStatus.TEAMED, TaskStatus.RUNNING)


class CreateTask(Message, frozen=True, kw_only=True):
    """Ask for a model; see `Task` for the fields. The caller's account pays for all rounds at once."""

    id: TaskId
    category: Name
    kind: LearningKind
    rounds: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    deadline_ms: TimeMs
    reward_per_round: Micros
    team_size: Annotated[int, msgspec.Meta(ge=2, le=1000)]
    fingerprint: Digest
    target_quality_nano: Nanos | None = None
    min_credit: Micros = 0
    min_mortgage: Micros = 0
    privacy_required: bool = False
    rules: Rules = Rules()
    request_id: Id | None = None


class OneTask(Message, frozen=True, kw_only=True):
    """Name a task."""

    task_id: TaskId


class Appoint(Message, frozen=True, kw_only=True):
    """Choose the aggregator among the team's members."""

    task_id: TaskId
    node: Id


class TasksAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of tasks, in order of id."""

    after: TaskId | None = None
    status: TaskStatus | None = None
    limit: Limit = 100


class TaskPage(Result, frozen=True, kw_only=True):
    """Some tasks, in order of id."""

    tasks: list[Task]


class TaskCreated(Event, frozen=True, kw_only=True):
    """A requester asked for a model and funded it."""

    task_id: str
    requester: str
    category: str
    funding: int


class AggregatorAppointed(Event, frozen=True, kw_only=True):
    """A requester chose who aggregates."""

    task_id: str
    node: str


@contract.transaction
def create(ctx: Context, message: CreateTask) -> Task:
    """Publish a task and move what it can cost at most into escrow.

    Raises
    ------
    Rejected
        TASK_TERMS, REQUEST_MISMATCH, RECORD_EXISTS, INSUFFICIENT_CREDIT, NOT_A_MEMBER, ROLE_REQUIRED.
    """
    require_member(ctx)
    ctx.caller.require_role("admin", "member")
    _require_sense(ctx, message)
    if message.request_id is not None:
        _require_unanswered(ctx, message, message.request_id)
    task = Task(
        id=message.id,
        requester=ctx.caller.id,
        requester_mspid=ctx.caller.mspid,
        category=message.category,
        kind=message.kind,
        rounds=message.rounds,
        deadline_ms=message.deadline_ms,
        target_quality_nano=message.target_quality_nano,
        reward_per_round=message.reward_per_round,
        team_size=message.team_size,
        min_credit=message.min_credit,
        min_mortgage=message.min_mortgage,
        privacy_required=message.privacy_required,
        rules=message.rules,
        fingerprint=message.fingerprint,
        request_id=message.request_id,
        status=TaskStatus.OPEN,
        created_ms=ctx.time_ms,
        updated_ms=ctx.time_ms,
    )
    TASKS.create(ctx.state, task)
    funding = task.rounds * round_funding(task)
    move(ctx, task.requester, escrow_of(task.id), funding, reason=Reason.FUNDING, reference=task.id)
    ctx.emit(TaskCreated(task_id=task.id, requester=task.requester, category=task.category, funding=funding))
    return task


@contract.transaction
def appoint(ctx: Context, message: Appoint) -> Task:
    """Choose the aggregator among the team's present members (BPCV 4.2); until then the leader aggregates.

    Raises
    ------
    Rejected
        NOT_THE_OWNER, NOT_SEATED, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.TEAMED, TaskStatus.RUNNING)
    ctx.caller.require_identity(task.requester)
    appointed = seat(ctx, task.id, message.node)
    ctx.emit(AggregatorAppointed(task_id=task.id, node=appointed.node))
    return TASKS.save(ctx.state, replace(task, aggregator=appointed.node, updated_ms=ctx.time_ms))


@contract.transaction
def cancel(ctx: Context, message: OneTask) -> Task:
    """Take a task back before it runs: the requester gets everything back, and so do all who deposited.

    Raises
    ------
    Rejected
        NOT_THE_OWNER, TASK_STATUS, TASK_DEADLINE (then `expire`).
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN, TaskStatus.TEAMED)
    ctx.caller.require_identity(task.requester)
    return close(ctx, task, TaskStatus.CANCELLED)


@contract.transaction
def expire(ctx: Context, message: OneTask) -> Task:
    """End a task whose deadline has passed; any member of the consortium may.

    Raises
    ------
    Rejected
        TASK_NOT_DUE, TASK_STATUS, NOT_A_MEMBER.
    """
    require_member(ctx)
    task = TASKS.load(ctx.state, message.task_id)
    if task.status not in _LIVING:
        raise Rejected(
            TASK_STATUS, task_id=task.id, status=task.status, allowed=[str(status) for status in _LIVING]
        )
    if ctx.time_ms <= task.deadline_ms:
        raise Rejected(TASK_NOT_DUE, task_id=task.id, time_ms=ctx.time_ms, deadline_ms=task.deadline_ms)
    return close(ctx, task, TaskStatus.EXPIRED)


@contract.query
def task(ctx: Context, message: OneTask) -> Task:
    """Return one task."""
    return TASKS.load(ctx.state, message.task_id)


@contract.query
def tasks(ctx: Context, message: TasksAfter) -> TaskPage:
    """Return a page of tasks, of one status or of all."""
    every = TASKS.scan(ctx.state, after=() if message.after is None else (message.after,))
    wanted = (task for task in every if message.status in {None, task.status})
    return TaskPage(tasks=list(islice(wanted, message.limit)))


def _require_sense(ctx: Context, message: CreateTask) -> None:
    if message.deadline_ms <= ctx.time_ms:
        raise Rejected(TASK_TERMS, deadline_ms=message.deadline_ms, time_ms=ctx.time_ms)
    if message.rules.validators_per_model >= message.team_size:
        raise Rejected(
            TASK_TERMS, validators_per_model=message.rules.validators_per_model, team_size=message.team_size
        )
    if message.kind is LearningKind.CLASSIFICATION and (message.target_quality_nano or 0) > NANO:
        raise Rejected(TASK_TERMS, target_quality_nano=message.target_quality_nano)


def _require_unanswered(ctx: Context, message: CreateTask, request_id: str) -> None:
    asked = REQUESTS.load(ctx.state, request_id)
    same = (asked.requester, asked.fingerprint, asked.category)
    wanted = (ctx.caller.mspid, message.fingerprint, message.category)
    if same != wanted or asked.outcome is Outcome.HIT:
        raise Rejected(
            REQUEST_MISMATCH, request_id=asked.id, requester=asked.requester, outcome=asked.outcome
        )
