"""The deterministic numbers of contracts: integers, and functions rounded once.

Money is in micro-credits; scores, weights and epsilons are in nanos (multiples of 1e-9). exp, ln, sqrt
and arccos are computed with 60 significant decimals and rounded once, half to even, so that every
replica agrees on every bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import mpmath

NANO = 10**9
_context = mpmath.MPContext()
_context.dps = 60


def share(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount by weight; the parts always add up to the whole (largest-remainder method).

    Parameters
    ----------
    amount : what is divided, 0 or more.
    weights : one per part, 0 or more each; all zero counts as all equal.

    Returns
    -------
    One part per weight; ties of remainders go to the earlier part. O(n log n).

    Raises
    ------
    ValueError
        Negative amount or weight, or no weights for a positive amount.
    """
    if amount < 0 or any(weight < 0 for weight in weights):
        raise ValueError("amount and weights must not be negative")
    if not weights:
        if amount:
            raise ValueError("nobody to share with")
        return []
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(weights), len(weights)
    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    for index in sorted(range(len(weights)), key=lambda i: (-remainders[i], i))[: amount - sum(parts)]:
        parts[index] += 1
    return parts


def divide(numerator: int, denominator: int) -> int:
    """Return the quotient rounded half to even; the denominator is positive."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    return quotient + (twice > denominator or (twice == denominator and quotient % 2 == 1))


def divide_up(numerator: int, denominator: int) -> int:
    """Return the quotient rounded up; the denominator is positive."""
    return -(-numerator // denominator)


def exp(x_nano: int) -> int:
    """Return e**x, both in nanos; x at most 40e9 (the result stays below 2**63 nanos only to 22.9)."""
    if x_nano > 40 * NANO:
        raise ValueError("exponent too large")
    return _rounded(_context.exp(_nano(x_nano)))


def ln(x_nano: int) -> int:
    """Return the natural logarithm of a positive x, both in nanos."""
    if x_nano <= 0:
        raise ValueError("logarithm of a number that is not positive")
    return _rounded(_context.log(_nano(x_nano)))


def sqrt(x_nano: int) -> int:
    """Return the square root of x >= 0, both in nanos."""
    if x_nano < 0:
        raise ValueError("square root of a negative number")
    return _rounded(_context.sqrt(_nano(x_nano)))


def arccos(x_nano: int) -> int:
    """Return arccos x in radians, both in nanos; x is cut to [-1, 1]."""
    return _rounded(_context.acos(_nano(max(-NANO, min(NANO, x_nano)))))


def softmax(values_nano: Sequence[int]) -> list[int]:
    """Return softmax weights in nanos that add up to exactly 1e9 (Miao eq. 9)."""
    if not values_nano:
        return []
    top = max(values_nano)
    exact = [_context.exp(_nano(value - top)) for value in values_nano]
    scaled = [int(_context.nint(e * _context.mpf(10) ** 30)) for e in exact]
    return share(NANO, scaled)


def median(values: Sequence[int]) -> int:
    """Return the median; of an even number of values the mean of the middle two, half to even.

    Raises
    ------
    ValueError
        No values.
    """
    if not values:
        raise ValueError("median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return divide(ordered[middle - 1] + ordered[middle], 2)


def median_deviation(values: Sequence[int]) -> int:
    """Return the median absolute deviation from the median (MAD)."""
    centre = median(values)
    return median([abs(value - centre) for value in values])


def _nano(value: int) -> mpmath.mpf:
    return _context.mpf(value) / NANO


def _rounded(value: mpmath.mpf) -> int:
    return int(_context.nint(value * NANO))
