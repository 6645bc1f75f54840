"""Schemas of readings: which fields a dataset's devices measure, in which unit and range.

Blood pressure, cholesterol, glucose, AST and ALT ship ready (Korenev et al.). The ranges are bounds of
what can be measured in a living patient, wide enough for any disease: they catch a broken device or a
wrong unit, not an unusual patient.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

import msgspec

from fedpact.telemetry.errors import TelemetryCode, TelemetryError
from fedpact.telemetry.readings import Name, Reading


class FieldRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field: its name, its unit and the values that are accepted, in thousandths of the unit."""

    name: Name
    unit: Name
    low_milli: int
    high_milli: int


class ReadingSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields that a dataset's readings may have.

    Attributes
    ----------
    name, version : together the schema's id, "<name>/<version>".
    fields : 1 to 64 rules, sorted by name; `schema_of` makes one from the fields that ship.
    """

    name: Name
    version: Annotated[int, msgspec.Meta(ge=1)]
    fields: Annotated[tuple[FieldRule, ...], msgspec.Meta(min_length=1, max_length=64)]

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.fields]
        if names != sorted(set(names)):
            raise ValueError("the fields of a schema are sorted by name and unique")
        if any(rule.low_milli > rule.high_milli for rule in self.fields):
            raise ValueError("a field's range is empty")

    @property
    def id(self) -> str:
        """The schema's id, "<name>/<version>"."""
        return f"{self.name}/{self.version}"

    @property
    def digest(self) -> str:
        """SHA-256 of the schema's canonical JSON, hexadecimal: what is anchored beside the id."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def check(self, reading: Reading) -> None:
        """Refuse a reading that does not fit.

        Raises
        ------
        TelemetryError
            UNKNOWN_FIELD, WRONG_UNIT or OUT_OF_RANGE.
        """
        rule = next((rule for rule in self.fields if rule.name == reading.field), None)
        if rule is None:
            raise TelemetryError(TelemetryCode.UNKNOWN_FIELD, f"{reading.field} is not in {self.id}")
        if reading.unit != rule.unit:
            raise TelemetryError(TelemetryCode.WRONG_UNIT, f"{rule.name} in {reading.unit}, not {rule.unit}")
        if not rule.low_milli <= reading.value_milli <= rule.high_milli:
            # the value itself stays out of the message: messages reach logs, and logs leave the house
            raise TelemetryError(
                TelemetryCode.OUT_OF_RANGE,
                f"{rule.name} is outside {rule.low_milli / 1000:g} to {rule.high_milli / 1000:g} {rule.unit}",
            )


FIELDS: Mapping[str, FieldRule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            FieldRule("alt", "U/L", 0, 20_000_000),
            FieldRule("ast", "U/L", 0, 20_000_000),
            FieldRule("blood_pressure_diastolic", "mmHg", 1_000, 200_000),
            FieldRule("blood_pressure_mean", "mmHg", 20_000, 250_000),
            FieldRule("blood_pressure_systolic", "mmHg", 30_000, 350_000),
            FieldRule("cholesterol", "mg/dL", 10_000, 2_000_000),
            FieldRule("glucose", "mg/dL", 5_000, 2_500_000),
        )
    }
)
"""The fields that ship, by name."""


def schema_of(fields: Sequence[str], *, name: str = "vitals", version: int = 1) -> ReadingSchema:
    """Make a schema from fields that ship.

    Parameters
    ----------
    fields : names out of `FIELDS`; order and repetition do not matter.
    name, version : the schema's id.

    Raises
    ------
    TelemetryError
        UNKNOWN_FIELD if a field does not ship, EMPTY without any.
    """
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise TelemetryError(TelemetryCode.UNKNOWN_FIELD, f"no field {unknown[0]} ships: {', '.join(FIELDS)}")
    if not fields:
        raise TelemetryError(TelemetryCode.EMPTY, "a schema needs a field")
    return ReadingSchema(name, version, tuple(FIELDS[field] for field in sorted(set(fields))))


VITALS = schema_of(tuple(FIELDS))
"""All the fields that ship."""
