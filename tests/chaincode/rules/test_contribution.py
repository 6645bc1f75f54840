"""Rewards, worth and honesty: closed forms and what is conserved."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.arithmetic import NANO, share
from fedpact_chaincode.contracts.tasks.records import LearningKind, Variant
from fedpact_chaincode.rules.contribution import honesty, rewards, shares, worth


@st.composite
def rounds(draw: st.DrawFn) -> tuple[int, list[int], list[str], int, int]:
    """Return amount, weights that add up to 1e9, lots, the leader, and the team's size."""
    count = draw(st.integers(1, 8))
    raw = draw(st.lists(st.integers(0, 100), min_size=count, max_size=count))
    lots = draw(st.lists(st.uuids().map(str), min_size=count, max_size=count, unique=True))
    leader = draw(st.integers(0, count - 1))
    return draw(st.integers(0, 10**12)), share(NANO, raw), lots, leader, draw(st.integers(count, count + 4))


@given(rounds())
def test_rewards_add_up_and_are_the_corrected_shares(
    drawn: tuple[int, list[int], list[str], int, int],
) -> None:
    amount, weights, lots, leader, size = drawn
    paid = rewards(amount, weights, lots, leader=leader, team_size=size, variant=Variant.DEFAULT)
    assert sum(paid) == amount
    for position, weight in enumerate(weights):
        exact = Fraction(size - 1, size) * Fraction(weight, NANO) * amount
        exact += Fraction(amount, size) if position == leader else 0
        assert abs(paid[position] - exact) < 1


@given(rounds())
def test_printed_rewards_stay_within_what_was_funded(
    drawn: tuple[int, list[int], list[str], int, int],
) -> None:
    amount, weights, lots, leader, size = drawn
    paid = rewards(amount, weights, lots, leader=leader, team_size=size, variant=Variant.PAPER)
    printed = amount * (1 + Fraction(weights[leader], NANO) / size)
    assert printed - len(weights) < sum(paid) <= printed
    assert sum(paid) <= amount + -(-amount // size)
    assert paid[leader] == int(Fraction(amount, size) + Fraction(weights[leader], NANO) * amount)


@given(rounds())
def test_without_a_leader_all_goes_by_weight(drawn: tuple[int, list[int], list[str], int, int]) -> None:
    amount, weights, lots, _, size = drawn
    paid = rewards(amount, weights, lots, leader=None, team_size=size, variant=Variant.DEFAULT)
    assert paid == shares(amount, weights, lots)
    assert sum(paid) == amount


def test_nobody_is_paid_where_nobody_earned() -> None:
    for variant in Variant:
        assert rewards(100, [0, 0], ["a", "b"], leader=0, team_size=2, variant=variant) == [0, 0]


def test_odd_units_go_by_lot_in_any_order() -> None:
    assert shares(5, [1, 1, 1], ["c", "a", "b"]) == [1, 2, 2]
    assert shares(5, [1, 1, 1], ["a", "b", "c"]) == [2, 2, 1]


def test_worth_is_accuracy_or_relative_error() -> None:
    assert worth(700_000_000, 900_000_000, LearningKind.CLASSIFICATION) == 700_000_000
    assert worth(50 * NANO, 40 * NANO, LearningKind.REGRESSION) == 800_000_000
    assert worth(1, 40 * NANO, LearningKind.REGRESSION) == 2 * NANO
    assert worth(0, 0, LearningKind.REGRESSION) == 2 * NANO


def test_honesty_falls_beyond_what_is_tolerated() -> None:
    cohort = [10, 10, 10, 100]
    assert honesty(15, cohort, 5) == NANO
    assert honesty(30, cohort, 5) == NANO // 2
    assert honesty(10**12, [0, 0, 10**12], 0) == 1
