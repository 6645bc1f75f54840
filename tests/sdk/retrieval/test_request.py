from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.retrieval import DataRequest, TermHasher, fingerprint

HASHER = TermHasher(bytes(range(32)))
REQUEST = DataRequest(
    category="endocrinology",
    kind="regression",
    target="progression",
    terms=HASHER.profile({"column:bmi": 2.0, "target:progression": 1.0}),
    fields=frozenset({"bmi", "glucose"}),
    parameters={"rounds": "5", "epsilon_nano": "1000000000"},
)


def test_the_fingerprint_never_changes():
    assert fingerprint(REQUEST) == "ce51b0b9d309e8b28a455fd940a0ef315d21360b8f6299d9b5a17b6b259aa820"


def test_order_case_and_form_do_not_matter():
    same = DataRequest(
        category=" Endocrinology",
        kind="REGRESSION",
        target="Ｐrogression",
        terms=HASHER.profile({"target:progression": 1.0, "column:bmi": 2.0}),
        fields=frozenset({"Glucose", "bmi", "BMI"}),
        parameters={"epsilon_nano": "1000000000", "Rounds": "5"},
    )
    assert fingerprint(same) == fingerprint(REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"category": "cardiology"},
        {"kind": "classification"},
        {"target": "survival"},
        {"terms": HASHER.profile({"column:bmi": 1.0})},
        {"fields": frozenset({"bmi"})},
        {"parameters": {"rounds": "6", "epsilon_nano": "1000000000"}},
        {"parameters": {}},
    ],
)
def test_every_part_counts(change):
    assert fingerprint(replace(REQUEST, **change)) != fingerprint(REQUEST)


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_two_texts_run_together(category, target):
    moved = replace(REQUEST, category=category + "|" + target, target="")
    assert fingerprint(moved) != fingerprint(replace(REQUEST, category=category, target="|" + target))


@pytest.mark.parametrize(
    "change",
    [
        {"category": "x" * 1_025},
        {"fields": frozenset(str(i) for i in range(1_025))},
        {"parameters": {str(i): "" for i in range(1_025)}},
        {"parameters": {"Rounds": "5", "rounds": "6"}},
    ],
)
def test_requests_are_bounded(change):
    with pytest.raises(ValueError):
        fingerprint(replace(REQUEST, **change))
