"""Elections, committees and votes, as they are stored."""

from __future__ import annotations

from enum import StrEnum

from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record


class Election(Record, frozen=True, kw_only=True):
    """Who keeps the accounts of a round.

    Attributes
    ----------
    ranking : node ids in order of PoQ, the leader first; each stands in for those before it.
    sealed_by : who sealed the round; None while nobody has.
    seal : SHA-256 over the round's updates, scores, verdict and global model, hex.
    """

    task_id: str
    round: int
    ranking: tuple[str, ...]
    sealed_by: str | None = None
    sealed_ms: int | None = None
    seal: str | None = None


class CommitteeStatus(StrEnum):
    """A committee measures, then has decided."""

    MEASURING = "measuring"
    APPROVED = "approved"
    REJECTED = "rejected"


class Committee(Record, frozen=True, kw_only=True):
    """Those who judge a final model, and what they have to judge.

    Attributes
    ----------
    attempt : how many claims for a final model came before in this task.
    model : SHA-256, hex.
    claimed_nano : accuracy or mean absolute error that its aggregator claims, 1e-9.
    claimant : who recorded the model.
    members, organisations : node ids and their mspids.
    hardness : median of what each member's organisation scored in the last round, 1e-9; None: nothing.
    level : of the cohort in the last round, 1e-9.
    """

    task_id: str
    attempt: int
    round: int
    model: str
    claimed_nano: int
    claimant: str
    members: tuple[str, ...]
    organisations: tuple[str, ...]
    hardness: tuple[int | None, ...]
    level: int | None
    convened_ms: int
    deadline_ms: int
    status: CommitteeStatus = CommitteeStatus.MEASURING
    decided_ms: int | None = None


class Measurement(Record, frozen=True, kw_only=True):
    """A member's measurement of the final model on its own data, 1e-9."""

    task_id: str
    attempt: int
    node: str
    quality_nano: int
    time_ms: int


class Attempts(Record, frozen=True, kw_only=True):
    """How many committees a task has had; the last one is number `count - 1`."""

    task_id: str
    count: int


ELECTIONS = Map("elections.election", Election, key=("task_id", "round"))
COMMITTEES = Map("elections.committee", Committee, key=("task_id", "attempt"))
MEASUREMENTS = Map("elections.measurement", Measurement, key=("task_id", "attempt", "node"))
ATTEMPTS = Map("elections.attempts", Attempts, key=("task_id",))

MODEL_MISMATCH = code(
    600, "MODEL_MISMATCH", Kind.INVALID_ARGUMENT, "the ledger holds another global model for this round"
)
NOT_ON_COMMITTEE = code(601, "NOT_ON_COMMITTEE", Kind.FORBIDDEN, "the node is no member of the committee")
NO_COMMITTEE = code(602, "NO_COMMITTEE", Kind.FAILED_PRECONDITION, "no committee is measuring a final model")
COMMITTEE_OPEN = code(
    603,
    "COMMITTEE_OPEN",
    Kind.FAILED_PRECONDITION,
    "the committee has not decided, and members may still measure",
)
COMMITTEE_LATE = code(
    604, "COMMITTEE_LATE", Kind.FAILED_PRECONDITION, "the time for measuring the final model has passed"
)
