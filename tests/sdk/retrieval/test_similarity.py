from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.retrieval import DistanceRule, HashedProfile, logic_distance, overlap, weighted_jaccard
from fedpact.retrieval.hashing import quantise


def named(number: int) -> str:
    return f"{number:064x}"


@st.composite
def hashed_profiles(draw, vocabulary: int = 12):
    raw = draw(st.dictionaries(st.integers(0, vocabulary - 1), st.integers(1, 9), min_size=1, max_size=8))
    total = sum(raw.values())
    return HashedProfile(quantise({named(term): weight / total for term, weight in raw.items()}))


def printed(left: HashedProfile, right: HashedProfile) -> Fraction:
    """Eq. 1's ratio, term by term as the paper writes it."""
    a, b = left.weights, right.weights
    both, either = a.keys() & b.keys(), a.keys() | b.keys()
    top = sum(a.get(term, 0) + b.get(term, 0) for term in either - both)
    return Fraction(top, sum(a.get(term, 0) + b.get(term, 0) for term in either))


@given(hashed_profiles(), hashed_profiles())
def test_weighted_jaccard_is_its_definition(left, right):
    a, b = left.weights, right.weights
    terms = a.keys() | b.keys()
    smaller = sum(min(a.get(term, 0), b.get(term, 0)) for term in terms)
    larger = sum(max(a.get(term, 0), b.get(term, 0)) for term in terms)
    assert weighted_jaccard(left, right) == Fraction(smaller, larger) == weighted_jaccard(right, left)
    assert overlap(left, right) == smaller
    assert (weighted_jaccard(left, right) == 1) == (left == right)


@given(hashed_profiles(), hashed_profiles(), hashed_profiles())
def test_jaccard_distance_obeys_the_triangle(one, two, three):
    def distance(a, b):
        return 1 - weighted_jaccard(a, b)

    assert distance(one, three) <= distance(one, two) + distance(two, three)


@given(hashed_profiles(), hashed_profiles(), st.floats(0, 1e6), st.floats(0.1, 1e3))
def test_logic_distance(left, right, physical, unit):
    expected = float(1 - weighted_jaccard(left, right)) * (1 + math.log(1 + physical / unit))
    found = logic_distance(left, right, physical, unit=unit)
    assert math.isclose(found, expected, rel_tol=1e-9)
    assert logic_distance(left, right, 0) == float(1 - weighted_jaccard(left, right))
    assert found <= logic_distance(left, right, physical + 1, unit=unit)


@given(hashed_profiles(), hashed_profiles(), st.floats(1.001, 1e6))
def test_the_papers_distance(left, right, physical):
    found = logic_distance(left, right, physical, rule=DistanceRule.PAPER)
    assert math.isclose(found, float(printed(left, right)) * math.log(physical), abs_tol=1e-15)


def test_the_papers_distance_refuses_near_nodes():
    profile = HashedProfile({named(1): 65_535})
    for physical in (0, 0.5, 1):
        with pytest.raises(ValueError, match="over 1"):
            logic_distance(profile, profile, physical, rule=DistanceRule.PAPER)


@pytest.mark.parametrize(("physical", "unit"), [(-1, 1), (math.nan, 1), (math.inf, 1), (1, 0), (1, -1)])
def test_what_is_no_distance(physical, unit):
    profile = HashedProfile({named(1): 65_535})
    with pytest.raises(ValueError, match="physical"):
        logic_distance(profile, profile, physical, unit=unit)
