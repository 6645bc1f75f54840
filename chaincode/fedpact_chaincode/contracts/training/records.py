"""What a federated round leaves on the ledger.

updates -> scoring -> closed -> sealed
   \\_______________/
   (where nobody validates)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Contract, Count, Digest, Id, Nanos, Text, TimeMs
from fedpact_chaincode.contracts.privacy.records import Mechanisms
from fedpact_chaincode.contracts.tasks.records import TaskId
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.rules.judging import Verdict
from fedpact_chaincode.state import Map, Record

contract = Contract("training", "Federated rounds: updates, mutual validation, verdicts (BPCV 4.1)")

MAX_PARTICIPANTS = 1000
RoundNumber = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Score = Annotated[int, msgspec.Meta(ge=-2, le=10**18, description="1e-9; -1 unavailable, -2 not asked")]
ScoreRow = Annotated[tuple[Score, ...], msgspec.Meta(max_length=MAX_PARTICIPANTS)]


class RoundStatus(StrEnum):
    """Where a round is."""

    UPDATES = "updates"
    SCORING = "scoring"
    CLOSED = "closed"
    SEALED = "sealed"


class Participant(Record, frozen=True, kw_only=True):
    """Who takes part; its place in the round is its position everywhere.

    Attributes
    ----------
    node, mspid : its id and its organisation.
    dataset_id, rows : what it trains on, and how many records that had when the task was created.
    """

    node: Id
    mspid: Id
    dataset_id: Id
    rows: Count


class RoundVerdict(Record, frozen=True, kw_only=True):
    """What followed from a round; see `fedpact_chaincode.rules.judging.Verdict` for the fields."""

    totals: tuple[int, ...]
    qualities: tuple[int | None, ...]
    level: int | None
    hardness: tuple[int | None, ...]
    evidence: tuple[int | None, ...]
    eliminated: tuple[str, ...]
    missed: tuple[str, ...]
    lazy: tuple[str, ...]
    weights: tuple[int, ...]
    honesty: tuple[int, ...]
    contributions: tuple[int, ...]
    rewards: tuple[int, ...]
    ranking: tuple[str, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> RoundVerdict:
        """Take over a computed verdict."""
        return cls(**{name: getattr(verdict, name) for name in cls.__struct_fields__})


class GlobalModel(Record, frozen=True, kw_only=True):
    """A round's aggregated model.

    Attributes
    ----------
    digest, size_bytes, location : SHA-256 of the model, its length, where it is kept.
    quality_nano : what the aggregator claims for it, accuracy or MAE; None claims the cohort's level.
    recorded_by, recorded_ms : who recorded it, and when: the elected leader's time begins.
    """

    digest: Digest
    size_bytes: Count
    location: Text
    quality_nano: Nanos | None
    recorded_by: Id
    recorded_ms: TimeMs


class Round(Record, frozen=True, kw_only=True):
    """One round of a task.

    Attributes
    ----------
    task_id, number : rounds count from 1.
    status : see `RoundStatus`.
    leader : the team's, when the round was opened.
    participants : by position.
    asked : by validator, the positions of the models it was drawn to validate; empty: all of other
        organisations.
    seed : of this round's draws; `next_seed`, from the revealed secrets, of the next one's.
    opened_ms, updates_due_ms, scores_due_ms : when it was opened; until when updates and scores are taken.
    closed_ms : when the verdict was computed.
    absent : participants that had left the team by then; their updates do not count.
    """

    task_id: TaskId
    number: RoundNumber
    status: RoundStatus
    leader: Id
    participants: tuple[Participant, ...]
    asked: tuple[tuple[int, ...], ...]
    seed: Digest
    opened_ms: TimeMs
    updates_due_ms: TimeMs
    scores_due_ms: TimeMs | None = None
    closed_ms: TimeMs | None = None
    absent: tuple[Id, ...] = ()
    next_seed: Digest | None = None
    verdict: RoundVerdict | None = None
    model: GlobalModel | None = None

    def position(self, node: str) -> int | None:
        """Return a participant's position; None for anybody else. O(participants)."""
        for position, participant in enumerate(self.participants):
            if participant.node == node:
                return position
        return None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The participants' ids, by position."""
        return tuple(participant.node for participant in self.participants)

    def asked_of(self, position: int) -> tuple[int, ...]:
        """Return the models that a participant is asked about, by position."""
        if self.asked:
            return self.asked[position]
        mine = self.participants[position].mspid
        return tuple(place for place, other in enumerate(self.participants) if other.mspid != mine)


