"""Who sits in a team: the functions that other contracts call."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context
from fedpact_chaincode.contracts.tasks.records import Task
from fedpact_chaincode.contracts.teams.records import (
    NOT_SEATED,
    NOT_THE_LEADER,
    SEATS,
    TEAM_FULL,
    TEAMS,
    Seat,
    SeatStatus,
    Team,
)
from fedpact_chaincode.errors import Rejected


def seats(ctx: Context, task_id: str) -> list[Seat]:
    """Return every seat of a team, past members' too, by standing. O(members)."""
    return sorted(SEATS.scan(ctx.state, task_id), key=lambda seat: seat.standing)


def active_seats(ctx: Context, task_id: str) -> list[Seat]:
    """Return the seats of those who take part in the next round, by standing. O(members)."""
    return [seat for seat in seats(ctx, task_id) if seat.status is SeatStatus.ACTIVE]


def seat(ctx: Context, task_id: str, node: str) -> Seat:
    """Return the seat of a present member.

    Raises
    ------
    Rejected
        NOT_SEATED, also for those who left or were slashed out.
    """
    found = SEATS.get(ctx.state, task_id, node)
    if found is None or not found.present:
        raise Rejected(NOT_SEATED, task_id=task_id, node=node)
    return found


def require_leader(ctx: Context, task_id: str) -> Team:
    """Return the team; refuse (NOT_THE_LEADER) anybody but its leader."""
    team = TEAMS.load(ctx.state, task_id)
    if ctx.caller.id != team.leader:
        raise Rejected(NOT_THE_LEADER, caller=ctx.caller.id, leader=team.leader)
    return team


def aggregator_of(ctx: Context, task: Task) -> str:
    """Return who aggregates: the node the requester appointed while it is present, else the team's leader."""
    if task.aggregator is not None:
        appointed = SEATS.get(ctx.state, task.id, task.aggregator)
        if appointed is not None and appointed.present:
            return task.aggregator
    return TEAMS.load(ctx.state, task.id).leader


def free_places(ctx: Context, task: Task) -> int:
    """Return how many places are free; one who will return after an appeal keeps its place. O(members)."""
    taken = [
        seat
        for seat in SEATS.scan(ctx.state, task.id)
        if seat.status is SeatStatus.ACTIVE or (seat.present and seat.returns_at_round is not None)
    ]
    return task.team_size - len(taken)


def note_missed(ctx: Context, task_id: str, node: str) -> None:
    """Count a round that the member did not deliver (p of Miao eq. 2); who has left has been counted."""
    found = SEATS.load(ctx.state, task_id, node)
    if found.present:
        SEATS.save(ctx.state, replace(found, missed=found.missed + 1))


def note_lazy(ctx: Context, task_id: str, node: str) -> None:
    """Count a copied or empty update (q of Miao eq. 2); who has left is not counted any more."""
    found = SEATS.load(ctx.state, task_id, node)
    if found.present:
        SEATS.save(ctx.state, replace(found, lazy=found.lazy + 1))


def eliminate(ctx: Context, task_id: str, node: str) -> None:
    """Take a member out of the coming rounds; its place is free until it appeals."""
    found = SEATS.load(ctx.state, task_id, node)
    if found.present:
        SEATS.save(ctx.state, replace(found, status=SeatStatus.ELIMINATED, returns_at_round=None))


def schedule_return(ctx: Context, task: Task, node: str, round_number: int) -> Seat:
    """Keep a place for an eliminated member from now on; it is back when that round opens.

    Raises
    ------
    Rejected
        NOT_SEATED; TEAM_FULL where the waiting list has filled its place.
    """
    found = seat(ctx, task.id, node)
    if free_places(ctx, task) < 1:
        raise Rejected(TEAM_FULL, task_id=task.id, team_size=task.team_size)
    return SEATS.save(ctx.state, replace(found, returns_at_round=round_number))


def reinstate(ctx: Context, task_id: str, node: str) -> Seat:
    """Let an eliminated member take part again."""
    found = seat(ctx, task_id, node)
    return SEATS.save(ctx.state, replace(found, status=SeatStatus.ACTIVE, returns_at_round=None))
