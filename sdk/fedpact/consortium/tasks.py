"""Training tasks and the teams that work on them (Miao et al. 4.1-4.2; BPCV-FL 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedpact_chaincode.contracts.tasks.records import Task, TaskStatus
from fedpact_chaincode.contracts.tasks.transactions import Appoint, CreateTask, OneTask, TaskPage, TasksAfter
from fedpact_chaincode.contracts.teams.discipline import Slash
from fedpact_chaincode.contracts.teams.forming import Assess, TeamState
from fedpact_chaincode.contracts.teams.records import Candidate, Seat, Team
from fedpact_chaincode.contracts.teams.recruiting import Apply, OneTeam, OpenTeam

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

NANO = 10**9


class Tasks:
    """What requesters ask for, and who joins."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, terms: CreateTask) -> Task:
        """Publish a task and fund all its rounds up front, from the caller's account."""
        return self._session.submit("tasks:create", terms, Task)

    def get(self, task_id: str) -> Task:
        """Return a task."""
        return self._session.evaluate("tasks:task", OneTask(task_id=task_id), Task)

    def list(self, *, after: str | None = None, status: TaskStatus | None = None) -> list[Task]:
        """Return up to a hundred tasks, by id."""
        return self._session.evaluate("tasks:tasks", TasksAfter(after=after, status=status), TaskPage).tasks

    def appoint(self, task_id: str, node: str) -> Task:
        """Choose the aggregation server among the team (the requester)."""
        return self._session.submit("tasks:appoint", Appoint(task_id=task_id, node=node), Task)

    def cancel(self, task_id: str) -> Task:
        """Cancel a task that has not started; everything is refunded."""
        return self._session.submit("tasks:cancel", OneTask(task_id=task_id), Task)

    def expire(self, task_id: str) -> Task:
        """End a task whose deadline passed; anyone may."""
        return self._session.submit("tasks:expire", OneTask(task_id=task_id), Task)

    def open_team(self, task_id: str, dataset_id: str, *, mortgage: int, respond_by_ms: int = 0) -> Team:
        """Open a team as its leader, with at least twice the members' mortgage (Miao Alg. 1, line 1)."""
        message = OpenTeam(
            task_id=task_id, dataset_id=dataset_id, mortgage=mortgage, respond_by_ms=respond_by_ms
        )
        return self._session.submit("teams:open_team", message, Team)

    def apply(self, task_id: str, dataset_id: str, *, mortgage: int, preference: float) -> Candidate:
        """Apply with a dataset and a deposit; preference W_p in [0, 1] (Miao Alg. 1, line 3)."""
        message = Apply(
            task_id=task_id,
            dataset_id=dataset_id,
            mortgage=mortgage,
            preference_nano=round(preference * NANO),
        )
        return self._session.submit("teams:apply", message, Candidate)

    def assess(self, task_id: str, node: str, *, ability: float) -> Candidate:
        """Assess a candidate as leader; ability A_b in [0, 1] (Miao Alg. 1, line 4)."""
        message = Assess(task_id=task_id, node=node, ability_nano=round(ability * NANO))
        return self._session.submit("teams:assess", message, Candidate)

    def form(self, task_id: str) -> Team:
        """Select the best candidates by I_V = (W_p + A_b) / 2 (Miao Alg. 1, lines 5-6)."""
        return self._session.submit("teams:form", OneTeam(task_id=task_id), Team)

    def start(self, task_id: str) -> Task:
        """Start the rounds, as leader."""
        return self._session.submit("teams:start", OneTeam(task_id=task_id), Task)

    def team(self, task_id: str) -> TeamState:
        """Return the team with its seats and its waiting list."""
        return self._session.evaluate("teams:team", OneTeam(task_id=task_id), TeamState)

    def promote(self, task_id: str) -> Team:
        """Fill a freed place from the waiting list."""
        return self._session.submit("teams:promote", OneTeam(task_id=task_id), Team)

    def leave(self, task_id: str) -> Seat:
        """Leave a team; a mortgage is kept for what was missed."""
        return self._session.submit("teams:leave", OneTeam(task_id=task_id), Seat)

    def slash(self, task_id: str, node: str) -> Seat:
        """Punish a member for faults that the ledger holds (Miao eq. 1-3), as leader."""
        return self._session.submit("teams:slash", Slash(task_id=task_id, node=node), Seat)

    def accuse_leader(self, task_id: str) -> Team:
        """Vote against the leader; a majority of the members' organisations slashes and replaces it."""
        return self._session.submit("teams:accuse_leader", OneTeam(task_id=task_id), Team)
