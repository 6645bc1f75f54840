from __future__ import annotations

import copy
import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.telemetry import (
    FIELDS,
    VITALS,
    FieldRule,
    Measurement,
    ReadingSchema,
    SubjectKey,
    TelemetryCode,
    TelemetryError,
    decode_reading,
    encode_reading,
    schema_of,
)
from fedpact.telemetry.readings import to_milli

KEY = SubjectKey(bytes(range(32)))


def measured(value: float = 120.5, **changes: object) -> Measurement:
    facts = {
        "device": "WardMSP/cuff-1",
        "sequence": 7,
        "time_ms": 1_700_000_000_000,
        "subject": "patient 12",
        "field": "blood_pressure_systolic",
        "unit": "mmHg",
        "value": value,
    }
    return Measurement(**{**facts, **changes})


def test_canonical_bytes_are_fixed():
    line = encode_reading(KEY.reading(measured()))
    assert line == (
        b'{"device":"WardMSP/cuff-1","field":"blood_pressure_systolic",'
        b'"salt":"' + KEY.reading(measured()).salt.encode() + b'","sequence":7,'
        b'"subject":"' + KEY.pseudonym("patient 12").encode() + b'",'
        b'"time_ms":1700000000000,"unit":"mmHg","value_milli":120500}'
    )


@given(st.floats(-1e9, 1e9), st.integers(0, 2**53 - 1), st.text(min_size=1, max_size=20))
def test_readings_round_trip(value, sequence, subject):
    reading = KEY.reading(measured(value, sequence=sequence, subject=subject))
    assert decode_reading(encode_reading(reading)) == reading


@pytest.mark.parametrize(
    "bend",
    [
        lambda line: line.replace(b'"sequence":7', b'"sequence": 7'),
        lambda line: line.replace(b'"sequence":7', b'"sequence":7.0'),
        lambda line: line.replace(b'"sequence":7', b'"sequence":-7'),
        lambda line: line.replace(b'"sequence":7', b'"sequence":7,"sequence":7'),
        lambda line: line[:-1] + b',"extra":1}',
        lambda line: line.replace(b"WardMSP/cuff-1", b""),
        lambda line: line.replace(b"WardMSP", b"\\u0057ardMSP"),
        lambda line: line.replace(KEY.pseudonym("patient 12").encode(), b"a" * 64 + b"\\n"),
        lambda line: line[:-1],
        lambda line: b"\xff" + line,
        lambda line: b"[]",
    ],
)
def test_other_bytes_are_refused(bend):
    with pytest.raises(TelemetryError) as refused:
        decode_reading(bend(encode_reading(KEY.reading(measured()))))
    assert refused.value.code is TelemetryCode.MALFORMED


def test_a_huge_reading_is_refused_unread():
    with pytest.raises(TelemetryError) as refused:
        decode_reading(b"{" + b" " * 5_000)
    assert refused.value.code is TelemetryCode.TOO_LARGE


@pytest.mark.parametrize(
    ("value", "milli"),
    [(111.33, 111_330), (0.0005, 0), (0.0015, 2), (-0.0015, -2), (Decimal("5.4005"), 5_400), (80, 80_000)],
)
def test_thousandths(value, milli):
    assert to_milli(value) == milli


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30, 9.1e12, Decimal("NaN")])
def test_what_is_no_value(value):
    with pytest.raises(TelemetryError) as refused:
        to_milli(value)
    assert refused.value.code is TelemetryCode.MALFORMED


def test_pseudonyms_depend_on_key_and_subject_only():
    other = SubjectKey(bytes(32))
    assert KEY.pseudonym("a") == SubjectKey(bytes(range(32))).pseudonym("a")
    assert len({KEY.pseudonym("a"), KEY.pseudonym("b"), other.pseudonym("a")}) == 3
    assert KEY.reading(measured(sequence=1)).salt != KEY.reading(measured(sequence=2)).salt


def test_the_organisation_resolves_and_rekeys():
    subjects = [f"patient {i}" for i in range(20)]
    other = SubjectKey(bytes(32))
    assert KEY.resolve(KEY.pseudonym("patient 3"), subjects) == "patient 3"
    assert KEY.resolve(other.pseudonym("patient 3"), subjects) is None
    changed = KEY.rekey(other, subjects)
    assert len(changed) == 20
    assert changed[KEY.pseudonym("patient 3")] == other.pseudonym("patient 3")


def test_keys_stay_inside():
    with pytest.raises(ValueError, match="32 bytes"):
        SubjectKey(b"short")
    assert bytes(range(32)).hex() not in repr(KEY)
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
    with pytest.raises(TypeError):
        copy.copy(KEY)


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_each_field_that_ships_has_bounds(field):
    rule = FIELDS[field]
    schema = schema_of([field])
    for milli, fits in [
        (rule.low_milli, True),
        (rule.high_milli, True),
        (rule.low_milli - 1, False),
        (rule.high_milli + 1, False),
    ]:
        reading = KEY.reading(measured(Decimal(milli) / 1000, field=field, unit=rule.unit))
        if fits:
            schema.check(reading)
        else:
            with pytest.raises(TelemetryError) as refused:
                schema.check(reading)
            assert refused.value.code is TelemetryCode.OUT_OF_RANGE
            assert str(Decimal(milli) / 1000) not in str(refused.value)


def test_a_schema_knows_fields_and_units():
    with pytest.raises(TelemetryError) as refused:
        VITALS.check(KEY.reading(measured(field="weight", unit="kg")))
    assert refused.value.code is TelemetryCode.UNKNOWN_FIELD
    with pytest.raises(TelemetryError) as refused:
        VITALS.check(KEY.reading(measured(5.2, field="glucose", unit="mmol/L")))
    assert refused.value.code is TelemetryCode.WRONG_UNIT


def test_schemas_are_canonical():
    assert schema_of(["glucose", "alt", "glucose"]) == schema_of(["alt", "glucose"])
    assert schema_of(["alt"]).digest != schema_of(["ast"]).digest != schema_of(["ast"], version=2).digest
    assert VITALS.id == "vitals/1"
    with pytest.raises(TelemetryError) as refused:
        schema_of(["weight"])
    assert refused.value.code is TelemetryCode.UNKNOWN_FIELD
    with pytest.raises(TelemetryError) as refused:
        schema_of([])
    assert refused.value.code is TelemetryCode.EMPTY
    with pytest.raises(ValueError, match="sorted"):
        ReadingSchema("x", 1, (FIELDS["ast"], FIELDS["alt"]))
    with pytest.raises(ValueError, match="empty"):
        ReadingSchema("x", 1, (FieldRule("x", "m", 2, 1),))
