"""A task and its rules, as they are stored (Miao et al., BP2P-FL, 4.1-4.2; BPCV-FL, 4.2).

open -> teamed -> running -> completed
  \\________\\_________\\----> expired      (after the deadline, or the committee rejected the model)
   \\________\\----------------> cancelled    (the requester)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Nanos
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record

TaskId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z", description="a task's name, chosen by its requester"
    ),
]


class LearningKind(StrEnum):
    """What is predicted, and so how quality is measured: accuracy (higher is better) or MAE (lower is)."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class TaskStatus(StrEnum):
    """Where a task is in its life."""

    OPEN = "open"
    TEAMED = "teamed"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Elimination(StrEnum):
    """Who is dropped after a round: on robust evidence only, the worst every time (BPCV 4.1), nobody."""

    GUARDED = "guarded"
    PAPER = "paper"
    NONE = "none"


class Variant(StrEnum):
    """The corrected rule or the one a paper prints."""

    DEFAULT = "default"
    PAPER = "paper"


class Committee(StrEnum):
    """Who approves the final model: more than two thirds of the organisations, or all nodes (Lu III.D)."""

    QUORUM = "quorum"
    ALL = "all"


Time = Annotated[int, msgspec.Meta(ge=1, le=10**11, description="milliseconds")]


class Rules(Record, frozen=True, kw_only=True):
    """How rounds are closed; known before anyone joins. The defaults are the corrected rules.

    Attributes
    ----------
    elimination : who is dropped after a round.
    rewards : shares of Miao eq. 10-11 corrected to add up to the reward, or as printed.
    compensation : of a punishment the whole goes to the other members, or 1/N each (Miao eq. 3).
    validators_per_model : how many participants validate each model, drawn by lot; 0 means all.
    warmup_rounds : first rounds in which nobody is dropped.
    min_validators : organisations that must have scored a model before it may be dropped.
    margin_nano : guarded elimination's margin relative to the cohort's level, 1e-9.
    deviations_nano : guarded elimination's margin in robust standard deviations (1.4826 MAD), 1e-9.
    cooling_rounds : rounds between a successful appeal and the return.
    committee : who must approve the final model.
    tolerance_nano : by how much a committee member's quality may differ from the claim, relative, 1e-9.
    update_time_ms, score_time_ms : how long a round takes updates, then scores.
    act_time_ms : how long the elected leader has before the next in rank may act.
    """

    elimination: Elimination = Elimination.GUARDED
    rewards: Variant = Variant.DEFAULT
    compensation: Variant = Variant.DEFAULT
    validators_per_model: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    warmup_rounds: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1
    min_validators: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 2
    margin_nano: Nanos = 50_000_000
    deviations_nano: Nanos = 3_000_000_000
    cooling_rounds: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1
    committee: Committee = Committee.QUORUM
    tolerance_nano: Nanos = 100_000_000
    update_time_ms: Time = 600_000
    score_time_ms: Time = 600_000
    act_time_ms: Time = 60_000


class FinalModel(Record, frozen=True, kw_only=True):
    """What a completed task delivered.

    Attributes
    ----------
    digest : SHA-256 of the model, hex.
    location : where it is kept, encrypted.
    quality_nano : accuracy or mean absolute error that the committee approved, 1e-9.
    """

    digest: str
    location: str
    quality_nano: int


class Task(Record, frozen=True, kw_only=True):
    """A request for a model.

    Attributes
    ----------
    requester : node id of who asked and funded it; `requester_mspid` is its organisation.
    category : of data, as catalogued; also the purpose that grants must cover.
    rounds : how many rounds at most.
    target_quality_nano : accuracy or MAE at which it may end earlier, 1e-9.
    reward_per_round : micro-credits.
    min_credit : earned credit a node must have, micro-credits.
    min_mortgage : what a member deposits at least, micro-credits; the leader twice that.
    privacy_required : whether every update must carry privacy events within a granted budget.
    fingerprint : of the request, for the cache of results.
    request_id : the sharing request that missed the cache and led to this task.
    updated_ms : the task's last change; nothing about it may be dated earlier.
    aggregator : the node the requester appointed; None leaves it to the team's leader.
    rounds_closed : how many rounds have been closed and sealed.
    model : the result, once completed.
    """

    id: str
    requester: str
    requester_mspid: str
    category: str
    kind: LearningKind
    rounds: int
    deadline_ms: int
    target_quality_nano: int | None
    reward_per_round: int
    team_size: int
    min_credit: int
    min_mortgage: int
    privacy_required: bool
    rules: Rules
    fingerprint: str
    request_id: str | None
    status: TaskStatus
    created_ms: int
    updated_ms: int
    aggregator: str | None = None
    rounds_closed: int = 0
    model: FinalModel | None = None


TASKS = Map("tasks.task", Task, key=("id",))

TASK_STATUS = code(400, "TASK_STATUS", Kind.FAILED_PRECONDITION, "the task's status does not allow this")
TASK_DEADLINE = code(401, "TASK_DEADLINE", Kind.FAILED_PRECONDITION, "the task's deadline has passed")
TASK_NOT_DUE = code(402, "TASK_NOT_DUE", Kind.FAILED_PRECONDITION, "the task's deadline has not passed")
TASK_TERMS = code(403, "TASK_TERMS", Kind.INVALID_ARGUMENT, "the task's terms contradict each other")
REQUEST_MISMATCH = code(
    404,
    "REQUEST_MISMATCH",
    Kind.INVALID_ARGUMENT,
    "the request is another's, of something else, or answered",
)
