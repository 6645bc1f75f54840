"""What elections and committees leave on the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from fedpact_chaincode.contract import Contract, Count, Digest, Id, Nanos, TimeMs
from fedpact_chaincode.contracts.tasks.records import TaskId
from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.state import Map, Record

contract = Contract("elections", "Leaders by proof of quality, sealed rounds, the committee (Lu III.D)")


class Election(Record, frozen=True, kw_only=True):
    """Who keeps a round's accounts.

    Attributes
    ----------
    ranking : node ids in order of proof of quality; the first one leads.
    sealed_by, sealed_ms : who did seal the round, and when; None while open.
    seal : SHA-256 over the round's updates, scores, verdict and global model, computed by the contract.
    """

    task_id: TaskId
    round: Count
    ranking: tuple[Id, ...]
    sealed_by: Id | None = None
    sealed_ms: TimeMs | None = None
    seal: Digest | None = None


class Approval(Record, frozen=True, kw_only=True):
    """A committee member's measurement of a round's model on its own data, accuracy or MAE, 1e-9."""

    task_id: TaskId
    round: Count
    node: Id
    quality_nano: Nanos
    time_ms: TimeMs


ELECTIONS = Map("elections.election", Election, key=("task_id", "round"))
APPROVALS = Map("elections.approval", Approval, key=("task_id", "round", "node"))

NOT_YOUR_TURN = code(600, "NOT_YOUR_TURN", Kind.FORBIDDEN, "somebody before the caller in rank has the turn")
NO_GLOBAL_MODEL = code(
    601, "NO_GLOBAL_MODEL", Kind.FAILED_PRECONDITION, "the round's global model is not recorded yet"
)
WRONG_MODEL = code(602, "WRONG_MODEL", Kind.INVALID_ARGUMENT, "the round's global model is another one")
NOT_FINAL = code(603, "NOT_FINAL", Kind.FAILED_PRECONDITION, "the task's last round is not sealed yet")
COMMITTEE_OPEN = code(
    604, "COMMITTEE_OPEN", Kind.FAILED_PRECONDITION, "the committee has not decided, and there is time"
)


def succession(ranking: Sequence[str], participants: Sequence[str]) -> tuple[str, ...]:
    """Return who may act for a round, in order: the ranking, then all other participants, so that nobody's
    crash can stop it.
    """
    return (*ranking, *sorted(set(participants) - set(ranking)))


def on_turn(ranking: Sequence[str], since_ms: int, now_ms: int, act_time_ms: int) -> Sequence[str]:
    """Return who may act: the first from `since_ms` on, one more after every `act_time_ms`; nobody before."""
    if now_ms < since_ms:
        return ()
    return ranking[: 1 + (now_ms - since_ms) // act_time_ms]
