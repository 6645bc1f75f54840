"""How a team comes together: a sponsor opens it, nodes apply with a mortgage (Miao, BP2P-FL, Alg. 1, 1-3)."""

from __future__ import annotations

from dataclasses import dataclass

from fedpact_chaincode.contract import Context, Event, Id, Message, Micros, TimeMs
from fedpact_chaincode.contracts.catalog import dataset, rows_at
from fedpact_chaincode.contracts.credit.book import earned
from fedpact_chaincode.contracts.privacy.book import has_budget
from fedpact_chaincode.contracts.registry import require_member, require_node
from fedpact_chaincode.contracts.sharing import require_grant
from fedpact_chaincode.contracts.tasks.life import in_status
from fedpact_chaincode.contracts.tasks.records import TASK_TERMS, Task, TaskId, TaskStatus
from fedpact_chaincode.contracts.teams.mortgages import deposit, release
from fedpact_chaincode.contracts.teams.records import (
    CANDIDATES,
    CREDIT_TOO_LOW,
    DATASET_TAKEN,
    DATASET_UNSUITABLE,
    MORTGAGE_TOO_LOW,
    NO_BUDGET_FOR_TASK,
    RECRUITMENT_OVER,
    SEATS,
    SOURCES,
    TEAMS,
    Candidate,
    Seat,
    Source,
    Team,
    TeamStatus,
    Unit,
)
from fedpact_chaincode.contracts.teams.seats import require_leader
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected


class OpenTeam(Message, frozen=True, kw_only=True):
    """Sponsor a team and lead it.

    Attributes
    ----------
    dataset_id : what the sponsor itself brings.
    mortgage : at least twice the task's minimum, micro-credits.
    respond_by_ms : how long candidates may apply; 0 leaves it to the forming of the team.
    """

    task_id: TaskId
    dataset_id: Id
    mortgage: Micros
    respond_by_ms: TimeMs = 0


class Apply(Message, frozen=True, kw_only=True):
    """Apply to a team with a dataset, a mortgage (micro-credits) and the preference W_p of Miao Alg. 1."""

    task_id: TaskId
    dataset_id: Id
    mortgage: Micros
    preference_nano: Unit


class OneTeam(Message, frozen=True, kw_only=True):
    """Name a team by its task."""

    task_id: TaskId


class TeamOpened(Event, frozen=True, kw_only=True):
    """A sponsor recruits for a task."""

    task_id: str
    leader: str
    respond_by_ms: int


class Applied(Event, frozen=True, kw_only=True):
    """A node applied and deposited its mortgage."""

    task_id: str
    node: str
    dataset_id: str
    mortgage: int


class Withdrawn(Event, frozen=True, kw_only=True):
    """A candidate took its application back, or the sponsor dissolved the team; mortgages went back."""

    task_id: str
    nodes: list[str]


def open_team(ctx: Context, message: OpenTeam) -> Team:
    """Sponsor a team for an open task; one team works on a task.

    Raises
    ------
    Rejected
        RECORD_EXISTS, TASK_TERMS (the response time), and what `apply` refuses.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN)
    if message.respond_by_ms and not ctx.time_ms < message.respond_by_ms < task.deadline_ms:
        raise Rejected(TASK_TERMS, respond_by_ms=message.respond_by_ms, deadline_ms=task.deadline_ms)
    team = Team(
        task_id=task.id,
        leader=ctx.caller.id,
        status=TeamStatus.RECRUITING,
        opened_ms=ctx.time_ms,
        respond_by_ms=message.respond_by_ms,
        seated=1,
    )
    TEAMS.create(ctx.state, team)
    rows = _take(ctx, task, _Offer(message.dataset_id, message.mortgage, 2 * task.min_mortgage))
    SEATS.create(
        ctx.state,
        Seat(
            task_id=task.id,
            node=ctx.caller.id,
            mspid=ctx.caller.mspid,
            dataset_id=message.dataset_id,
            rows=rows,
            standing=0,
            mortgage=message.mortgage,
        ),
    )
    ctx.emit(TeamOpened(task_id=task.id, leader=team.leader, respond_by_ms=team.respond_by_ms))
    return team


def apply(ctx: Context, message: Apply) -> Candidate:
    """Apply to a recruiting team, each node with its own identity.

    Raises
    ------
    Rejected
        RECRUITMENT_OVER, RECORD_EXISTS, MORTGAGE_TOO_LOW, CREDIT_TOO_LOW, INSUFFICIENT_CREDIT,
        DATASET_UNSUITABLE, DATASET_TAKEN, NO_BUDGET_FOR_TASK, NOT_THE_OWNER, ROLE_REQUIRED, TASK_STATUS,
        TASK_DEADLINE, and what `require_node`, `dataset`, `rows_at`, `require_grant` refuse.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN)
    team = TEAMS.load(ctx.state, task.id)
    ctx.not_before(team.opened_ms)
    if team.respond_by_ms and ctx.time_ms > team.respond_by_ms:
        raise Rejected(RECRUITMENT_OVER, respond_by_ms=team.respond_by_ms, time_ms=ctx.time_ms)
    if CANDIDATES.has(ctx.state, task.id, ctx.caller.id) or team.leader == ctx.caller.id:
        raise Rejected(RECORD_EXISTS, record=CANDIDATES.prefix, key=[task.id, ctx.caller.id])
    rows = _take(ctx, task, _Offer(message.dataset_id, message.mortgage, task.min_mortgage))
    candidate = Candidate(
        task_id=task.id,
        node=ctx.caller.id,
        mspid=ctx.caller.mspid,
        dataset_id=message.dataset_id,
        rows=rows,
        mortgage=message.mortgage,
        preference_nano=message.preference_nano,
        applied_ms=ctx.time_ms,
    )
    CANDIDATES.save(ctx.state, candidate)
    ctx.emit(
        Applied(
            task_id=task.id,
            node=candidate.node,
            dataset_id=candidate.dataset_id,
            mortgage=candidate.mortgage,
        )
    )
    return candidate


