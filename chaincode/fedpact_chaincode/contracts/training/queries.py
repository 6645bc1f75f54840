"""Rounds as members read them."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Message, Result
from fedpact_chaincode.contracts.elections.records import ELECTIONS, Election
from fedpact_chaincode.contracts.tasks.records import TaskId
from fedpact_chaincode.contracts.training.opening import OneRound
from fedpact_chaincode.contracts.training.records import (
    ROUNDS,
    SCORES,
    UPDATES,
    GlobalModel,
    Round,
    RoundStatus,
    RoundVerdict,
    Scores,
    Update,
    contract,
)


class RoundsAfter(Message, frozen=True, kw_only=True):
    """Ask for a page of a task's rounds, in order, after the round `after`."""

    task_id: TaskId
    after: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


class RoundPage(Result, frozen=True, kw_only=True):
    """Some rounds of a task, in order."""

    rounds: list[Round]


class RoundState(Result, frozen=True, kw_only=True):
    """All about one round.

    Attributes
    ----------
    participants : node ids by position.
    asked : by position, the models that each participant validates.
    updates, scores : recorded so far, in order of node id.
    """

    task_id: str
    number: int
    status: RoundStatus
    opened_ms: int
    updates_due_ms: int
    scores_due_ms: int | None
    participants: list[str]
    asked: list[list[int]]
    updates: list[Update]
    scores: list[Scores]
    verdict: RoundVerdict | None
    model: GlobalModel | None
    election: Election | None


@contract.query
def rounds(ctx: Context, message: RoundsAfter) -> RoundPage:
    """Return a page of a task's rounds."""
    found = ROUNDS.scan(ctx.state, message.task_id, after=(message.after,) if message.after else None)
    return RoundPage(rounds=list(islice(found, message.limit)))


@contract.query
def round_state(ctx: Context, message: OneRound) -> RoundState:
    """Return all about one round. O(participants^2)."""
    found = ROUNDS.load(ctx.state, message.task_id, message.number)
    place = (message.task_id, message.number)
    return RoundState(
        task_id=found.task_id,
        number=found.number,
        status=found.status,
        opened_ms=found.opened_ms,
        updates_due_ms=found.updates_due_ms,
        scores_due_ms=found.scores_due_ms,
        participants=[participant.node for participant in found.participants],
        asked=[list(found.asked_of(position)) for position in range(len(found.participants))],
        updates=list(UPDATES.scan(ctx.state, *place)),
        scores=list(SCORES.scan(ctx.state, *place)),
        verdict=found.verdict,
        model=found.model,
        election=ELECTIONS.get(ctx.state, *place),
    )