class Update(Record, frozen=True, kw_only=True):
    """A participant's model of a round, recorded by itself.

    Attributes
    ----------
    model, size_bytes, location : SHA-256 of the model, its length, where it is kept.
    events : the privacy mechanisms that its release applied; charged to the dataset's budget.
    spent_nano : epsilon of the budget spent after it, 1e-9.
    copied : whether somebody had recorded this very model in the task before.
    commitment : SHA-256 of the secret that its scores reveal.
    """

    task_id: TaskId
    round: RoundNumber
    node: Id
    model: Digest
    size_bytes: Count
    location: Text
    events: Mechanisms
    spent_nano: Count
    copied: bool
    commitment: Digest
    time_ms: TimeMs


class Original(Record, frozen=True, kw_only=True):
    """Who first recorded a model in a task, as an update or as a global model: all others copied it.

    Kept by hash, so that of two who record the same model the ledger's order decides, not their clocks.
    """

    task_id: TaskId
    model: Digest
    node: Id


class Scores(Record, frozen=True, kw_only=True):
    """What a participant measured of every model, by position, recorded by itself in one row.

    Attributes
    ----------
    scores : accuracy or mean absolute error, 1e-9; -1 not to be had, or of another hash; -2 not asked.
    secret : what its update committed to; None keeps it back.
    """

    task_id: TaskId
    round: RoundNumber
    node: Id
    scores: ScoreRow
    secret: Digest | None
    time_ms: TimeMs


class Appeal(Record, frozen=True, kw_only=True):
    """A member's one appeal against its elimination."""

    task_id: TaskId
    node: Id
    returns_at_round: RoundNumber
    time_ms: TimeMs


ROUNDS = Map("training.round", Round, key=("task_id", "number"))
UPDATES = Map("training.update", Update, key=("task_id", "round", "node"))
ORIGINALS = Map("training.original", Original, key=("task_id", "model"))
SCORES = Map("training.scores", Scores, key=("task_id", "round", "node"))
APPEALS = Map("training.appeal", Appeal, key=("task_id", "node"))

ROUND_STATUS = code(500, "ROUND_STATUS", Kind.FAILED_PRECONDITION, "the round's status does not allow this")
ROUND_ORDER = code(
    501,
    "ROUND_ORDER",
    Kind.FAILED_PRECONDITION,
    "rounds follow one another, each after the last one is sealed",
)
NO_MORE_ROUNDS = code(502, "NO_MORE_ROUNDS", Kind.FAILED_PRECONDITION, "the task's rounds are over")
NOT_THE_AGGREGATOR = code(503, "NOT_THE_AGGREGATOR", Kind.FORBIDDEN, "it is not the caller's turn to do this")
NOT_A_PARTICIPANT = code(504, "NOT_A_PARTICIPANT", Kind.FORBIDDEN, "the caller takes no part in the round")
TOO_FEW_PARTICIPANTS = code(
    505, "TOO_FEW_PARTICIPANTS", Kind.FAILED_PRECONDITION, "a round needs two active members"
)
ROUND_DEADLINE = code(506, "ROUND_DEADLINE", Kind.FAILED_PRECONDITION, "the time for this has passed")
ROUND_NOT_DUE = code(
    507, "ROUND_NOT_DUE", Kind.FAILED_PRECONDITION, "not everybody has answered, and there is time"
)
PRIVACY_REQUIRED = code(
    508, "PRIVACY_REQUIRED", Kind.FAILED_PRECONDITION, "the task takes updates with privacy events only"
)
SCORES_MALFORMED = code(
    509, "SCORES_MALFORMED", Kind.INVALID_ARGUMENT, "the row does not answer exactly what was asked"
)
SECRET_MISMATCH = code(
    510, "SECRET_MISMATCH", Kind.INVALID_ARGUMENT, "the secret is not what the update committed to"
)
GLOBAL_RECORDED = code(511, "GLOBAL_RECORDED", Kind.CONFLICT, "the round has its global model")
NOT_ELIMINATED = code(512, "NOT_ELIMINATED", Kind.FAILED_PRECONDITION, "the caller was not eliminated")
APPEALED_ALREADY = code(513, "APPEALED_ALREADY", Kind.CONFLICT, "a member may appeal once")
