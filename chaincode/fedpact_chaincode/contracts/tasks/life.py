"""A task's life: the functions that other contracts call."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.arithmetic import divide_up
from fedpact_chaincode.contract import Context, Event
from fedpact_chaincode.contracts.credit.book import balance, move, pay
from fedpact_chaincode.contracts.credit.records import Reason, escrow_of
from fedpact_chaincode.contracts.sharing import remember
from fedpact_chaincode.contracts.tasks.records import (
    TASK_DEADLINE,
    TASK_STATUS,
    TASKS,
    FinalModel,
    Task,
    TaskStatus,
    Variant,
)
from fedpact_chaincode.contracts.teams.mortgages import release_all
from fedpact_chaincode.contracts.teams.seats import seats
from fedpact_chaincode.errors import Rejected


class TaskClosed(Event, frozen=True, kw_only=True):
    """A task ended; the rest of its escrow went back, and so did every mortgage."""

    task_id: str
    status: TaskStatus
    refund: int


def in_status(ctx: Context, task_id: str, *allowed: TaskStatus) -> Task:
    """Return a task that is alive and in one of the statuses.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND, TASK_STATUS, TASK_DEADLINE, TIME_RUNS_BACKWARDS.
    """
    task = TASKS.load(ctx.state, task_id)
    if task.status not in allowed:
        raise Rejected(TASK_STATUS, task_id=task_id, status=task.status, allowed=[str(s) for s in allowed])
    ctx.not_before(task.updated_ms)
    if ctx.time_ms > task.deadline_ms:
        raise Rejected(TASK_DEADLINE, task_id=task_id, time_ms=ctx.time_ms, deadline_ms=task.deadline_ms)
    return task


def running(ctx: Context, task_id: str) -> Task:
    """Return a task whose rounds are under way; refuses as `in_status` does."""
    return in_status(ctx, task_id, TaskStatus.RUNNING)


def advance(ctx: Context, task: Task, status: TaskStatus) -> Task:
    """Change a task's status without closing it."""
    return TASKS.save(ctx.state, replace(task, status=status, updated_ms=ctx.time_ms))


def round_closed(ctx: Context, task: Task) -> Task:
    """Count a round that has been closed and sealed."""
    return TASKS.save(ctx.state, replace(task, rounds_closed=task.rounds_closed + 1, updated_ms=ctx.time_ms))


def round_funding(task: Task) -> int:
    """Return what a round can cost at most, micro-credits.

    The printed shares of Miao eq. 10-11 add up to C (1 + W_leader / N), at most C (1 + 1 / N); N is the
    team's size.
    """
    excess = divide_up(task.reward_per_round, task.team_size) if task.rules.rewards is Variant.PAPER else 0
    return task.reward_per_round + excess


def reward(ctx: Context, task: Task, node: str, amount: int) -> None:
    """Pay a node from the task's escrow; it counts as earned.

    Raises
    ------
    Rejected
        INSUFFICIENT_CREDIT.
    """
    pay(ctx, escrow_of(task.id), node, amount, reference=task.id)


def close(ctx: Context, task: Task, status: TaskStatus, model: FinalModel | None = None) -> Task:
    """End a task: refund what is left, release every mortgage, remember a result for later requests.

    Parameters
    ----------
    status : completed (with the model), cancelled or expired (without).
    """
    if (status is TaskStatus.COMPLETED) != (model is not None):
        raise ValueError("a completed task has a model, no other has")
    closed = TASKS.save(ctx.state, replace(task, status=status, updated_ms=ctx.time_ms, model=model))
    release_all(ctx, task)
    escrow = escrow_of(task.id)
    refund = balance(ctx, escrow)
    move(ctx, escrow, task.requester, refund, reason=Reason.REFUND, reference=task.id)
    if model is not None:
        remember(
            ctx,
            task.fingerprint,
            requester=task.requester_mspid,
            category=task.category,
            task_id=task.id,
            model=model.digest,
            location=model.location,
            datasets=[seat.dataset_id for seat in seats(ctx, task.id)],
            quality_nano=model.quality_nano,
        )
    ctx.emit(TaskClosed(task_id=task.id, status=status, refund=refund))
    return closed
