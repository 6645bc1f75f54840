from __future__ import annotations

import hashlib
import hmac
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.retrieval import HashedProfile, TermHasher
from fedpact.retrieval.hashing import MAX_TERMS, TOTAL_WEIGHT, quantise
from fedpact_chaincode.contracts.catalog.records import Terms

profiles = st.dictionaries(st.text(min_size=1, max_size=8), st.floats(1e-6, 1e6), min_size=1, max_size=60)


def test_a_term_is_a_keyed_hash(hasher):
    mac = hmac.new(bytes(range(32)), b"fedpact/term/1\0glucose", hashlib.sha256)
    assert hasher.term("glucose") == mac.hexdigest()
    assert hasher.term("  Ｇlucose ") == hasher.term("GLUCOSE") == hasher.term("glucose")
    assert TermHasher(b"x" * 32).term("glucose") != hasher.term("glucose")


@given(profiles)
def test_weights_add_up_exactly(profile):
    hasher = TermHasher(bytes(32))
    hashed = hasher.profile(profile)
    assert sum(weight for _, weight in hashed) == TOTAL_WEIGHT
    assert list(hashed.weights) == sorted(hashed.weights)
    assert len(hashed) <= len(profile)
    shuffled = dict(reversed(profile.items()))
    assert hasher.profile(shuffled) == hashed


@given(profiles)
def test_a_weight_is_off_by_less_than_one_part(profile):
    total = sum(profile.values())
    shares = {term: weight / total for term, weight in profile.items()}
    parts = quantise(shares)
    assert all(abs(parts.get(term, 0) - share * TOTAL_WEIGHT) < 1.001 for term, share in shares.items())


def test_light_terms_go_and_equal_ones_join(hasher):
    assert hasher.profile({"a": 1.0, "b": 1e-9}).weights == {hasher.term("a"): TOTAL_WEIGHT}
    assert hasher.profile({"a": 0.5, "A": 0.5}) == hasher.profile({"a": 1.0})
    thirds = hasher.profile({"a": 1.0, "b": 1.0, "c": 1.0})
    assert sorted(thirds.weights.values()) == [21845, 21845, 21845]


@pytest.mark.parametrize("profile", [{}, {"a": 0.0}, {"a": float("nan")}, {str(i): 1.0 for i in range(257)}])
def test_what_is_no_profile(hasher, profile):
    with pytest.raises(ValueError):
        hasher.profile(profile)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"00" * 32: TOTAL_WEIGHT - 1},
        {"00" * 32: TOTAL_WEIGHT, "11" * 32: 0},
        {"00" * 32: TOTAL_WEIGHT + 1, "11" * 32: -1},
        {"glucose": TOTAL_WEIGHT},
        {"AA" * 32: TOTAL_WEIGHT},
    ],
)
def test_a_hashed_profile_is_checked(weights):
    with pytest.raises(ValueError):
        HashedProfile(weights)


def test_a_hashed_profile_does_not_change():
    weights = {"00" * 32: TOTAL_WEIGHT}
    profile = HashedProfile(weights)
    weights["11" * 32] = 3
    assert len(profile) == 1
    with pytest.raises(TypeError):
        profile.weights["11" * 32] = 3


def test_the_catalogue_takes_every_profile(hasher):
    profile = hasher.profile({str(i): 1.0 + i for i in range(256)})
    terms = [{"hash": term, "weight": weight} for term, weight in profile]
    assert len(msgspec.convert(terms, Terms)) == len(profile) == MAX_TERMS


def test_keys_stay_inside(hasher):
    with pytest.raises(ValueError, match="32 bytes"):
        TermHasher(b"short")
    with pytest.raises(TypeError):
        pickle.dumps(hasher)
    assert repr(hasher) == "TermHasher(...)"
