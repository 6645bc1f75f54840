"""What each participant's part in a round is worth: weights, honesty, rewards (Miao et al., BP2P-FL, 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from fedpact_chaincode.arithmetic import NANO, median, share
from fedpact_chaincode.contracts.tasks.records import LearningKind, Variant

_BEST = 2
"""A model counts at most as twice as good as the cohort: an error near zero must not take everything."""


def worth(quality: int, level: int, kind: LearningKind) -> int:
    """Return what a model is worth, 1e-9: its accuracy, or the cohort's error divided by its own.

    Parameters
    ----------
    quality : accuracy or mean absolute error as the others measured it, 1e-9, 0 or more.
    level : of the cohort, in the same unit.
    """
    if kind is LearningKind.CLASSIFICATION:
        return quality
    return min(_BEST * NANO, level * NANO // quality) if quality else _BEST * NANO


def honesty(disagreement: int, cohort: Sequence[int], tolerance: int) -> int:
    """Return a validator's honesty, 1e-9: 1 within the tolerated disagreement, beyond it tolerated / actual.

    Parameters
    ----------
    disagreement : mean distance of its opinions from the median of all other organisations' (leave one out).
    cohort : every validator's disagreement.
    tolerance : how far above the cohort's middle is still ordinary; see `elimination.guard`.
    """
    tolerated = median(cohort) + tolerance
    return NANO if disagreement <= tolerated else max(1, tolerated * NANO // disagreement)


def shares(amount: int, weights: Sequence[int], lots: Sequence[str]) -> list[int]:
    """Divide an amount by weight as `arithmetic.share` does, odd units by lot: any order gives the same."""
    order = sorted(range(len(weights)), key=lambda position: lots[position])
    parts = [0] * len(weights)
    for position, part in zip(order, share(amount, [weights[p] for p in order]), strict=True):
        parts[position] = part
    return parts


def rewards(
    amount: int,
    weights: Sequence[int],
    lots: Sequence[str],
    *,
    leader: int | None,
    team_size: int,
    variant: Variant,
) -> list[int]:
    """Return what each participant is paid for a round, micro-credits (Miao eq. 10-11).

    The printed shares, C/N + W C for the leader and (1 - 1/N) W C for members, add up to C (1 + W_leader/N).
    By default the leader gets C/N + (1 - 1/N) W C, and all add up to exactly C; `paper` pays the printed
    ones, each rounded down, of which the excess was funded too.

    Parameters
    ----------
    amount : C, what the round pays.
    weights : W, 1e-9; they add up to 1e9, or are all zero: then nobody is paid.
    lots : decide who gets odd units.
    leader : position of the team's leader; None where it earned nothing this round, and then by default
        everything goes by weight.
    team_size : N.
    """
    if not any(weights):
        return [0] * len(weights)
    if variant is Variant.PAPER:
        printed = [amount * (team_size - 1) * weight // (team_size * NANO) for weight in weights]
        if leader is not None:
            printed[leader] = amount * (NANO + team_size * weights[leader]) // (team_size * NANO)
        return printed
    if leader is None:
        return shares(amount, weights, lots)
    parts = [(team_size - 1) * weight for weight in weights]
    parts[leader] += NANO
    return shares(amount, parts, lots)
