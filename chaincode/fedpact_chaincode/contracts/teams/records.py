"""Teams, applications and seats, as they are stored (Miao et al., BP2P-FL, 4.1; BPCV-FL, 4.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record

Unit = Annotated[int, msgspec.Meta(ge=0, le=10**9, description="between 0 and 1, 1e-9")]


class TeamStatus(StrEnum):
    """A team recruits until it is formed."""

    RECRUITING = "recruiting"
    FORMED = "formed"


class SeatStatus(StrEnum):
    """`active` and `eliminated` members belong to the team; `left` and `slashed` ones did."""

    ACTIVE = "active"
    ELIMINATED = "eliminated"
    LEFT = "left"
    SLASHED = "slashed"


class Team(Record, frozen=True, kw_only=True):
    """The nodes that work on one task.

    Attributes
    ----------
    leader : node id of the sponsor, later of who succeeded it.
    term : how many leaders there have been before; accusations count within a term.
    respond_by_ms : applications are taken until then; 0 means until the team forms.
    seated : how many seats have ever been taken; the next seat's standing.
    """

    task_id: str
    leader: str
    status: TeamStatus
    opened_ms: int
    respond_by_ms: int = 0
    term: int = 0
    seated: int = 0


class Candidate(Record, frozen=True, kw_only=True):
    """An application to a team; after the team has formed, a place on the waiting list.

    Attributes
    ----------
    rows : of its dataset when the task was created.
    mortgage : deposited, micro-credits.
    preference_nano : W_p of Miao Alg. 1, the node's own wish to do this work, 0..1e9.
    ability_nano : A_b of Miao Alg. 1, the leader's assessment, 0..1e9; None until assessed.
    """

    task_id: str
    node: str
    mspid: str
    dataset_id: str
    rows: int
    mortgage: int
    preference_nano: int
    applied_ms: int
    ability_nano: int | None = None

    @property
    def value_nano(self) -> int:
        """Twice I_V = 0.5 W_p + 0.5 A_b (Miao Alg. 1, line 5): twice, so that nothing is rounded."""
        return self.preference_nano + (self.ability_nano or 0)


class Seat(Record, frozen=True, kw_only=True):
    """A member's place in a team.

    Attributes
    ----------
    rows : of its dataset when the task was created.
    standing : rank when seated, 0 for the sponsor; succession goes by it.
    mortgage : deposited at the start, micro-credits: N_i,mortgage of Miao eq. 1.
    slashed_micros : how much of it has been taken.
    missed : p of Miao eq. 2, rounds not delivered.
    lazy : q of Miao eq. 2, copied or empty updates.
    deposed : whether the members took the team's lead from it.
    returns_at_round : when an eliminated member is back; None while it has not appealed.
    """

    task_id: str
    node: str
    mspid: str
    dataset_id: str
    rows: int
    standing: int
    mortgage: int
    slashed_micros: int = 0
    missed: int = 0
    lazy: int = 0
    status: SeatStatus = SeatStatus.ACTIVE
    deposed: bool = False
    returns_at_round: int | None = None

    @property
    def present(self) -> bool:
        """Whether the member still belongs to the team."""
        return self.status in {SeatStatus.ACTIVE, SeatStatus.ELIMINATED}


class Source(Record, frozen=True, kw_only=True):
    """Which node brings a dataset to a task: nobody's rows count twice."""

    task_id: str
    dataset_id: str
    node: str


class Accusation(Record, frozen=True, kw_only=True):
    """One organisation's vote to take the lead from the team's leader."""

    task_id: str
    term: int
    mspid: str
    node: str
    time_ms: int


TEAMS = Map("teams.team", Team, key=("task_id",))
CANDIDATES = Map("teams.candidate", Candidate, key=("task_id", "node"))
SEATS = Map("teams.seat", Seat, key=("task_id", "node"))
SOURCES = Map("teams.source", Source, key=("task_id", "dataset_id"))
ACCUSATIONS = Map("teams.accusation", Accusation, key=("task_id", "term", "mspid"))

CREDIT_TOO_LOW = code(
    450, "CREDIT_TOO_LOW", Kind.FAILED_PRECONDITION, "the node has not earned enough credit for this task"
)
MORTGAGE_TOO_LOW = code(451, "MORTGAGE_TOO_LOW", Kind.INVALID_ARGUMENT, "the mortgage is below the minimum")
DATASET_UNSUITABLE = code(
    452, "DATASET_UNSUITABLE", Kind.FAILED_PRECONDITION, "the dataset is of another category"
)
DATASET_TAKEN = code(453, "DATASET_TAKEN", Kind.CONFLICT, "another node brings this dataset to the task")
NO_BUDGET_FOR_TASK = code(
    454, "NO_BUDGET_FOR_TASK", Kind.FAILED_PRECONDITION, "the task requires a granted privacy budget"
)
RECRUITMENT_OVER = code(
    455, "RECRUITMENT_OVER", Kind.FAILED_PRECONDITION, "the team takes no applications any more"
)
RECRUITMENT_OPEN = code(456, "RECRUITMENT_OPEN", Kind.FAILED_PRECONDITION, "candidates may still respond")
TEAM_TOO_SMALL = code(457, "TEAM_TOO_SMALL", Kind.FAILED_PRECONDITION, "too few members")
TEAM_FULL = code(458, "TEAM_FULL", Kind.FAILED_PRECONDITION, "no place is free in the team")
NOBODY_WAITS = code(459, "NOBODY_WAITS", Kind.FAILED_PRECONDITION, "the waiting list is empty")
NOT_THE_LEADER = code(460, "NOT_THE_LEADER", Kind.FORBIDDEN, "the team's leader has to do this")
NOT_SEATED = code(461, "NOT_SEATED", Kind.FORBIDDEN, "the node has no place in the team")
NO_EVIDENCE = code(
    462, "NO_EVIDENCE", Kind.FAILED_PRECONDITION, "the ledger shows nothing that was not punished already"
)
ACCUSED_ALREADY = code(
    463, "ACCUSED_ALREADY", Kind.CONFLICT, "the organisation has accused this leader already"
)
OWN_LEADER = code(464, "OWN_LEADER", Kind.FORBIDDEN, "an organisation does not judge its own leader")
LEADER_IS_ACCUSED = code(
    465, "LEADER_IS_ACCUSED", Kind.FORBIDDEN, "the leader is not slashed but accused, by the members"
)
LAST_MEMBER = code(466, "LAST_MEMBER", Kind.FAILED_PRECONDITION, "the last member cannot leave the team")
