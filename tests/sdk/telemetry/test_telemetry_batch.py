from __future__ import annotations

import contextlib
import hashlib
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.telemetry import (
    VITALS,
    Measurement,
    SubjectKey,
    TelemetryCode,
    TelemetryError,
    encode_reading,
    open_batch,
    prove_reading,
    schema_of,
    seal_batch,
    verify_reading,
)
from fedpact.telemetry.batch import MAX_BATCH_BYTES, MAX_READINGS

KEY = SubjectKey(b"k" * 32)


def reading(sequence: int, value: float = 100.0, *, device: str = "WardMSP/analyser", time_ms: int = 1_000):
    facts = Measurement(device, sequence, time_ms, f"patient {sequence % 5}", "glucose", "mg/dL", value)
    return KEY.reading(facts)


@st.composite
def batches(draw):
    sequences = sorted(draw(st.sets(st.integers(0, 10**6), min_size=1, max_size=40)))
    values = st.floats(10, 2_000)
    times = st.integers(0, 2**45)
    return [reading(sequence, draw(values), time_ms=draw(times)) for sequence in sequences]


@given(batches(), st.data())
def test_a_batch_comes_back_and_each_reading_is_provable(readings, data):
    batch = seal_batch(readings, VITALS)
    assert open_batch(batch.payload, batch.summary, VITALS) == tuple(readings)
    assert batch.summary.count == len(readings)
    assert batch.summary.subjects == len({one.sequence % 5 for one in readings})
    assert batch.summary.first_ms <= batch.summary.last_ms
    index = data.draw(st.integers(0, len(readings) - 1))
    proof = prove_reading(readings, index)
    assert verify_reading(readings[index], proof, batch.summary.root)
    forged = msgspec.structs.replace(readings[index], value_milli=readings[index].value_milli + 1)
    assert not verify_reading(forged, proof, batch.summary.root)


def test_the_content_hash_does_not_depend_on_the_compressor():
    readings = [reading(i) for i in range(50)]
    batch = seal_batch(readings, VITALS)
    content = b"".join(encode_reading(one) + b"\n" for one in readings)
    assert batch.summary.content_hash == hashlib.sha256(content).hexdigest()
    assert batch.summary.size_bytes == len(content) > len(batch.payload)
    assert open_batch(zlib.compress(content, 1), batch.summary, VITALS) == tuple(readings)


@given(batches(), st.data())
def test_any_altered_byte_is_found(readings, data):
    batch = seal_batch(readings, VITALS)
    at = data.draw(st.integers(0, len(batch.payload) - 1))
    bent = bytearray(batch.payload)
    bent[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(TelemetryError):
        # a changed byte of zlib's own header may unpack to the same content, which is no alteration
        assert open_batch(bytes(bent), batch.summary, VITALS) == tuple(readings)


@pytest.mark.parametrize(
    "change",
    [
        {"device": "WardMSP/other"},
        {"schema": "vitals/2"},
        {"schema_digest": "00" * 32},
        {"count": 4},
        {"subjects": 2},
        {"first_sequence": 1},
        {"last_sequence": 9},
        {"first_ms": 0},
        {"last_ms": 2},
        {"root": "00" * 32},
        {"content_hash": "00" * 32},
        {"size_bytes": 1},
    ],
)
def test_every_entry_of_the_anchor_is_checked(change):
    batch = seal_batch([reading(i) for i in range(3)], VITALS)
    with pytest.raises(TelemetryError) as refused:
        open_batch(batch.payload, msgspec.structs.replace(batch.summary, **change), VITALS)
    assert refused.value.code is TelemetryCode.HASH_MISMATCH


@pytest.mark.parametrize(
    ("readings", "code", "index"),
    [
        ([], TelemetryCode.EMPTY, None),
        ([reading(1), reading(1)], TelemetryCode.OUT_OF_ORDER, 1),
        ([reading(2), reading(1)], TelemetryCode.OUT_OF_ORDER, 1),
        ([reading(1), reading(2), reading(3, device="WardMSP/b")], TelemetryCode.MIXED_DEVICES, 2),
        ([reading(1), reading(2, 9_999.0)], TelemetryCode.OUT_OF_RANGE, 1),
        ([reading(1), reading(2, device="")], TelemetryCode.MIXED_DEVICES, 1),
        ([reading(1, device="")], TelemetryCode.MALFORMED, 0),
        ([reading(1, device="d" * 129)], TelemetryCode.MALFORMED, 0),
        ([reading(1, device="d" * 3_000)], TelemetryCode.TOO_LARGE, 0),
        ([reading(1)] * (MAX_READINGS + 1), TelemetryCode.TOO_LARGE, None),
    ],
)
def test_what_is_not_sealed(readings, code, index):
    with pytest.raises(TelemetryError) as refused:
        seal_batch(readings, VITALS)
    assert (refused.value.code, refused.value.index) == (code, index)


def test_fields_outside_the_schema_are_not_sealed():
    with pytest.raises(TelemetryError) as refused:
        seal_batch([reading(1)], schema_of(["ast"]))
    assert (refused.value.code, refused.value.index) == (TelemetryCode.UNKNOWN_FIELD, 0)


def test_a_bomb_is_not_unpacked():
    summary = seal_batch([reading(1)], VITALS).summary
    bomb = zlib.compress(b"\n" * (MAX_BATCH_BYTES + 1))
    with pytest.raises(TelemetryError) as refused:
        open_batch(bomb, summary, VITALS)
    assert refused.value.code is TelemetryCode.TOO_LARGE


@pytest.mark.parametrize("bend", [lambda p: p[:-1], lambda p: p + b"x", lambda p: b"", lambda p: b"PK"])
def test_a_cut_or_continued_payload_is_malformed(bend):
    batch = seal_batch([reading(1)], VITALS)
    with pytest.raises(TelemetryError) as refused:
        open_batch(bend(batch.payload), batch.summary, VITALS)
    assert refused.value.code is TelemetryCode.MALFORMED
