"""Who is dropped after a round: guarded (default) or as BPCV-FL prints it.

The paper (BPCV-FL, 4.1; retracted) drops the worst by total score after every round, and so drops an honest
participant wherever there is no dishonest one. The guarded rule asks for robust evidence first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedpact_chaincode.arithmetic import NANO, median, median_deviation
from fedpact_chaincode.contracts.tasks.records import Rules

SIGMA_NANO = 1_482_602_219
"""1 / quantile 3/4 of the normal distribution: the factor from a MAD to a standard deviation, 1e-9."""
LEAST_LEFT = 2
"""Participants that remain however many are to be dropped."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is known of one model.

    Attributes
    ----------
    evidence : how it compares with the others, 1e-9, higher is better; None where nobody compared it.
    organisations : how many compared it.
    total : sum of its scores, higher is better (BPCV eq. 6); `scores` is how many there are.
    lot : decides ties.
    """

    evidence: int | None
    organisations: int
    total: int
    scores: int
    lot: str


def guard(values: Sequence[int], level: int, rules: Rules) -> int:
    """Return how far from the middle of some values is out of the ordinary, 1e-9.

    A margin relative to the cohort's level, plus a number of robust standard deviations. Their sum, not the
    larger one: where data differ most (Dirichlet 0.1) that drops far fewer honest participants and nearly
    as many label flippers.
    """
    margin = abs(level) * rules.margin_nano // NANO
    sigma = median_deviation(values) * SIGMA_NANO // NANO
    return margin + sigma * rules.deviations_nano // NANO


def guarded(suspects: Sequence[Suspect], level: int | None, rules: Rules) -> list[int]:
    """Return the positions whose evidence is below the cohort's by more than the guard, worst first.

    Nobody is dropped on the word of fewer than `min_validators` organisations, nor so many that fewer than
    two participants remain. O(n log n).
    """
    known = [suspect.evidence for suspect in suspects if suspect.evidence is not None]
    if not known or level is None:
        return []
    lowest = median(known) - guard(known, level, rules)
    below = [
        (suspect.evidence, suspect.lot, position)
        for position, suspect in enumerate(suspects)
        if suspect.evidence is not None
        and suspect.evidence < lowest
        and suspect.organisations >= rules.min_validators
    ]
    return [position for _, _, position in sorted(below)][: max(0, len(suspects) - LEAST_LEFT)]


def paper(suspects: Sequence[Suspect]) -> list[int]:
    """Return the position of the worst by total score (BPCV-FL, 4.1), unless only two participants are left.

    Where models have different numbers of scores (absent or drawn validators) the means are compared, which
    is the same order where the numbers are equal. Ties go by lot.
    """
    scored = [position for position, suspect in enumerate(suspects) if suspect.scores]
    if len(suspects) <= LEAST_LEFT or not scored:
        return []
    return [min(scored, key=lambda p: (suspects[p].total * NANO // suspects[p].scores, suspects[p].lot))]
