"""Closing a round: the contract itself computes what follows from it, and carries it out.

Anybody may close a round once all is in or the time has passed, so that nobody who crashes stops a task.
Everything the verdict is computed from is on the ledger: whoever has a copy can compute it again.
"""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Count, Digest, Event, Message, Nanos, Text
from fedpact_chaincode.contracts.elections.records import (
    ELECTIONS,
    Election,
    on_turn,
    succession,
)
from fedpact_chaincode.contracts.tasks.life import reward, running
from fedpact_chaincode.contracts.tasks.records import Elimination, Task, TaskId
from fedpact_chaincode.contracts.teams.records import SEATS
from fedpact_chaincode.contracts.teams.seats import aggregator_of, eliminate, note_lazy, note_missed
from fedpact_chaincode.contracts.training.evidence import evidence_of
from fedpact_chaincode.contracts.training.opening import OneRound, in_round, require_updates
from fedpact_chaincode.contracts.training.recording import claim_original, require_quality
from fedpact_chaincode.contracts.training.records import (
    GLOBAL_RECORDED,
    NOT_THE_AGGREGATOR,
    ROUND_NOT_DUE,
    ROUNDS,
    SCORES,
    UPDATES,
    GlobalModel,
    Round,
    RoundNumber,
    RoundStatus,
    RoundVerdict,
    Scores,
    contract,
)
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.judging import judge
from fedpact_chaincode.rules.lottery import next_seed


class RecordGlobal(Message, frozen=True, kw_only=True):
    """Record a closed round's aggregated model. See `GlobalModel` for the fields."""

    task_id: TaskId
    number: RoundNumber
    model: Digest
    size_bytes: Count
    location: Text
    quality_nano: Nanos | None = None


class RoundClosed(Event, frozen=True, kw_only=True):
    """A round has its verdict."""

    task_id: str
    number: int
    leader: str
    eliminated: list[str]
    missed: list[str]
    lazy: list[str]


class GlobalModelRecorded(Event, frozen=True, kw_only=True):
    """A round has its global model; the leader may seal it."""

    task_id: str
    number: int
    model: str


@contract.transaction
def close_round(ctx: Context, message: OneRound) -> Round:
    """Compute a round's verdict and carry it out: eliminations, faults, rewards, the election.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, ROUND_NOT_DUE.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, message.task_id, message.number, RoundStatus.UPDATES, RoundStatus.SCORING)
    rows = _rows(ctx, round_)
    _require_due(ctx, task, round_, len(rows))
    updates = {update.node: update for update in UPDATES.scan(ctx.state, task.id, round_.number)}
    gone = [node for node in round_.nodes if not SEATS.load(ctx.state, task.id, node).present]
    round_ = replace(round_, closed_ms=ctx.time_ms, absent=tuple(gone))
    verdict = RoundVerdict.of(judge(evidence_of(task, round_, updates, rows)))
    _carry_out(ctx, task, round_, verdict)
    ELECTIONS.create(ctx.state, Election(task_id=task.id, round=round_.number, ranking=verdict.ranking))
    ctx.emit(
        RoundClosed(
            task_id=task.id,
            number=round_.number,
            leader=verdict.ranking[0],
            eliminated=list(verdict.eliminated),
            missed=list(verdict.missed),
            lazy=list(verdict.lazy),
        )
    )
    secrets = [row.secret for row in rows.values() if row.secret is not None]
    return ROUNDS.save(
        ctx.state,
        replace(
            round_,
            status=RoundStatus.CLOSED,
            next_seed=next_seed(round_.seed, secrets),
            verdict=verdict,
        ),
    )


@contract.transaction
def record_global(ctx: Context, message: RecordGlobal) -> Round:
    """Record the aggregated model: the aggregator; if it is late, who has the turn in the election.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, GLOBAL_RECORDED, NOT_THE_AGGREGATOR.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, message.task_id, message.number, RoundStatus.CLOSED)
    if round_.model is not None:
        raise Rejected(GLOBAL_RECORDED, number=round_.number, model=round_.model.digest)
    aggregator = aggregator_of(ctx, task)
    order = succession(ELECTIONS.load(ctx.state, task.id, round_.number).ranking, round_.nodes)
    # the aggregator's own time comes first, then the ranking's, one after another
    began_ms = (round_.closed_ms or 0) + task.rules.act_time_ms
    turns = on_turn(order, began_ms, ctx.time_ms, task.rules.act_time_ms)
    if ctx.caller.id != aggregator and ctx.caller.id not in turns:
        raise Rejected(NOT_THE_AGGREGATOR, caller=ctx.caller.id, aggregator=aggregator)
    ctx.not_before(round_.closed_ms or 0)
    if message.quality_nano is not None:
        require_quality(task, message.quality_nano)
    claim_original(ctx, task.id, message.model)
    model = GlobalModel(
        digest=message.model,
        size_bytes=message.size_bytes,
        location=message.location,
        quality_nano=message.quality_nano,
        recorded_by=ctx.caller.id,
        recorded_ms=ctx.time_ms,
    )
    ctx.emit(GlobalModelRecorded(task_id=task.id, number=round_.number, model=message.model))
    return ROUNDS.save(ctx.state, replace(round_, model=model))


def _rows(ctx: Context, round_: Round) -> dict[str, Scores]:
    if round_.status is RoundStatus.UPDATES:
        return {}
    return {row.node: row for row in SCORES.scan(ctx.state, round_.task_id, round_.number)}


def _require_due(ctx: Context, task: Task, round_: Round, rows: int) -> None:
    """Refuse (ROUND_NOT_DUE) while somebody has not answered and may still; scores may be done without
    only where nobody is dropped on them.
    """
    if round_.status is RoundStatus.UPDATES:
        require_updates(ctx, round_)
        if task.rules.elimination is not Elimination.NONE:
            raise Rejected(ROUND_NOT_DUE, number=round_.number, status=round_.status)
        return
    expected = sum(1 for position in range(len(round_.participants)) if round_.asked_of(position))
    if rows < expected and ctx.time_ms <= (round_.scores_due_ms or 0):
        raise Rejected(ROUND_NOT_DUE, recorded=rows, expected=expected)


def _carry_out(ctx: Context, task: Task, round_: Round, verdict: RoundVerdict) -> None:
    for node in verdict.missed:
        note_missed(ctx, task.id, node)
    for node in verdict.lazy:
        note_lazy(ctx, task.id, node)
    for node in verdict.eliminated:
        eliminate(ctx, task.id, node)
    for participant, amount in zip(round_.participants, verdict.rewards, strict=True):
        if amount:
            reward(ctx, task, participant.node, amount)
