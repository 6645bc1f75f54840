from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.retrieval import context_graph, document_frequency, serialise, text_profile
from fedpact.retrieval.terms import scaled, words

texts = st.lists(st.text("abcde ", max_size=60), max_size=8)


def test_words():
    assert words("The LIVER's ＡＳＴ (42 U/L) was\nhigh; naïve straße_x") == [
        "liver",
        "ast",
        "high",
        "naïve",
        "strasse",
    ]


def test_profile_is_scikit_learns_mean_tfidf():
    vectorizer = pytest.importorskip("sklearn.feature_extraction.text").TfidfVectorizer(analyzer=words)
    documents = ["liver enzyme liver", "blood pressure and enzyme", "blood glucose", "", "glucose glucose"]
    means = np.asarray(vectorizer.fit_transform(documents).sum(axis=0)).ravel()
    expected = dict(zip(vectorizer.get_feature_names_out(), means / means.sum(), strict=True))
    profile = text_profile(documents)
    assert profile.keys() == expected.keys()
    assert all(math.isclose(profile[term], expected[term], rel_tol=1e-12) for term in profile)


@given(texts, st.integers(1, 12))
def test_profiles_are_short_sorted_and_sum_to_one(documents, k):
    profile = text_profile(documents, k=k)
    assert len(profile) <= k
    if profile:
        assert math.isclose(math.fsum(profile.values()), 1)
        assert list(profile.values()) == sorted(profile.values(), reverse=True)
        whole = text_profile(documents, k=1_000)
        assert list(whole)[: len(profile)] == list(profile)


def test_a_background_lowers_what_all_share():
    mine = ["hospital steatosis", "hospital fibrosis"]
    others = ["hospital ward", "hospital bed", "hospital food", "hospital roof"]
    alone, seen = text_profile(mine), text_profile(mine, background=document_frequency(mine + others))
    assert seen["hospital"] < alone["hospital"]


def test_no_words_no_profile():
    assert text_profile([]) == {}
    assert text_profile(["", "12 %"]) == {}
    with pytest.raises(ValueError, match="at least one"):
        text_profile(["liver"], k=0)


def test_scaling():
    assert scaled({"a": 3.0, "b": 1.0, "c": 0.0, "d": -1.0}) == {"a": 0.75, "b": 0.25}
    with pytest.raises(ValueError, match="finite"):
        scaled({"a": math.inf})


def test_context_graph_counts_neighbours():
    profile = {"liver": 0.5, "enzyme": 0.3, "blood": 0.2}
    graph = context_graph(["liver enzyme blood", "enzyme liver", "liver liver"], profile, window=2)
    assert graph.edges == {("blood", "enzyme"): 1 / 3, ("enzyme", "liver"): 2 / 3}
    order = ["liver", "enzyme", "blood", "heart"]
    assert serialise(graph, order) == [0.5, 0.3, 0.2, 0, 2 / 3, 0, 0, 1 / 3, 0, 0]
    assert context_graph([], profile).edges == {}
    with pytest.raises(ValueError, match="two words"):
        context_graph([], profile, window=1)


@given(texts)
def test_edges_join_vertices_only(documents):
    graph = context_graph(documents, text_profile(documents, k=3))
    assert all(a < b and {a, b} <= graph.vertices.keys() for a, b in graph.edges)
    assert not graph.edges or math.isclose(math.fsum(graph.edges.values()), 1)
