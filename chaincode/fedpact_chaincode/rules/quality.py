"""Proof of training quality: who leads, and when a committee agrees (Lu et al., PoQ, III.D)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contracts.tasks.records import Committee, LearningKind


@dataclass(frozen=True, slots=True)
class Standing:
    """One participant in an election.

    Attributes
    ----------
    quality : accuracy or mean absolute error of its model as the others measured it, 1e-9.
    rows : of its registered dataset, |d_j|.
    lot : decides ties, the smaller one wins.
    """

    quality: int
    rows: int
    lot: str


def rank(standings: Sequence[Standing], kind: LearningKind) -> list[int]:
    """Return positions in order of PoQ, the leader first.

    Classification: the highest accuracy leads. Regression: the lowest `unified_errors` leads (Lu eq. 7).
    """
    if kind is LearningKind.CLASSIFICATION:
        keys = [-standing.quality for standing in standings]
    else:
        keys = unified_errors(standings)
    return sorted(range(len(standings)), key=lambda position: (keys[position], standings[position].lot))


def unified_errors(standings: Sequence[Standing]) -> list[int]:
    """Return MAE_u(j) = gamma_j MAE(m_j) + mean_i MAE(m_i), gamma_j = 1 + |d_j| / sum_i |d_i| (Lu eq. 7).

    Returns
    -------
    One for each participant, in multiples of 1e-9 / (n sum_i |d_i|): exact, so that no tie is made by
    rounding. Without any rows gamma is 1.
    """
    count = len(standings)
    size = sum(standing.rows for standing in standings)
    total = sum(standing.quality for standing in standings)
    if size == 0:
        return [count * standing.quality + total for standing in standings]
    return [count * (size + standing.rows) * standing.quality + size * total for standing in standings]


@dataclass(frozen=True, slots=True)
class Ballot:
    """A committee member's measurement of the final model; `None` while it has not measured.

    Attributes
    ----------
    quality : accuracy or mean absolute error on the member's own data, 1e-9.
    hardness : the median of what the member scored in the last round, in the same unit; None where it
        scored nothing.
    """

    organisation: str
    quality: int | None
    hardness: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """What the committee has to judge.

    Attributes
    ----------
    quality : claimed for the final model, 1e-9.
    level : median over organisations of their hardness in the last round; None where nothing was scored.
    tolerance_nano : by how much a measurement may be worse, relative to the claim, 1e-9.
    rule : quorum or all.
    """

    quality: int
    level: int | None
    tolerance_nano: int
    rule: Committee
    kind: LearningKind


def approves(ballot: Ballot, claim: Claim) -> bool:
    """Whether a measurement confirms the claim (Lu III.D: "within a certain range").

    A member whose data is harder than the cohort's by some amount is expected to measure that much less;
    a better measurement than claimed is no objection.
    """
    if ballot.quality is None:
        return False
    expected = claim.quality
    if ballot.hardness is not None and claim.level is not None:
        expected += ballot.hardness - claim.level
    slack = claim.quality * claim.tolerance_nano // NANO
    if claim.kind is LearningKind.CLASSIFICATION:
        return ballot.quality >= expected - slack
    return ballot.quality <= expected + slack


def decide(ballots: Sequence[Ballot], claim: Claim, *, final: bool) -> bool | None:
    """Return whether the committee approved, or None while that is open.

    Rule `all`: every node (Lu III.D). Rule `quorum`: strictly more than two thirds of the organisations; an
    organisation approves when more than half of its nodes do.

    Parameters
    ----------
    final : no more ballots will come; who has not measured does not approve.
    """
    organisations: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        organisations.setdefault(ballot.organisation, []).append(ballot)
    if claim.rule is Committee.ALL:
        yes = sum(approves(ballot, claim) for ballot in ballots)
        no = sum(ballot.quality is not None and not approves(ballot, claim) for ballot in ballots)
        needed, voters = len(ballots), len(ballots)
    else:
        outcomes = [_outcome(members, claim) for members in organisations.values()]
        yes, no = outcomes.count(True), outcomes.count(False)
        voters = len(outcomes)
        needed = 2 * voters // 3 + 1
    if voters and yes >= needed:
        return True
    return False if final or voters - no < needed else None


def _outcome(members: Sequence[Ballot], claim: Claim) -> bool | None:
    yes = sum(approves(ballot, claim) for ballot in members)
    open_ = sum(ballot.quality is None for ballot in members)
    if 2 * yes > len(members):
        return True
    return None if 2 * (yes + open_) > len(members) else False
