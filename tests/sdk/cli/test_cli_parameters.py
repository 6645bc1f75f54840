"""Values of options."""

from __future__ import annotations

import time

import click
import pytest

from fedpact.cli.paging import every
from fedpact.cli.parameters import duration, edges, fraction, moment, number, pair, span


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("90s", 90_000), ("45m", 2_700_000), ("12h", 43_200_000), ("8w", 4_838_400_000)],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-02", 86_400_000),
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01T01:00:00.25+01:00", 250),
        ("1960-01-01", 0),
    ],
)
def test_moments(text: str, milliseconds: int) -> None:
    assert moment(text) == milliseconds


def test_a_moment_from_now_on() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= moment("+2d") - 172_800_000 <= time.time_ns() // 1_000_000


def test_other_values() -> None:
    assert fraction("2/3") == (2, 3)
    assert fraction("1/2") == (1, 2)
    assert pair("a=b=c") == ("a", "b=c")
    assert pair("a=") == ("a", "")
    assert number(0, 1)("0.25") == 0.25
    assert span("x=-0.0005:1.1") == ("x", (-1, 1_100))
    assert edges("-1,2.5,3") == (-1.0, 2.5, 3.0)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *[(duration, text) for text in ("", "1", "1y", "-1s", "1.5h", "9" * 13 + "s")],
        *[(moment, text) for text in ("", "now", "+", "+1", "2027-13-01", "9" * 40)],
        *[(fraction, text) for text in ("", "1", "2/0", "0/0", "1/3", "3/3", "-2/3")],
        *[(pair, text) for text in ("", "=", "=x", "x")],
        *[(number(0, 1), text) for text in ("", "x", "nan", "inf", "1.01", "-0.01")],
        *[(span, text) for text in ("x", "x=1", "x=:", "x=1:x", "x=sNaN:1", "x=2:1", "x=0:1e13")],
        *[(edges, text) for text in ("", "x", "1,1", "2,1", "inf", "nan,1")],
    ],
)
def test_what_is_none(read, text: str) -> None:
    with pytest.raises(click.BadParameter):
        read(text)


@pytest.mark.parametrize("length", [0, 1, 3, 4])
def test_all_pages_are_read(length: int) -> None:
    entries = list(range(length))
    calls = []

    def page(after: int | None) -> list[int]:
        calls.append(after)
        start = 0 if after is None else after + 1
        return entries[start : start + 2]

    assert list(every(page, lambda entry: entry)) == entries
    assert len(calls) == -(-length // 2) + 1
