"""How members answer for what they do: slashing, accusing the leader, leaving (Miao, BP2P-FL, 4.1)."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Event, Id, Message
from fedpact_chaincode.contracts.tasks.life import in_status, running
from fedpact_chaincode.contracts.tasks.records import Task, TaskId, TaskStatus
from fedpact_chaincode.contracts.teams.mortgages import due, punish, release
from fedpact_chaincode.contracts.teams.records import (
    ACCUSATIONS,
    ACCUSED_ALREADY,
    LAST_MEMBER,
    LEADER_IS_ACCUSED,
    NO_EVIDENCE,
    OWN_LEADER,
    SEATS,
    SOURCES,
    TEAMS,
    Accusation,
    Seat,
    SeatStatus,
    Team,
)
from fedpact_chaincode.contracts.teams.recruiting import OneTeam
from fedpact_chaincode.contracts.teams.seats import require_leader, seat, seats
from fedpact_chaincode.errors import Rejected


class Slash(Message, frozen=True, kw_only=True):
    """Name the member to be punished."""

    task_id: TaskId
    node: Id


class LeaderAccused(Event, frozen=True, kw_only=True):
    """An organisation voted to take the lead from the leader."""

    task_id: str
    leader: str
    mspid: str
    votes: int
    organisations: int


class LeaderReplaced(Event, frozen=True, kw_only=True):
    """The next in standing leads."""

    task_id: str
    former: str
    leader: str


class MemberLeft(Event, frozen=True, kw_only=True):
    """A member gave its place up; what was left of its mortgage went back."""

    task_id: str
    node: str
    released: int


def slash(ctx: Context, message: Slash) -> Seat:
    """Punish a member for what the ledger shows and has not been punished: missed rounds, lazy updates.

    Raises
    ------
    Rejected
        NOT_THE_LEADER, LEADER_IS_ACCUSED, NOT_SEATED, NO_EVIDENCE, TASK_STATUS, TASK_DEADLINE.
    """
    task = running(ctx, message.task_id)
    team = require_leader(ctx, task.id)
    if message.node == team.leader:
        raise Rejected(LEADER_IS_ACCUSED, leader=team.leader)
    member = seat(ctx, task.id, message.node)
    amount = due(task, member)
    if amount <= 0:
        raise Rejected(NO_EVIDENCE, node=member.node, missed=member.missed, lazy=member.lazy)
    punished = punish(ctx, task, member, amount)
    if not punished.present:
        SOURCES.delete(ctx.state, task.id, punished.dataset_id)
    return punished


def accuse_leader(ctx: Context, message: OneTeam) -> Team:
    """Vote to take the lead from the leader, one vote per organisation, its own excepted.

    When strictly more than half of the other members' organisations have accused it, the leader is punished
    for what the ledger shows, for one round at least, and the next in standing leads.

    Raises
    ------
    Rejected
        NOT_SEATED, OWN_LEADER, ACCUSED_ALREADY, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.TEAMED, TaskStatus.RUNNING)
    accuser = seat(ctx, task.id, ctx.caller.id)
    team = TEAMS.load(ctx.state, task.id)
    leader = seat(ctx, task.id, team.leader)
    if accuser.mspid == leader.mspid:
        raise Rejected(OWN_LEADER, leader=leader.node, caller=accuser.node)
    if ACCUSATIONS.has(ctx.state, task.id, team.term, accuser.mspid):
        raise Rejected(ACCUSED_ALREADY, leader=leader.node, mspid=accuser.mspid)
    ACCUSATIONS.save(
        ctx.state,
        Accusation(
            task_id=task.id, term=team.term, mspid=accuser.mspid, node=accuser.node, time_ms=ctx.time_ms
        ),
    )
    electorate = {member.mspid for member in seats(ctx, task.id) if member.present} - {leader.mspid}
    votes = electorate & {vote.mspid for vote in ACCUSATIONS.scan(ctx.state, task.id, team.term)}
    ctx.emit(
        LeaderAccused(
            task_id=task.id,
            leader=leader.node,
            mspid=accuser.mspid,
            votes=len(votes),
            organisations=len(electorate),
        )
    )
    return _depose(ctx, task, team, leader) if 2 * len(votes) > len(electorate) else team


def leave(ctx: Context, message: OneTeam) -> Seat:
    """Give a place up. While the task runs, every round still to come counts as missed (p of Miao eq. 2).

    Before the start, and for eliminated members, leaving costs nothing beyond what was due.

    Raises
    ------
    Rejected
        NOT_SEATED, LAST_MEMBER, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.TEAMED, TaskStatus.RUNNING)
    member = seat(ctx, task.id, ctx.caller.id)
    if not any(other.present and other.node != member.node for other in seats(ctx, task.id)):
        raise Rejected(LAST_MEMBER, node=member.node)
    if task.status is TaskStatus.RUNNING and member.status is SeatStatus.ACTIVE:
        member = replace(member, missed=member.missed + task.rounds - task.rounds_closed)
    amount = due(task, member)
    if amount > 0:
        member = punish(ctx, task, member, amount)
    left = SEATS.save(ctx.state, replace(member, status=SeatStatus.LEFT, returns_at_round=None))
    released = release(ctx, task, left.node)
    SOURCES.delete(ctx.state, task.id, left.dataset_id)
    ctx.emit(MemberLeft(task_id=task.id, node=left.node, released=released))
    team = TEAMS.load(ctx.state, task.id)
    if team.leader == left.node:
        _succeed(ctx, team)
    return left


def _depose(ctx: Context, task: Task, team: Team, leader: Seat) -> Team:
    amount = due(task, leader, faults=max(1, leader.missed + leader.lazy))
    if amount > 0:
        leader = punish(ctx, task, leader, amount)
    if not leader.present:
        SOURCES.delete(ctx.state, task.id, leader.dataset_id)
    SEATS.save(ctx.state, replace(leader, deposed=True))
    return _succeed(ctx, team)


def _succeed(ctx: Context, team: Team) -> Team:
    """Hand the lead to the next in standing: who was not deposed before others, active before eliminated."""
    heirs = [member for member in seats(ctx, team.task_id) if member.present and member.node != team.leader]
    heir = min(heirs, key=lambda m: (m.deposed, m.status is not SeatStatus.ACTIVE, m.standing))
    ctx.emit(LeaderReplaced(task_id=team.task_id, former=team.leader, leader=heir.node))
    return TEAMS.save(ctx.state, replace(team, leader=heir.node, term=team.term + 1))
