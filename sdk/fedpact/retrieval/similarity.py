"""How close two profiles are: weighted Jaccard in exact integers, and the logic distance (Lu et al. 2020)."""

from __future__ import annotations

import math
from enum import StrEnum
from fractions import Fraction

from fedpact.retrieval.hashing import TOTAL_WEIGHT, HashedProfile


class DistanceRule(StrEnum):
    """How the logic distance is computed.

    Attributes
    ----------
    SCALED : weighted Jaccard distance times 1 + ln(1 + d_p / d_0): the default.
    PAPER : Lu et al. 2020, eq. 1, as printed.
    """

    SCALED = "scaled"
    PAPER = "paper"


def overlap(left: HashedProfile, right: HashedProfile) -> int:
    """Return the sum over all terms of the smaller weight, 0 to 65,535. O(terms)."""
    weights = right.weights
    return sum(min(weight, weights.get(term, 0)) for term, weight in left)


def weighted_jaccard(left: HashedProfile, right: HashedProfile) -> Fraction:
    """Return the similarity sum(min) / sum(max), exactly, 0 to 1.

    Both profiles weigh 65,535, so it is m / (2 * 65,535 - m) for their overlap m, and orders as m does.
    """
    shared = overlap(left, right)
    return Fraction(shared, 2 * TOTAL_WEIGHT - shared)


def logic_distance(
    left: HashedProfile,
    right: HashedProfile,
    physical: float,
    *,
    unit: float = 1.0,
    rule: DistanceRule = DistanceRule.SCALED,
) -> float:
    """Return the logic distance of two nodes (Lu et al. 2020, eq. 1).

    Parameters
    ----------
    left, right : profiles of the two nodes.
    physical : physical distance d_p of the nodes, 0 or more, in any unit.
    unit : d_0, the distance in the same unit at which the factor is 1 + ln 2; positive.
    rule : as printed, eq. 1 multiplies by log(d_p), which is 0 at distance 1 and negative below, so that
        near nodes would come out as related however different their data: the default factor
        1 + ln(1 + d_p / d_0) is 1 at distance 0 and grows. The printed ratio counts a term with both its
        weights as soon as both nodes have it; the default takes the weighted Jaccard distance.

    Raises
    ------
    ValueError
        If `physical` is negative or no number, `unit` is not positive, or, with PAPER, d_p <= 1.
    """
    if not (math.isfinite(physical) and physical >= 0 and math.isfinite(unit) and unit > 0):
        raise ValueError("physical distances are 0 or more, their unit is positive")
    if rule is DistanceRule.PAPER:
        if physical <= 1:
            raise ValueError("eq. 1 as printed needs a physical distance over 1")
        return float(_printed_distance(left, right)) * math.log(physical)
    return float(1 - weighted_jaccard(left, right)) * (1 + math.log1p(physical / unit))


def _printed_distance(left: HashedProfile, right: HashedProfile) -> Fraction:
    apart = sum(weight for term, weight in left if term not in right.weights)
    apart += sum(weight for term, weight in right if term not in left.weights)
    return Fraction(apart, 2 * TOTAL_WEIGHT)
