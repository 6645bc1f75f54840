"""Values that options take, as functions for click: moments, durations, fractions, pairs, bounded numbers."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import click

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SPAN = re.compile(r"([0-9]{1,12})(ms|s|m|h|d|w)")
_MILLI_MAX = 10**15
_FRACTION = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")

MICROS = click.IntRange(min=0, max=10**15)
"""An amount of credit, micro-credits."""


def duration(text: str) -> int:
    """Return the milliseconds of a length of time: 500ms, 90s, 45m, 12h, 30d, 8w.

    Raises
    ------
    click.BadParameter
        It is none.
    """
    found = _SPAN.fullmatch(text)
    if not found:
        raise click.BadParameter(f"{text!r:.40} is no duration such as 90s, 45m, 12h, 30d or 8w")
    return int(found[1]) * _UNITS_MS[found[2]]


def moment(text: str) -> int:
    """Return the milliseconds since 1970 of a moment.

    Parameters
    ----------
    text : ISO 8601, UTC if it names no zone: 2027-01-31, 2027-01-31T12:00+01:00; or from now on: +30d.

    Raises
    ------
    click.BadParameter
        It is none.
    """
    if text.startswith("+"):
        return time.time_ns() // 1_000_000 + duration(text[1:])
    found = iso_ms(text)
    if found is None:
        raise click.BadParameter(f"{text!r:.40} is no moment such as 2027-01-31, 2027-01-31T12:00Z or +30d")
    return found


def iso_ms(text: str) -> int | None:
    """Return the milliseconds since 1970 of a date or a date and time, ISO 8601; None if it is none."""
    try:
        return milliseconds(datetime.fromisoformat(text))
    except ValueError:
        return None


def milliseconds(found: datetime) -> int:
    """Return the milliseconds since 1970, never before; UTC if it names no zone."""
    return max(0, round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000))


def fraction(text: str) -> tuple[int, int]:
    """Return numerator and denominator of a fraction such as 2/3, at least 1/2 and less than 1.

    Raises
    ------
    click.BadParameter
        It is none.
    """
    found = _FRACTION.fullmatch(text)
    numerator, denominator = (int(found[1]), int(found[2])) if found else (0, 0)
    if not denominator <= 2 * numerator < 2 * denominator:
        raise click.BadParameter(f"{text!r:.40} is no fraction such as 2/3, at least 1/2 and less than 1")
    return numerator, denominator


def pair(text: str) -> tuple[str, str]:
    """Return name and value of NAME=VALUE.

    Raises
    ------
    click.BadParameter
        It is of another form.
    """
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise click.BadParameter(f"{text!r:.80} is not of the form NAME=VALUE")
    return name, value


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a function that reads a number between two bounds, both included."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not low <= found <= high:
            raise click.BadParameter(f"{text!r:.40} is no number from {low:g} to {high:g}")
        return found

    read.__name__ = "number"
    return read


def span(text: str) -> tuple[str, tuple[int, int]]:
    """Return name and range in thousandths of NAME=LOW:HIGH.

    Raises
    ------
    click.BadParameter
        It is of another form, or the range is empty.
    """
    name, bounds = pair(text)
    low, separator, high = bounds.partition(":")
    try:
        found = Decimal(low) * 1000, Decimal(high) * 1000
        if separator and -_MILLI_MAX <= found[0] <= found[1] <= _MILLI_MAX:
            return name, (math.floor(found[0]), math.ceil(found[1]))
    except InvalidOperation:
        pass  # no numbers, or not comparable ones
    raise click.BadParameter(f"{text!r:.80} is not of the form NAME=LOW:HIGH with numbers")


def edges(text: str) -> tuple[float, ...]:
    """Return the growing borders of bins: 50,100,150.

    Raises
    ------
    click.BadParameter
        They are no numbers, or do not grow.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (math.nan,)
    if not all(math.isfinite(edge) for edge in found) or list(found) != sorted(set(found)):
        raise click.BadParameter(f"{text!r:.80} is no list of growing numbers such as 50,100,150")
    return found
