"""Codes, and rejections on their way to the other side."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.errors import (
    CODES,
    RECORD_NOT_FOUND,
    STATUS,
    TIME_RUNS_BACKWARDS,
    Code,
    Kind,
    Rejected,
    code,
)

FIELDS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(lambda s: s != "code"),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.lists(st.integers()),
    ),
    max_size=4,
)


@given(st.sampled_from(sorted(CODES.values(), key=lambda c: c.number)), FIELDS)
def test_a_rejection_crosses_the_wire(declared: Code, fields: dict) -> None:
    sent = Rejected(declared, **fields)
    received = Rejected.from_json(sent.to_json())
    assert received is not None
    assert received.code is declared
    assert received.fields == fields
    assert str(received) == str(sent)
    assert received.transaction_id is None


def test_a_code_that_this_side_does_not_know_survives() -> None:
    newer = Code(99_999, "FROM_THE_FUTURE", Kind.CONFLICT, "something we have never heard of")
    received = Rejected.from_json(Rejected(newer, amount=3).to_json())
    assert received is not None
    assert received.code.name == "FROM_THE_FUTURE"
    assert received.code.kind is Kind.CONFLICT
    assert received.status == 409
    assert "(amount=3)" in str(received)


def test_a_known_number_under_another_name_is_not_taken_for_ours() -> None:
    other = Code(RECORD_NOT_FOUND.number, "SOMETHING_ELSE", Kind.FORBIDDEN, "another contract's code")
    received = Rejected.from_json(Rejected(other).to_json())
    assert received is not None
    assert received.code == Code(RECORD_NOT_FOUND.number, "SOMETHING_ELSE", Kind.FORBIDDEN, other.text)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "{}", "[]", '{"code": 7}', b"\xff", '{"code":"A","number":1}']
)
def test_another_message_is_none_of_ours(text: str | bytes) -> None:
    assert Rejected.from_json(text) is None


@pytest.mark.parametrize(("number", "name"), [(RECORD_NOT_FOUND.number, "NEW"), (98_765, "RECORD_NOT_FOUND")])
def test_numbers_and_names_are_declared_once(number: int, name: str) -> None:
    with pytest.raises(ValueError, match="declared twice"):
        code(number, name, Kind.NOT_FOUND, "again")
    assert CODES[RECORD_NOT_FOUND.number] is RECORD_NOT_FOUND
    assert 98_765 not in CODES


def test_every_kind_is_refused_by_endorsers() -> None:
    assert set(STATUS) == set(Kind)
    assert min(STATUS.values()) >= 400
    assert Rejected(TIME_RUNS_BACKWARDS).status == 412


def test_codes_are_well_formed() -> None:
    for number, declared in CODES.items():
        assert declared.number == number
        assert declared.name == declared.name.upper()
        assert declared.text
        assert not declared.text.endswith(".")
