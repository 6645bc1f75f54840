"""Coming back: an eliminated member may appeal once, and takes part again after a cooling period."""

from __future__ import annotations

from fedpact_chaincode.contract import Context, Event, Message
from fedpact_chaincode.contracts.tasks.life import running
from fedpact_chaincode.contracts.tasks.records import TaskId
from fedpact_chaincode.contracts.teams.records import SeatStatus
from fedpact_chaincode.contracts.teams.seats import schedule_return, seat
from fedpact_chaincode.contracts.training.records import (
    APPEALED_ALREADY,
    APPEALS,
    NO_MORE_ROUNDS,
    NOT_ELIMINATED,
    ROUNDS,
    Appeal,
    contract,
)
from fedpact_chaincode.errors import Rejected


class AppealElimination(Message, frozen=True, kw_only=True):
    """Appeal against one's own elimination."""

    task_id: TaskId


class Appealed(Event, frozen=True, kw_only=True):
    """A member will be back."""

    task_id: str
    node: str
    returns_at_round: int


@contract.transaction
def appeal(ctx: Context, message: AppealElimination) -> Appeal:
    """Appeal, once; the caller is back after `cooling_rounds` more rounds, if its place is still free.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, NOT_SEATED, NOT_ELIMINATED, APPEALED_ALREADY, NO_MORE_ROUNDS, TEAM_FULL.
    """
    task = running(ctx, message.task_id)
    mine = seat(ctx, task.id, ctx.caller.id)
    if mine.status is not SeatStatus.ELIMINATED:
        raise Rejected(NOT_ELIMINATED, node=mine.node, status=mine.status)
    if APPEALS.has(ctx.state, task.id, mine.node):
        raise Rejected(APPEALED_ALREADY, node=mine.node)
    upcoming = task.rounds_closed + 1
    if ROUNDS.has(ctx.state, task.id, upcoming):
        upcoming += 1
    returns = upcoming + task.rules.cooling_rounds
    if returns > task.rounds:
        raise Rejected(NO_MORE_ROUNDS, task_id=task.id, rounds=task.rounds, returns_at_round=returns)
    schedule_return(ctx, task, mine.node, returns)
    ctx.emit(Appealed(task_id=task.id, node=mine.node, returns_at_round=returns))
    return APPEALS.create(
        ctx.state, Appeal(task_id=task.id, node=mine.node, returns_at_round=returns, time_ms=ctx.time_ms)
    )
