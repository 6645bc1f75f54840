"""The elected leader keeps the accounts: it seals its round, or the next in rank does."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Digest, Event, Message
from fedpact_chaincode.contracts.elections.records import (
    ELECTIONS,
    NO_GLOBAL_MODEL,
    NOT_YOUR_TURN,
    WRONG_MODEL,
    Election,
    contract,
    on_turn,
    succession,
)
from fedpact_chaincode.contracts.tasks.life import round_closed, running
from fedpact_chaincode.contracts.tasks.records import TaskId
from fedpact_chaincode.contracts.training.opening import in_round
from fedpact_chaincode.contracts.training.records import (
    ROUNDS,
    SCORES,
    UPDATES,
    RoundNumber,
    RoundStatus,
)
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.state import encode


class Seal(Message, frozen=True, kw_only=True):
    """Seal a closed round; names the global model that the caller means."""

    task_id: TaskId
    number: RoundNumber
    model: Digest


class RoundSealed(Event, frozen=True, kw_only=True):
    """A round is final; the next one may be opened."""

    task_id: str
    number: int
    leader: str
    seal: str


@contract.transaction
def seal(ctx: Context, message: Seal) -> Election:
    """Seal a round: the leader; the next in rank, one after another, if it does not act in time.

    The leader's time begins when the global model is recorded. The contract computes the seal over
    everything that the round left on the ledger.

    Raises
    ------
    Rejected
        TASK_STATUS, TASK_DEADLINE, RECORD_NOT_FOUND, ROUND_STATUS, NO_GLOBAL_MODEL, WRONG_MODEL,
        NOT_YOUR_TURN, TIME_RUNS_BACKWARDS.
    """
    task = running(ctx, message.task_id)
    round_ = in_round(ctx, task.id, message.number, RoundStatus.CLOSED)
    if round_.model is None:
        raise Rejected(NO_GLOBAL_MODEL, number=round_.number)
    if round_.model.digest != message.model:
        raise Rejected(WRONG_MODEL, number=round_.number, model=round_.model.digest)
    ctx.not_before(round_.model.recorded_ms)
    election = ELECTIONS.load(ctx.state, task.id, round_.number)
    order = succession(election.ranking, round_.nodes)
    turns = on_turn(order, round_.model.recorded_ms, ctx.time_ms, task.rules.act_time_ms)
    if ctx.caller.id not in turns:
        raise Rejected(NOT_YOUR_TURN, caller=ctx.caller.id, turns=list(turns))
    sealed = ROUNDS.save(ctx.state, replace(round_, status=RoundStatus.SEALED))
    digest = hashlib.sha256(encode(sealed))
    for update in UPDATES.scan(ctx.state, task.id, round_.number):
        digest.update(encode(update))
    for row in SCORES.scan(ctx.state, task.id, round_.number):
        digest.update(encode(row))
    round_closed(ctx, task)
    ctx.emit(
        RoundSealed(task_id=task.id, number=round_.number, leader=ctx.caller.id, seal=digest.hexdigest())
    )
    return ELECTIONS.save(
        ctx.state,
        replace(election, sealed_by=ctx.caller.id, sealed_ms=ctx.time_ms, seal=digest.hexdigest()),
    )
