"""Files of readings: CSV or JSON lines, of finished readings or of measurements with a key for pseudonyms."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import msgspec

from fedpact.cli.parameters import iso_ms
from fedpact.telemetry import Measurement, Reading, SubjectKey, TelemetryCode, TelemetryError

JSON_LINES = {".jsonl", ".ndjson"}
MAX_LINE_CHARACTERS = 4_096
Fields = Mapping[str, object]


class MeasurementLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a file of measurements; exactly one of `time` and `time_ms`."""

    device: str
    sequence: int
    time_ms: int | None = None
    time: str | None = None
    subject: str
    field: str
    unit: str
    value: Decimal


def read_readings(file: Path, key: SubjectKey | None) -> list[Reading]:
    """Read a file of readings.

    Parameters
    ----------
    file : JSON lines if its name ends in .jsonl or .ndjson, else CSV with a header line.
    key : turns measurements into readings; None: the file holds readings.

    Raises
    ------
    TelemetryError
        MALFORMED, with the number of the line.
    """
    readings = []
    with file.open(encoding="utf-8-sig", newline="") as lines:
        try:
            source = _json_lines(lines) if file.suffix in JSON_LINES else _csv_lines(lines)
            for number, fields in source:
                readings.append(_reading(number, fields, key))
        except (UnicodeDecodeError, csv.Error) as error:
            raise TelemetryError(TelemetryCode.MALFORMED, f"{file.name}: {error}") from error
    return readings


def _json_lines(lines: Iterator[str]) -> Iterator[tuple[int, Fields]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE_CHARACTERS:
            _refuse(number, f"more than {MAX_LINE_CHARACTERS} characters")
        try:
            yield number, msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError as error:
            _refuse(number, str(error))


def _csv_lines(lines: Iterator[str]) -> Iterator[tuple[int, Fields]]:
    rows = csv.DictReader(lines, strict=True)
    for row in rows:
        if None in row or None in row.values():
            _refuse(rows.line_num, "not as many values as columns")
        yield rows.line_num, {name: text for name, text in row.items() if text}


def _reading(number: int, fields: Fields, key: SubjectKey | None) -> Reading:
    try:
        if key is None:
            return msgspec.convert(fields, Reading, strict=False)
        line = msgspec.convert(fields, MeasurementLine, strict=False)
    except msgspec.ValidationError as error:
        _refuse(number, str(error))
    if (line.time is None) == (line.time_ms is None):
        _refuse(number, "needs either time or time_ms")
    time_ms = line.time_ms if line.time is None else iso_ms(line.time)
    if time_ms is None:
        _refuse(number, "the time is no date and time, ISO 8601")
    measured = Measurement(
        device=line.device,
        sequence=line.sequence,
        time_ms=time_ms,
        subject=line.subject,
        field=line.field,
        unit=line.unit,
        value=line.value,
    )
    try:
        return key.reading(measured)
    except TelemetryError as error:
        _refuse(number, error.detail)


def _refuse(number: int, reason: str) -> NoReturn:
    raise TelemetryError(TelemetryCode.MALFORMED, f"line {number}: {reason}")