def withdraw(ctx: Context, message: OneTeam) -> None:
    """Take an application, or a place on the waiting list, back; the mortgage goes back.

    Raises
    ------
    Rejected
        RECORD_NOT_FOUND (also for members, who `leave`), TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN, TaskStatus.TEAMED, TaskStatus.RUNNING)
    candidate = CANDIDATES.load(ctx.state, task.id, ctx.caller.id)
    _forget(ctx, task, candidate)
    ctx.emit(Withdrawn(task_id=task.id, nodes=[candidate.node]))


def dissolve(ctx: Context, message: OneTeam) -> None:
    """Give up a team that has not formed; all mortgages go back, and another sponsor may come.

    Raises
    ------
    Rejected
        NOT_THE_LEADER, TASK_STATUS, TASK_DEADLINE.
    """
    task = in_status(ctx, message.task_id, TaskStatus.OPEN)
    team = require_leader(ctx, task.id)
    candidates = list(CANDIDATES.scan(ctx.state, task.id))
    for candidate in candidates:
        _forget(ctx, task, candidate)
    sponsor = SEATS.load(ctx.state, task.id, team.leader)
    release(ctx, task, sponsor.node)
    SOURCES.delete(ctx.state, task.id, sponsor.dataset_id)
    SEATS.delete(ctx.state, task.id, sponsor.node)
    TEAMS.delete(ctx.state, task.id)
    ctx.emit(Withdrawn(task_id=task.id, nodes=[sponsor.node, *(candidate.node for candidate in candidates)]))


@dataclass(frozen=True, slots=True)
class _Offer:
    dataset_id: str
    mortgage: int
    least: int


def _take(ctx: Context, task: Task, offer: _Offer) -> int:
    """Refuse who or what does not meet the terms; else take deposit and dataset, and return its rows."""
    require_member(ctx)
    ctx.caller.require_role("admin", "member")
    require_node(ctx, ctx.caller.id)
    offered = dataset(ctx, offer.dataset_id)
    ctx.caller.require_organisation(offered.owner)
    rows = rows_at(offered, task.created_ms)
    if offered.category != task.category:
        raise Rejected(DATASET_UNSUITABLE, dataset_id=offered.id, category=offered.category)
    taken = SOURCES.get(ctx.state, task.id, offered.id)
    if taken is not None:
        raise Rejected(DATASET_TAKEN, dataset_id=offered.id, node=taken.node)
    require_grant(ctx, offered.id, task.requester_mspid, task.category)
    if task.privacy_required and not has_budget(ctx, offered.id, task.requester_mspid):
        raise Rejected(NO_BUDGET_FOR_TASK, dataset_id=offered.id, requester=task.requester_mspid)
    rating = earned(ctx, ctx.caller.id)
    if rating < task.min_credit:
        raise Rejected(CREDIT_TOO_LOW, earned=rating, min_credit=task.min_credit)
    if offer.mortgage < offer.least:
        raise Rejected(MORTGAGE_TOO_LOW, mortgage=offer.mortgage, least=offer.least)
    deposit(ctx, task, ctx.caller.id, offer.mortgage)
    SOURCES.create(ctx.state, Source(task_id=task.id, dataset_id=offered.id, node=ctx.caller.id))
    return rows


def _forget(ctx: Context, task: Task, candidate: Candidate) -> None:
    release(ctx, task, candidate.node)
    SOURCES.delete(ctx.state, task.id, candidate.dataset_id)
    CANDIDATES.delete(ctx.state, task.id, candidate.node)
