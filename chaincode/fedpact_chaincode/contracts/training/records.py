"""Rounds and what they are made of, as they are stored.

updating -> scoring -> closed -> sealed
(open_round) (start_scoring) (close_round) (elections:seal)

Updates and scores lie under keys of their own, so that all participants may record at the same time.
"""

from __future__ import annotations

from enum import StrEnum

from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.rules.judging import Verdict
from fedpact_chaincode.state import Map, Record


class RoundStatus(StrEnum):
    """What a round is waiting for: updates, scores, its global model and seal, nothing."""

    UPDATING = "updating"
    SCORING = "scoring"
    CLOSED = "closed"
    SEALED = "sealed"


class Round(Record, frozen=True, kw_only=True):
    """One round; sequences are by position of the participant.

    Attributes
    ----------
    participants : node ids in ascending order; organisations : their mspids; rows : as registered.
    validators : positions of those who validate each model; empty: every other organisation's participants.
    seed : of the round's draws, hex.
    start_model : SHA-256 of the global model that it starts from, hex; None in the first round.
    deadline_ms : of the phase the round is in, updating or scoring.
    delivered : who had recorded an update when scoring started.
    closed_ms : when the verdict was computed.
    """

    task_id: str
    number: int
    status: RoundStatus
    participants: tuple[str, ...]
    organisations: tuple[str, ...]
    rows: tuple[int, ...]
    validators: tuple[tuple[int, ...], ...]
    seed: str
    start_model: str | None
    opened_ms: int
    deadline_ms: int
    delivered: tuple[bool, ...] = ()
    closed_ms: int | None = None


class Update(Record, frozen=True, kw_only=True):
    """A participant's model.

    Attributes
    ----------
    model : SHA-256, hex; location : where it is kept.
    commitment : SHA-256 of the secret that is revealed with the scores, hex.
    spent_nano : epsilon spent on the dataset for this requester, this update included, 1e-9.
    copied : whether the model was on the ledger before: another's, an earlier one, the global one.
    """

    task_id: str
    round: int
    node: str
    model: str
    size_bytes: int
    location: str
    commitment: str
    spent_nano: int
    copied: bool
    time_ms: int


class Origin(Record, frozen=True, kw_only=True):
    """Who recorded a model first, and in which round."""

    task_id: str
    model: str
    node: str
    round: int


class Scores(Record, frozen=True, kw_only=True):
    """A validator's row of the matrix: for each participant's model a score, 1e-9, -1 or -2 (`rules.evidence`).

    `secret` opens the commitment of its update, hex; None where it does not reveal it.
    """

    task_id: str
    round: int
    node: str
    scores: tuple[int, ...]
    secret: str | None
    time_ms: int


class Judgement(Record, frozen=True, kw_only=True):
    """The verdict on a round, and the seed that its secrets make for the next one (hex)."""

    task_id: str
    round: int
    verdict: Verdict
    next_seed: str


class GlobalModel(Record, frozen=True, kw_only=True):
    """The aggregate of a round.

    Attributes
    ----------
    digest : SHA-256, hex; location : where it is kept.
    quality_nano : accuracy or mean absolute error that the aggregator claims, 1e-9; None: it claims nothing.
    recorded_by : the aggregator, or who stood in for it.
    """

    task_id: str
    round: int
    digest: str
    size_bytes: int
    location: str
    quality_nano: int | None
    recorded_by: str
    time_ms: int


class Appeal(Record, frozen=True, kw_only=True):
    """A dropped member's one appeal in a task."""

    task_id: str
    node: str
    returns_at_round: int
    time_ms: int


ROUNDS = Map("training.round", Round, key=("task_id", "number"))
UPDATES = Map("training.update", Update, key=("task_id", "round", "node"))
ORIGINS = Map("training.origin", Origin, key=("task_id", "model"))
SCORES = Map("training.scores", Scores, key=("task_id", "round", "node"))
JUDGEMENTS = Map("training.judgement", Judgement, key=("task_id", "round"))
GLOBALS = Map("training.global", GlobalModel, key=("task_id", "round"))
APPEALS = Map("training.appeal", Appeal, key=("task_id", "node"))

ROUND_OPENED = code(500, "ROUND_OPENED", Kind.CONFLICT, "the round before this one is not sealed")
ROUNDS_OVER = code(501, "ROUNDS_OVER", Kind.FAILED_PRECONDITION, "the task has no further round")
COMMITTEE_DECIDES = code(
    502, "COMMITTEE_DECIDES", Kind.FAILED_PRECONDITION, "the committee is measuring a final model"
)
TOO_FEW_PARTICIPANTS = code(
    503, "TOO_FEW_PARTICIPANTS", Kind.FAILED_PRECONDITION, "a round needs two active members"
)
NOT_YOUR_TURN = code(504, "NOT_YOUR_TURN", Kind.FORBIDDEN, "somebody else has to act first")
ROUND_STATUS = code(505, "ROUND_STATUS", Kind.FAILED_PRECONDITION, "the round's status does not allow this")
ROUND_LATE = code(506, "ROUND_LATE", Kind.FAILED_PRECONDITION, "the time for this has passed")
ROUND_INCOMPLETE = code(
    507, "ROUND_INCOMPLETE", Kind.FAILED_PRECONDITION, "participants are awaited, and there is still time"
)
NOT_A_PARTICIPANT = code(
    508, "NOT_A_PARTICIPANT", Kind.FORBIDDEN, "the node does not take part in this round"
)
PRIVACY_REQUIRED = code(
    509, "PRIVACY_REQUIRED", Kind.FAILED_PRECONDITION, "the task admits only updates with privacy events"
)
SCORES_MALFORMED = code(
    510,
    "SCORES_MALFORMED",
    Kind.INVALID_ARGUMENT,
    "the scores are not those that the validator was asked for",
)
SECRET_MISMATCH = code(
    511, "SECRET_MISMATCH", Kind.INVALID_ARGUMENT, "the secret does not open the update's commitment"
)
QUALITY_OUT_OF_RANGE = code(
    512, "QUALITY_OUT_OF_RANGE", Kind.INVALID_ARGUMENT, "an accuracy is between 0 and 1"
)
QUALITY_REQUIRED = code(
    513, "QUALITY_REQUIRED", Kind.INVALID_ARGUMENT, "a final model needs a claim of its quality"
)
GLOBAL_RECORDED = code(514, "GLOBAL_RECORDED", Kind.CONFLICT, "the round has its global model")
NOT_ELIMINATED = code(515, "NOT_ELIMINATED", Kind.FAILED_PRECONDITION, "the member was not dropped")
APPEALED_ALREADY = code(516, "APPEALED_ALREADY", Kind.CONFLICT, "a member may appeal once in a task")
APPEAL_TOO_LATE = code(
    517, "APPEAL_TOO_LATE", Kind.FAILED_PRECONDITION, "the task ends before the member could return"
)
NO_GLOBAL = code(518, "NO_GLOBAL", Kind.FAILED_PRECONDITION, "the round has no global model yet")
