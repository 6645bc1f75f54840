"""How a team forms: the leader assesses, the first N by I_V sit, the others wait (Miao, Alg. 1, 4-6)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Event, Id, Message, Result
from fedpact_chaincode.contracts.tasks.life import advance, in_status
from fedpact_chaincode.contracts.tasks.records import Task, TaskId, TaskStatus
from fedpact_chaincode.contracts.teams.records import (
    CANDIDATES,
    NOBODY_WAITS,
    RECRUITMENT_OPEN,
    SEATS,
    TEAM_FULL,
    TEAM_TOO_SMALL,
    TEAMS,
    Candidate,
    Seat,
    Team,
    TeamStatus,
    Unit,
)
from fedpact_chaincode.contracts.teams.recruiting import OneTeam
from fedpact_chaincode.contracts.teams.seats import active_seats, free_places, require_leader, seat, seats
from fedpact_chaincode.errors import Rejected

_MIN_MEMBERS = 2


class Assess(Message, frozen=True, kw_only=True):
    """State a candidate's ability, A_b of Miao Alg. 1."""

    task_id: TaskId
    node: Id
    ability_nano: Unit


class TeamState(Result, frozen=True, kw_only=True):
    """A team, all seats by standing, and those who wait, in the order in which they will be called."""

    team: Team
    seats: list[Seat]
    waiting: list[Candidate]


class TeamFormed(Event, frozen=True, kw_only=True):
    """The members are chosen; the others wait."""

    task_id: str
    members: list[str]
    waiting: list[str]


class TaskStarted(Event, frozen=True, kw_only=True):
    """Rounds may be opened."""

    task_id: str
    members: list[str]


class Promoted(Event, frozen=True, kw_only=True):
    """A node from the waiting list took a freed place."""

    task_id: str
    node: str


def assess(ctx: Context, message: Assess) -> Candidate:
    """State a candidate's ability from its registration materials; the leader may correct itself.

    Raises
    ------
    Rejected
        NOT_THE_LEADER, RECORD_NOT_FOUND, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN)
    require_leader(ctx, task.id)
    candidate = CANDIDATES.load(ctx.state, task.id, message.node)
    return CANDIDATES.save(ctx.state, replace(candidate, ability_nano=message.ability_nano))


def form(ctx: Context, message: OneTeam) -> Team:
    """Choose the members: the first N - 1 beside the leader by I_V, who was not assessed counts as unable.

    Ties go to the larger mortgage, then the earlier application. The others wait, in order of response; their
    mortgages stay until the task closes or they withdraw. O(n log n).

    Raises
    ------
    Rejected
        NOT_THE_LEADER, RECRUITMENT_OPEN, TEAM_TOO_SMALL, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN)
    team = require_leader(ctx, task.id)
    if team.respond_by_ms and ctx.time_ms <= team.respond_by_ms:
        raise Rejected(RECRUITMENT_OPEN, respond_by_ms=team.respond_by_ms, time_ms=ctx.time_ms)
    ranked = sorted(CANDIDATES.scan(ctx.state, task.id), key=_rank)
    if len(ranked) < task.team_size - 1:
        raise Rejected(TEAM_TOO_SMALL, candidates=len(ranked), needed=task.team_size - 1)
    chosen, others = ranked[: task.team_size - 1], ranked[task.team_size - 1 :]
    for candidate in chosen:
        team = _sit(ctx, task, team, candidate)
    advance(ctx, task, TaskStatus.TEAMED)
    ctx.emit(
        TeamFormed(
            task_id=task.id,
            members=[team.leader, *(candidate.node for candidate in chosen)],
            waiting=[candidate.node for candidate in _in_order_of_response(others)],
        )
    )
    return TEAMS.save(ctx.state, replace(team, status=TeamStatus.FORMED))


def start(ctx: Context, message: OneTeam) -> Task:
    """Start the work: from now on leaving and missing rounds cost mortgage.

    Raises
    ------
    Rejected
        NOT_THE_LEADER, TEAM_TOO_SMALL, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.TEAMED)
    require_leader(ctx, task.id)
    members = [seat.node for seat in active_seats(ctx, task.id)]
    if len(members) < _MIN_MEMBERS:
        raise Rejected(TEAM_TOO_SMALL, candidates=len(members), needed=_MIN_MEMBERS)
    ctx.emit(TaskStarted(task_id=task.id, members=members))
    return advance(ctx, task, TaskStatus.RUNNING)


def promote(ctx: Context, message: OneTeam) -> Team:
    """Give a freed place to who responded first of those waiting (BPCV 4.1); any member may.

    Raises
    ------
    Rejected
        NOT_SEATED, TEAM_FULL, NOBODY_WAITS, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.TEAMED, TaskStatus.RUNNING)
    seat(ctx, task.id, ctx.caller.id)
    if free_places(ctx, task) < 1:
        raise Rejected(TEAM_FULL, task_id=task.id, team_size=task.team_size)
    waiting = _in_order_of_response(CANDIDATES.scan(ctx.state, task.id))
    if not waiting:
        raise Rejected(NOBODY_WAITS, task_id=task.id)
    team = _sit(ctx, task, TEAMS.load(ctx.state, task.id), waiting[0])
    ctx.emit(Promoted(task_id=task.id, node=waiting[0].node))
    return TEAMS.save(ctx.state, team)


def team(ctx: Context, message: OneTeam) -> TeamState:
    """Return a team, its seats and its waiting list. O(members)."""
    return TeamState(
        team=TEAMS.load(ctx.state, message.task_id),
        seats=seats(ctx, message.task_id),
        waiting=_in_order_of_response(CANDIDATES.scan(ctx.state, message.task_id)),
    )


def _rank(candidate: Candidate) -> tuple[int, int, int, str]:
    return -candidate.value_nano, -candidate.mortgage, candidate.applied_ms, candidate.node


def _in_order_of_response(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: (candidate.applied_ms, candidate.node))


def _sit(ctx: Context, task: Task, team: Team, candidate: Candidate) -> Team:
    SEATS.create(
        ctx.state,
        Seat(
            task_id=task.id,
            node=candidate.node,
            mspid=candidate.mspid,
            dataset_id=candidate.dataset_id,
            rows=candidate.rows,
            standing=team.seated,
            mortgage=candidate.mortgage,
        ),
    )
    CANDIDATES.delete(ctx.state, task.id, candidate.node)
    return replace(team, seated=team.seated + 1)
