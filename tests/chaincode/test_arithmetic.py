"""Deterministic numbers against fractions and against mpmath's own arbitrary precision."""

from __future__ import annotations

import itertools
from fractions import Fraction
from statistics import median as statistics_median

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode import arithmetic
from fedpact_chaincode.arithmetic import NANO

AMOUNTS = st.integers(0, 10**18)
WEIGHTS = st.lists(st.integers(0, 10**18), min_size=1, max_size=20)
NANOS = st.integers(-(10**12), 10**12)


@given(AMOUNTS, WEIGHTS)
def test_parts_add_up_and_are_within_one_of_the_exact_share(amount: int, weights: list[int]) -> None:
    parts = arithmetic.share(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(amount * weight, total) if total else Fraction(amount, len(weights))
        assert abs(part - exact) < 1
        assert part >= 0
        assert total == 0 or weight > 0 or part == 0


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_the_largest_remainders_get_what_is_left(amount: int, weights: list[int]) -> None:
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(weights), len(weights)
    exact = [Fraction(amount * weight, total) for weight in weights]
    parts = arithmetic.share(amount, weights)
    rounded_up = [i for i, part in enumerate(parts) if part > exact[i] // 1]
    rounded_down = [i for i in range(len(parts)) if i not in rounded_up]
    for up in rounded_up:
        for down in rounded_down:
            assert (exact[up] % 1, -up) > (exact[down] % 1, -down)


def test_shares_of_nothing_and_of_nobody() -> None:
    assert arithmetic.share(0, []) == []
    assert arithmetic.share(5, [0, 0]) == [3, 2]
    for amount, weights in [(1, []), (-1, [1]), (1, [1, -1])]:
        with pytest.raises(ValueError):
            arithmetic.share(amount, weights)


@given(st.integers(), st.integers(1, 10**12))
def test_division_rounds_half_to_even_and_up(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert arithmetic.divide(numerator, denominator) == round(exact)
    assert arithmetic.divide_up(numerator, denominator) == -((-exact) // 1)


def reference(function: str, x_nano: int) -> int:
    """The function at twice the precision, rounded once."""
    with mpmath.workdps(120):
        exact = getattr(mpmath, function)(mpmath.mpf(x_nano) / NANO)
        return int(mpmath.nint(exact * NANO))


@given(st.integers(-(10**12), 40 * NANO))
def test_exp(x_nano: int) -> None:
    assert arithmetic.exp(x_nano) == reference("exp", x_nano)


@given(st.integers(1, 10**24))
def test_ln_and_sqrt(x_nano: int) -> None:
    assert arithmetic.ln(x_nano) == reference("log", x_nano)
    assert arithmetic.sqrt(x_nano) == reference("sqrt", x_nano)


@given(st.integers(0, 10**15))
def test_sqrt_of_a_square_is_exact(x_nano: int) -> None:
    square = x_nano * x_nano
    assert arithmetic.sqrt(square * NANO) == x_nano * NANO
    assert arithmetic.sqrt(0) == 0


@given(st.integers(-NANO, NANO))
def test_arccos(x_nano: int) -> None:
    assert arithmetic.arccos(x_nano) == reference("acos", x_nano)


def test_closed_forms() -> None:
    assert arithmetic.exp(0) == NANO
    assert arithmetic.exp(NANO) == 2_718_281_828
    assert arithmetic.ln(NANO) == 0
    assert arithmetic.ln(2 * NANO) == 693_147_181
    assert arithmetic.sqrt(2 * NANO) == 1_414_213_562
    assert arithmetic.arccos(NANO) == 0
    assert arithmetic.arccos(0) == 1_570_796_327
    assert arithmetic.arccos(-NANO) == arithmetic.arccos(-2 * NANO) == 3_141_592_654
    assert arithmetic.arccos(3 * NANO) == 0


@pytest.mark.parametrize(
    ("function", "x_nano"), [("exp", 40 * NANO + 1), ("ln", 0), ("ln", -1), ("sqrt", -1)]
)
def test_outside_the_domain(function: str, x_nano: int) -> None:
    with pytest.raises(ValueError):
        getattr(arithmetic, function)(x_nano)


@given(st.lists(NANOS, min_size=1, max_size=30))
def test_softmax_adds_up_to_one_and_keeps_the_order(values: list[int]) -> None:
    weights = arithmetic.softmax(values)
    assert sum(weights) == NANO
    with mpmath.workdps(60):
        exact = [mpmath.exp(mpmath.mpf(value) / NANO) for value in values]
        total = sum(exact)
        assert all(abs(w - e / total * NANO) < 1 for w, e in zip(weights, exact, strict=True))
    ranked = sorted(range(len(values)), key=lambda i: values[i])
    assert all(weights[a] <= weights[b] + 1 for a, b in itertools.pairwise(ranked) if values[a] < values[b])


def test_softmax_of_equals_and_of_nothing() -> None:
    assert arithmetic.softmax([]) == []
    assert arithmetic.softmax([7] * 4) == [NANO // 4] * 4
    assert arithmetic.softmax([5, 5, 5]) == [333_333_334, 333_333_333, 333_333_333]
    assert arithmetic.softmax([10**18, 0]) == [NANO, 0]


@given(st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=15))
def test_median_and_its_deviation(values: list[int]) -> None:
    exact = statistics_median([Fraction(value) for value in values])
    assert arithmetic.median(values) == round(exact)
    centre = arithmetic.median(values)
    spread = statistics_median([Fraction(abs(value - centre)) for value in values])
    assert arithmetic.median_deviation(values) == round(spread)


def test_median_of_nothing() -> None:
    for function in (arithmetic.median, arithmetic.median_deviation):
        with pytest.raises(ValueError, match="nothing"):
            function([])
