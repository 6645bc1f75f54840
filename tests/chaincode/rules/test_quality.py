"""Proof of quality against a second implementation of Lu eq. 7, and committees."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contracts.tasks.records import Committee, LearningKind
from fedpact_chaincode.rules.quality import Ballot, Claim, Standing, approves, decide, rank, unified_errors

standings = st.lists(
    st.builds(Standing, st.integers(0, 10**12), st.integers(0, 1000), st.uuids().map(str)),
    min_size=1,
    max_size=8,
    unique_by=lambda standing: standing.lot,
)


@given(standings)
def test_regression_is_ranked_by_equation_7(some: list[Standing]) -> None:
    size = sum(standing.rows for standing in some)
    mean = Fraction(sum(standing.quality for standing in some), len(some))
    errors = [
        (1 + (Fraction(standing.rows, size) if size else 0)) * standing.quality + mean for standing in some
    ]
    unit = len(some) * max(size, 1)
    assert [Fraction(error, unit) for error in unified_errors(some)] == errors
    expected = sorted(range(len(some)), key=lambda p: (errors[p], some[p].lot))
    assert rank(some, LearningKind.REGRESSION) == expected


@given(standings)
def test_classification_is_ranked_by_accuracy(some: list[Standing]) -> None:
    expected = sorted(range(len(some)), key=lambda p: (-some[p].quality, some[p].lot))
    assert rank(some, LearningKind.CLASSIFICATION) == expected


def test_a_larger_dataset_weighs_an_equal_error_more() -> None:
    """As printed: gamma grows with the data, and the lowest unified error leads."""
    assert rank([Standing(5, 300, "a"), Standing(5, 100, "b")], LearningKind.REGRESSION) == [1, 0]


def claim(
    quality: int = 900_000_000,
    *,
    level: int | None = None,
    rule: Committee = Committee.QUORUM,
    kind: LearningKind = LearningKind.CLASSIFICATION,
) -> Claim:
    return Claim(quality, level, 100_000_000, rule, kind)


@pytest.mark.parametrize(
    ("measured", "kind", "yes"),
    [
        (810_000_000, "classification", True),
        (809_999_999, "classification", False),
        (NANO, "classification", True),
        (990_000_000, "regression", True),
        (990_000_001, "regression", False),
        (0, "regression", True),
    ],
)
def test_a_measurement_may_be_worse_by_the_tolerance(measured: int, kind: str, yes: bool) -> None:
    assert approves(Ballot("o", measured, None), claim(kind=LearningKind(kind))) is yes


def test_hard_data_are_expected_to_measure_less() -> None:
    hard = Ballot("o", 650_000_000, 700_000_000)
    assert approves(hard, claim(level=900_000_000))
    assert not approves(hard, claim())


def ballots(*measured: int | None) -> list[Ballot]:
    return [Ballot(f"o{i}", quality, None) for i, quality in enumerate(measured)]


GOOD, BAD = 900_000_000, 100_000_000


@pytest.mark.parametrize(
    ("measured", "decision"),
    [
        ((GOOD, GOOD, GOOD), True),
        ((GOOD, GOOD, BAD), False),  # two thirds are not more than two thirds
        ((GOOD, GOOD, None), None),
        ((GOOD, GOOD, GOOD, BAD), True),
        ((GOOD, GOOD, GOOD, None), True),
        ((GOOD, BAD, BAD, None), False),
        ((None, None, None), None),
    ],
)
def test_a_quorum_is_more_than_two_thirds_of_the_organisations(
    measured: tuple[int | None, ...], decision: bool | None
) -> None:
    assert decide(ballots(*measured), claim(), final=False) is decision
    assert decide(ballots(*measured), claim(), final=True) is bool(decision)


def test_all_means_every_node() -> None:
    everybody = claim(rule=Committee.ALL)
    assert decide(ballots(GOOD, GOOD, GOOD), everybody, final=False) is True
    assert decide(ballots(GOOD, GOOD, None), everybody, final=False) is None
    assert decide(ballots(GOOD, BAD, None), everybody, final=False) is False
    assert decide([], everybody, final=True) is False


def test_many_nodes_of_an_organisation_have_one_vote() -> None:
    crowd = [Ballot("crowd", BAD, None)] * 5
    assert decide([*ballots(GOOD, GOOD, GOOD), *crowd], claim(), final=True) is True
    assert decide([Ballot("o0", GOOD, None), Ballot("o0", BAD, None)], claim(), final=True) is False
