"""Rounds of a task: updates, validation, verdicts, elections, the committee (BPCV-FL 4.1; Lu III.D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedpact_chaincode.contracts.elections.committee import Approve, CommitteeState
from fedpact_chaincode.contracts.elections.committee import OneTask as OneFinalModel
from fedpact_chaincode.contracts.elections.records import Approval, Election
from fedpact_chaincode.contracts.elections.sealing import Seal
from fedpact_chaincode.contracts.privacy.records import Mechanism
from fedpact_chaincode.contracts.tasks.records import Task
from fedpact_chaincode.contracts.training.appeals import AppealElimination
from fedpact_chaincode.contracts.training.closing import RecordGlobal
from fedpact_chaincode.contracts.training.opening import OneRound, OpenRound
from fedpact_chaincode.contracts.training.queries import RoundPage, RoundsAfter, RoundState
from fedpact_chaincode.contracts.training.recording import RecordScores, RecordUpdate
from fedpact_chaincode.contracts.training.records import Appeal, Round, Scores, Update

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.models import ModelRef


class Training:
    """What a team's members record of their rounds, each under its own identity."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def open_round(self, task_id: str) -> Round:
        """Open the next round, as the aggregator; any member once it has kept the team waiting."""
        return self._session.submit("training:open_round", OpenRound(task_id=task_id), Round)

    def record_update(
        self,
        task_id: str,
        number: int,
        model: ModelRef,
        *,
        commitment: str,
        events: Sequence[Mechanism] = (),
    ) -> Update:
        """Record the caller's own model of a round; what its release spends is charged to its budget.

        Parameters
        ----------
        task_id, number : the round.
        model : hash, size and place of the model.
        commitment : SHA-256 (hex) of a secret of 32 bytes that the scores will reveal.
        events : the privacy mechanisms of the release.
        """
        message = RecordUpdate(
            task_id=task_id,
            number=number,
            model=model.hash,
            size_bytes=model.size_bytes,
            location=model.location,
            commitment=commitment,
            events=tuple(events),
        )
        return self._session.submit("training:record_update", message, Update)

    def begin_scoring(self, task_id: str, number: int) -> Round:
        """Begin mutual validation once all updates are in, or their time has passed; anybody may."""
        return self._session.submit("training:begin_scoring", _one(task_id, number), Round)

    def record_scores(
        self, task_id: str, number: int, scores: Sequence[int], *, secret: str | None = None
    ) -> Scores:
        """Record what the caller measured of the others' models.

        Parameters
        ----------
        task_id, number : the round.
        scores : by position of the round's participants: accuracy or mean absolute error in 1e-9,
            `fedpact.rules.UNAVAILABLE` or `fedpact.rules.NOT_ASKED`.
        secret : what the caller's update committed to, hex; None keeps it back.
        """
        message = RecordScores(task_id=task_id, number=number, scores=tuple(scores), secret=secret)
        return self._session.submit("training:record_scores", message, Scores)

    def close_round(self, task_id: str, number: int) -> Round:
        """Have the contract compute and carry out a round's verdict, when it is due; anybody may."""
        return self._session.submit("training:close_round", _one(task_id, number), Round)

    def record_global(
        self, task_id: str, number: int, model: ModelRef, *, quality_nano: int | None = None
    ) -> Round:
        """Record a closed round's aggregated model, as the aggregator.

        Parameters
        ----------
        task_id, number : the round.
        model : hash, size and place of the model.
        quality_nano : what is claimed for it, 1e-9; None claims what the round's models had.
        """
        message = RecordGlobal(
            task_id=task_id,
            number=number,
            model=model.hash,
            size_bytes=model.size_bytes,
            location=model.location,
            quality_nano=quality_nano,
        )
        return self._session.submit("training:record_global", message, Round)

    def seal(self, task_id: str, number: int, model: str) -> Election:
        """Seal a round that the caller leads, or whose leader does not act.

        Parameters
        ----------
        task_id, number : the round.
        model : hash of the global model that the caller means.
        """
        message = Seal(task_id=task_id, number=number, model=model)
        return self._session.submit("elections:seal", message, Election)

    def appeal(self, task_id: str) -> Appeal:
        """Appeal once against the caller's elimination."""
        return self._session.submit("training:appeal", AppealElimination(task_id=task_id), Appeal)

    def approve(self, task_id: str, quality_nano: int) -> Approval:
        """Record the quality of the final model on the caller's own data, 1e-9."""
        message = Approve(task_id=task_id, quality_nano=quality_nano)
        return self._session.submit("elections:approve", message, Approval)

    def complete(self, task_id: str) -> Task:
        """Count the committee's measurements and end the task, once the outcome is certain; anybody may."""
        return self._session.submit("elections:complete", OneFinalModel(task_id=task_id), Task)

    def committee(self, task_id: str) -> CommitteeState:
        """Return who is asked about the final model, and what they measured."""
        return self._session.evaluate("elections:committee", OneFinalModel(task_id=task_id), CommitteeState)

    def round(self, task_id: str, number: int) -> RoundState:
        """Return all about one round."""
        return self._session.evaluate("training:round_state", _one(task_id, number), RoundState)

    def rounds(self, task_id: str, *, after: int = 0) -> list[Round]:
        """Return up to twenty rounds of a task, in order, after the round `after`."""
        message = RoundsAfter(task_id=task_id, after=after)
        return self._session.evaluate("training:rounds", message, RoundPage).rounds


def _one(task_id: str, number: int) -> OneRound:
    return OneRound(task_id=task_id, number=number)
