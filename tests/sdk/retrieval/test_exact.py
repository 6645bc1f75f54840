"""Exact search against comparing with every profile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fedpact.retrieval import ExactIndex, HashedProfile, Match, weighted_jaccard
from fedpact.retrieval.hashing import quantise


def profile_of(raw: dict[int, int]) -> HashedProfile:
    total = sum(raw.values())
    return HashedProfile(quantise({f"{term:064x}": weight / total for term, weight in raw.items()}))


profiles = st.dictionaries(st.integers(0, 15), st.integers(1, 4), min_size=1, max_size=6).map(profile_of)
names = st.sampled_from([f"dataset-{i}" for i in range(30)])


def brute_force(known: dict[str, HashedProfile], query: HashedProfile, k: int) -> list[tuple[str, float]]:
    ranked = sorted((-weighted_jaccard(profile, query), name) for name, profile in known.items())
    return [(name, float(-closeness)) for closeness, name in ranked if closeness][:k]


def found(index: ExactIndex, query: HashedProfile, k: int) -> list[tuple[str, float]]:
    return [(match.dataset_id, match.similarity) for match in index.search(query, k)]


@given(st.dictionaries(names, profiles), profiles, st.integers(1, 40))
@settings(max_examples=200)
def test_search_is_brute_force(known, query, k):
    index = ExactIndex()
    for name, profile in known.items():
        index.add(name, profile)
    assert found(index, query, k) == brute_force(known, query, k)


class IndexMachine(RuleBasedStateMachine):
    """Datasets come, change and go; the index always answers like a fresh comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.index = ExactIndex()
        self.known: dict[str, HashedProfile] = {}

    @rule(name=names, profile=profiles)
    def add(self, name, profile):
        self.index.add(name, profile)
        self.known[name] = profile

    @rule(name=names, profile=profiles)
    def add_often(self, name, profile):
        for _ in range(40):
            self.index.add(name, profile)
        self.known[name] = profile

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data):
        name = data.draw(st.sampled_from(sorted(self.known)))
        self.index.remove(name)
        del self.known[name]
        self.index.remove(name)

    @rule(query=profiles, k=st.integers(1, 5))
    def search(self, query, k):
        assert found(self.index, query, k) == brute_force(self.known, query, k)

    @invariant()
    def same_datasets(self):
        assert len(self.index) == len(self.known)
        assert all(name in self.index for name in self.known)
        assert len(self.index._ids) <= max(64, 2 * len(self.known)) + 1


TestIndexMachine = IndexMachine.TestCase
TestIndexMachine.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_recall_is_one_on_thousands_of_profiles():
    generator = np.random.default_rng(7)
    popularity = 1 / np.arange(1, 2_001)
    popularity /= popularity.sum()

    def draw() -> HashedProfile:
        terms = generator.choice(2_000, size=48, replace=False, p=popularity)
        return profile_of({int(term): int(generator.integers(1, 100)) for term in terms})

    known = {f"d{i:04}": draw() for i in range(1_500)}
    index = ExactIndex()
    for name, profile in known.items():
        index.add(name, profile)
    for _ in range(3):
        query = draw()
        assert found(index, query, 10) == brute_force(known, query, 10)


def test_ties_go_by_id():
    index = ExactIndex()
    for name in ("c", "a", "d", "b"):
        index.add(name, profile_of({1: 1}))
    assert index.search(profile_of({1: 1}), 3) == [Match(name, 65_535) for name in "abc"]


def test_nothing_in_common_is_not_found():
    index = ExactIndex()
    assert index.search(profile_of({1: 1}), 5) == []
    index.add("a", profile_of({2: 1}))
    assert index.search(profile_of({1: 1}), 5) == []
    with pytest.raises(ValueError, match="at least 1"):
        index.search(profile_of({1: 1}), 0)
