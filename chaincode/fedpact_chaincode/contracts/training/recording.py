"""What participants record in a round, each under its own keys.

Updates and scores of different participants never read or write a common key that changes in that phase
(except two who hand in the very same model), so any number of them commit in parallel.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contract import Context, Count, Digest, Event, Message, Text
from fedpact_chaincode.contracts.privacy.book import Release, charge
from fedpact_chaincode.contracts.privacy.records import Mechanisms
from fedpact_chaincode.contracts.tasks.life import running
from fedpact_chaincode.contracts.tasks.records import LearningKind, Task, TaskId
from fedpact_chaincode.contracts.teams.seats import seat
from fedpact_chaincode.contracts.training.opening import in_round
from fedpact_chaincode.contracts.training.records import (
    NOT_A_PARTICIPANT,
    ORIGINALS,
    PRIVACY_REQUIRED,
    ROUND_DEADLINE,
    SCORES,
    SCORES_MALFORMED,
    SECRET_MISMATCH,
    UPDATES,
    Original,
    Round,
    RoundNumber,
    RoundStatus,
    ScoreRow,
    Scores,
    Update,
    contract,
)
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.evidence import NOT_ASKED
from fedpact_chaincode.rules.lottery import commitment_of


class RecordUpdate(Message, frozen=True, kw_only=True):
    """Record one's own model of a round. See `Update` for the fields."""

    task_id: TaskId
    number: RoundNumber
    model: Digest
    size_bytes: Count
    location: Text
    commitment: Digest
    events: Mechanisms = ()


class RecordScores(Message, frozen=True, kw_only=True):
    """Record one's own row of scores. See `Scores` for the fields."""

    task_id: TaskId
    number: RoundNumber
    scores: Annotated[ScoreRow, msgspec.Meta(min_length=1)]
    secret: Digest | None = None


class UpdateRecorded(Event, frozen=True, kw_only=True):
    """A participant recorded its model."""

    task_id: str
    number: int
    node: str
    model: str


class ScoresRecorded(Event, frozen=True, kw_only=True):
    """A participant recorded its row of scores."""

    task_id: str
    number: int
    node: str


@contract.transaction
def record_update(ctx: Context, message: RecordUpdate) -> Update:
    """Record the caller's own model; what its release spends is charged to its dataset's budget.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, NOT_A_PARTICIPANT, NOT_SEATED,
        ROUND_DEADLINE, TIME_RUNS_BACKWARDS, PRIVACY_REQUIRED, NO_BUDGET, BUDGET_EXHAUSTED; RECORD_EXISTS for
        a second one.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, message.task_id, message.number, RoundStatus.UPDATES)
    participant = round_.participants[require_participant(ctx, round_)]
    seat(ctx, task.id, ctx.caller.id)
    ctx.not_before(round_.opened_ms)
    if ctx.time_ms > round_.updates_due_ms:
        raise Rejected(ROUND_DEADLINE, time_ms=ctx.time_ms, due_ms=round_.updates_due_ms)
    if task.privacy_required and not message.events:
        raise Rejected(PRIVACY_REQUIRED, task_id=task.id)
    spent = charge(
        ctx,
        Release(
            dataset_id=participant.dataset_id,
            requester=task.requester_mspid,
            task_id=task.id,
            round=message.number,
            events=message.events,
        ),
    )
    ctx.emit(UpdateRecorded(task_id=task.id, number=message.number, node=ctx.caller.id, model=message.model))
    return UPDATES.create(
        ctx.state,
        Update(
            task_id=task.id,
            round=message.number,
            node=ctx.caller.id,
            model=message.model,
            size_bytes=message.size_bytes,
            location=message.location,
            events=message.events,
            spent_nano=spent,
            copied=not claim_original(ctx, task.id, message.model),
            commitment=message.commitment,
            time_ms=ctx.time_ms,
        ),
    )


@contract.transaction
def record_scores(ctx: Context, message: RecordScores) -> Scores:
    """Record the caller's own row of scores, and reveal what its update committed to.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, NOT_A_PARTICIPANT, NOT_SEATED,
        ROUND_DEADLINE, SCORES_MALFORMED, SECRET_MISMATCH, RECORD_EXISTS for a second row.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, message.task_id, message.number, RoundStatus.SCORING)
    position = require_participant(ctx, round_)
    seat(ctx, task.id, ctx.caller.id)
    due_ms = round_.scores_due_ms or 0
    ctx.not_before(due_ms - task.rules.score_time_ms)
    if ctx.time_ms > due_ms:
        raise Rejected(ROUND_DEADLINE, time_ms=ctx.time_ms, due_ms=due_ms)
    _require_fitting(task, round_, position, message.scores)
    if message.secret is not None:
        update = UPDATES.get(ctx.state, task.id, message.number, ctx.caller.id)
        if update is None or commitment_of(message.secret) != update.commitment:
            raise Rejected(SECRET_MISMATCH, node=ctx.caller.id)
    ctx.emit(ScoresRecorded(task_id=task.id, number=message.number, node=ctx.caller.id))
    return SCORES.create(
        ctx.state,
        Scores(
            task_id=task.id,
            round=message.number,
            node=ctx.caller.id,
            scores=message.scores,
            secret=message.secret,
            time_ms=ctx.time_ms,
        ),
    )


def require_participant(ctx: Context, round_: Round) -> int:
    """Return the caller's position; refuse (NOT_A_PARTICIPANT) anybody else."""
    position = round_.position(ctx.caller.id)
    if position is None:
        raise Rejected(NOT_A_PARTICIPANT, caller=ctx.caller.id, number=round_.number)
    return position


def claim_original(ctx: Context, task_id: str, model: str) -> bool:
    """Note the caller as the first who recorded a model; return whether it is."""
    if ORIGINALS.has(ctx.state, task_id, model):
        return False
    ORIGINALS.create(ctx.state, Original(task_id=task_id, model=model, node=ctx.caller.id))
    return True


def require_quality(task: Task, quality_nano: int) -> None:
    """Refuse (SCORES_MALFORMED) an accuracy above 1."""
    if task.kind is LearningKind.CLASSIFICATION and quality_nano > NANO:
        raise Rejected(SCORES_MALFORMED, quality_nano=quality_nano)


def _require_fitting(task: Task, round_: Round, position: int, scores: ScoreRow) -> None:
    asked = set(round_.asked_of(position))
    if len(scores) != len(round_.participants):
        raise Rejected(SCORES_MALFORMED, given=len(scores), expected=len(round_.participants))
    for place, score in enumerate(scores):
        if (score == NOT_ASKED) == (place in asked):
            raise Rejected(SCORES_MALFORMED, position=place, asked=place in asked)
        require_quality(task, score)
