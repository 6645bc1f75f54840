"""Opening a round, and the step from updates to scores."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Event, Message
from fedpact_chaincode.contracts.tasks.life import running
from fedpact_chaincode.contracts.tasks.records import Task, TaskId
from fedpact_chaincode.contracts.teams.records import TEAMS, Seat, SeatStatus
from fedpact_chaincode.contracts.teams.seats import aggregator_of, reinstate, seat, seats
from fedpact_chaincode.contracts.training.records import (
    NO_MORE_ROUNDS,
    NOT_THE_AGGREGATOR,
    ROUND_NOT_DUE,
    ROUND_ORDER,
    ROUND_STATUS,
    ROUNDS,
    TOO_FEW_PARTICIPANTS,
    UPDATES,
    Participant,
    Round,
    RoundNumber,
    RoundStatus,
    contract,
)
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.lottery import asked_of, draw_validators, first_seed

_LEAST = 2


class OpenRound(Message, frozen=True, kw_only=True):
    """Open a task's next round."""

    task_id: TaskId


class OneRound(Message, frozen=True, kw_only=True):
    """Name one round."""

    task_id: TaskId
    number: RoundNumber


class RoundOpened(Event, frozen=True, kw_only=True):
    """Participants may train."""

    task_id: str
    number: int
    participants: list[str]


class ScoringBegan(Event, frozen=True, kw_only=True):
    """No more updates are taken; validators may record their scores."""

    task_id: str
    number: int


@contract.transaction
def open_round(ctx: Context, message: OpenRound) -> Round:
    """Open the next round: the aggregator; any member once it has kept the team waiting for `act_time_ms`.

    Participants are the team's active members, those included whose cooling period after an appeal ends.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, NO_MORE_ROUNDS, ROUND_ORDER, NOT_THE_AGGREGATOR, NOT_SEATED,
        TOO_FEW_PARTICIPANTS.
    """
    task = running(ctx, message.task_id)
    number = task.rounds_closed + 1
    if number > task.rounds:
        raise Rejected(NO_MORE_ROUNDS, task_id=task.id, rounds=task.rounds)
    if ROUNDS.has(ctx.state, task.id, number):
        raise Rejected(ROUND_ORDER, task_id=task.id, number=number)
    require_turn(ctx, task, task.updated_ms)
    members = [_admitted(ctx, task, member, number) for member in seats(ctx, task.id)]
    active = sorted((m for m in members if m.status is SeatStatus.ACTIVE), key=lambda m: m.node)
    if len(active) < _LEAST:
        raise Rejected(TOO_FEW_PARTICIPANTS, task_id=task.id, active=len(active))
    nodes, organisations = [m.node for m in active], [m.mspid for m in active]
    before = ROUNDS.get(ctx.state, task.id, number - 1) if number > 1 else None
    seed = (before and before.next_seed) or first_seed(task.id, nodes)
    per_model = task.rules.validators_per_model
    drawn = asked_of(draw_validators(seed, nodes, organisations, per_model)) if per_model else ()
    ctx.emit(RoundOpened(task_id=task.id, number=number, participants=nodes))
    return ROUNDS.create(
        ctx.state,
        Round(
            task_id=task.id,
            number=number,
            status=RoundStatus.UPDATES,
            leader=TEAMS.load(ctx.state, task.id).leader,
            participants=tuple(
                Participant(node=m.node, mspid=m.mspid, dataset_id=m.dataset_id, rows=m.rows) for m in active
            ),
            asked=drawn,
            seed=seed,
            opened_ms=ctx.time_ms,
            updates_due_ms=ctx.time_ms + task.rules.update_time_ms,
        ),
    )


@contract.transaction
def begin_scoring(ctx: Context, message: OneRound) -> Round:
    """Begin mutual validation, once every update is in or their time has passed; anybody may.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, ROUND_NOT_DUE.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, message.task_id, message.number, RoundStatus.UPDATES)
    require_updates(ctx, round_)
    ctx.emit(ScoringBegan(task_id=task.id, number=round_.number))
    due_ms = ctx.time_ms + task.rules.score_time_ms
    return ROUNDS.save(ctx.state, replace(round_, status=RoundStatus.SCORING, scores_due_ms=due_ms))


def in_round(ctx: Context, task_id: str, number: int, *allowed: RoundStatus) -> Round:
    """Return a round that is in one of the statuses; refuses RECORD_NOT_FOUND, ROUND_STATUS."""
    round_ = ROUNDS.load(ctx.state, task_id, number)
    if round_.status not in allowed:
        raise Rejected(ROUND_STATUS, status=round_.status, allowed=[str(status) for status in allowed])
    return round_


def require_turn(ctx: Context, task: Task, since_ms: int) -> None:
    """Refuse (NOT_THE_AGGREGATOR) who is not the aggregator; later than `act_time_ms` any member will do."""
    aggregator = aggregator_of(ctx, task)
    if ctx.caller.id == aggregator:
        return
    seat(ctx, task.id, ctx.caller.id)
    if ctx.time_ms <= since_ms + task.rules.act_time_ms:
        raise Rejected(NOT_THE_AGGREGATOR, caller=ctx.caller.id, aggregator=aggregator)


def require_updates(ctx: Context, round_: Round) -> None:
    """Refuse (ROUND_NOT_DUE) while updates are missing and may still come. O(participants)."""
    recorded = sum(1 for _ in UPDATES.scan(ctx.state, round_.task_id, round_.number))
    if recorded < len(round_.participants) and ctx.time_ms <= round_.updates_due_ms:
        raise Rejected(ROUND_NOT_DUE, recorded=recorded, due_ms=round_.updates_due_ms)


def _admitted(ctx: Context, task: Task, member: Seat, number: int) -> Seat:
    returns = member.present and member.returns_at_round is not None and member.returns_at_round <= number
    return reinstate(ctx, task.id, member.node) if returns else member
