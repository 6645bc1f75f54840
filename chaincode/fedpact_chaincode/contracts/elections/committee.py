"""The committee: members measure the final model on their own data, then the task completes (Lu III.D)."""

from __future__ import annotations

from fedpact_chaincode.arithmetic import median
from fedpact_chaincode.contract import Context, Event, Message, Nanos, Result
from fedpact_chaincode.contracts.elections.records import (
    APPROVALS,
    COMMITTEE_OPEN,
    ELECTIONS,
    NOT_FINAL,
    Approval,
    contract,
)
from fedpact_chaincode.contracts.tasks.life import close, running
from fedpact_chaincode.contracts.tasks.records import (
    TASKS,
    FinalModel,
    LearningKind,
    Task,
    TaskId,
    TaskStatus,
)
from fedpact_chaincode.contracts.training.recording import require_quality
from fedpact_chaincode.contracts.training.records import NOT_A_PARTICIPANT, ROUNDS, Round, RoundStatus
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.quality import Ballot, Claim, decide


class Approve(Message, frozen=True, kw_only=True):
    """Record what one measures of the final model; see `Approval`."""

    task_id: TaskId
    quality_nano: Nanos


class OneTask(Message, frozen=True, kw_only=True):
    """Name a task whose committee is asked."""

    task_id: TaskId


class CommitteeState(Result, frozen=True, kw_only=True):
    """The committee of a task's final model.

    Attributes
    ----------
    members : node ids of the last round's participants that were not dropped in it; empty before its end.
    approvals : what they measured so far, in order of node id.
    claim_nano : the quality they judge; None while nothing says it.
    approved : the decision as it would be now; None while open.
    """

    members: list[str]
    approvals: list[Approval]
    claim_nano: int | None
    approved: bool | None


class ModelApproved(Event, frozen=True, kw_only=True):
    """The committee took the final model."""

    task_id: str
    model: str
    quality_nano: int


class ModelRejected(Event, frozen=True, kw_only=True):
    """The committee did not take the final model; the rest of the funding goes back."""

    task_id: str
    model: str


@contract.transaction
def approve(ctx: Context, message: Approve) -> Approval:
    """Record the caller's own measurement of the final model, once; members do so in parallel.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, NOT_FINAL, NOT_A_PARTICIPANT, SCORES_MALFORMED, RECORD_EXISTS.
    """
    task = running(ctx, message.task_id)
    round_ = _final_round(ctx, task)
    if ctx.caller.id not in _members(round_):
        raise Rejected(NOT_A_PARTICIPANT, caller=ctx.caller.id, number=round_.number)
    require_quality(task, message.quality_nano)
    return APPROVALS.create(
        ctx.state,
        Approval(
            task_id=task.id,
            round=round_.number,
            node=ctx.caller.id,
            quality_nano=message.quality_nano,
            time_ms=ctx.time_ms,
        ),
    )


@contract.transaction
def complete(ctx: Context, message: OneTask) -> Task:
    """Count the committee's measurements and end the task; anybody may, once the outcome is certain.

    Approved: the model is the result, and answers later requests. Not approved: the task expires, and what
    is left of its funding goes back.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, NOT_FINAL, COMMITTEE_OPEN.
    """
    task = running(ctx, message.task_id)
    round_ = _final_round(ctx, task)
    approvals = list(APPROVALS.scan(ctx.state, task.id, round_.number))
    sealed_ms = ELECTIONS.load(ctx.state, task.id, round_.number).sealed_ms or 0
    late = ctx.time_ms > sealed_ms + task.rules.score_time_ms
    claimed, approved = _tally(task, round_, approvals, late=late)
    model = round_.model
    if approved is None or model is None:
        raise Rejected(COMMITTEE_OPEN, approvals=len(approvals), members=len(_members(round_)))
    if not approved or claimed is None:
        ctx.emit(ModelRejected(task_id=task.id, model=model.digest))
        return close(ctx, task, TaskStatus.EXPIRED)
    ctx.emit(ModelApproved(task_id=task.id, model=model.digest, quality_nano=claimed))
    return close(
        ctx,
        task,
        TaskStatus.COMPLETED,
        FinalModel(digest=model.digest, location=model.location, quality_nano=claimed),
    )


@contract.query
def committee(ctx: Context, message: OneTask) -> CommitteeState:
    """Return who is asked about the final model, and what they measured."""
    task = TASKS.load(ctx.state, message.task_id)
    try:
        round_ = _final_round(ctx, task)
    except Rejected:
        return CommitteeState(members=[], approvals=[], claim_nano=None, approved=None)
    approvals = list(APPROVALS.scan(ctx.state, task.id, round_.number))
    claimed, approved = _tally(task, round_, approvals, late=False)
    return CommitteeState(
        members=_members(round_), approvals=approvals, claim_nano=claimed, approved=approved
    )


def _tally(
    task: Task, round_: Round, approvals: list[Approval], *, late: bool
) -> tuple[int | None, bool | None]:
    """Return the quality that is judged and the decision, None while open.

    Parameters
    ----------
    late : no more measurements are waited for.
    """
    over = late or len(approvals) == len(_members(round_))
    claimed = _claimed(round_, approvals, over=over)
    if claimed is None:
        return None, False if over else None
    claim = Claim(
        quality=claimed,
        level=round_.verdict.level if round_.verdict else None,
        tolerance_nano=task.rules.tolerance_nano,
        rule=task.rules.committee,
        kind=task.kind,
    )
    return claimed, decide(_ballots(round_, approvals), claim, final=over)


def _final_round(ctx: Context, task: Task) -> Round:
    """Return the last round, sealed; it is the last one by number, or because it reached the target."""
    number = task.rounds_closed
    round_ = ROUNDS.get(ctx.state, task.id, number) if number else None
    if round_ is None or round_.status is not RoundStatus.SEALED:
        raise Rejected(NOT_FINAL, task_id=task.id, rounds_closed=number)
    under_way = number < task.rounds and (
        ROUNDS.has(ctx.state, task.id, number + 1) or not _reached(task, round_)
    )
    if under_way:
        raise Rejected(NOT_FINAL, task_id=task.id, rounds_closed=number, rounds=task.rounds)
    return round_


def _reached(task: Task, round_: Round) -> bool:
    level = round_.verdict.level if round_.verdict else None
    if task.target_quality_nano is None or level is None:
        return False
    if task.kind is LearningKind.CLASSIFICATION:
        return level >= task.target_quality_nano
    return level <= task.target_quality_nano


def _members(round_: Round) -> list[str]:
    dropped = set(round_.verdict.eliminated if round_.verdict else ())
    return [participant.node for participant in round_.participants if participant.node not in dropped]


def _claimed(round_: Round, approvals: list[Approval], *, over: bool) -> int | None:
    """Return the quality that is judged: what the aggregator claims, else what the round's models had, else
    the median of the committee's own measurements once they are complete.
    """
    if round_.model is not None and round_.model.quality_nano is not None:
        return round_.model.quality_nano
    if round_.verdict is not None and round_.verdict.level is not None:
        return round_.verdict.level
    return median([approval.quality_nano for approval in approvals]) if over and approvals else None


def _ballots(round_: Round, approvals: list[Approval]) -> list[Ballot]:
    measured = {approval.node: approval.quality_nano for approval in approvals}
    hardness = round_.verdict.hardness if round_.verdict else (None,) * len(round_.participants)
    members = set(_members(round_))
    return [
        Ballot(participant.mspid, measured.get(participant.node), hard)
        for participant, hard in zip(round_.participants, hardness, strict=True)
        if participant.node in members
    ]
