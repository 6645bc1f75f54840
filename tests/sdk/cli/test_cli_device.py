"""Devices, and files of readings that become anchored batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedpact.telemetry import BatchSummary, Measurement, SubjectKey, encode_reading, open_batch, schema_of

KEY = bytes(range(32))
MONITOR = "AlphaMSP/monitor"
MANAGER = "AlphaMSP/manager"
DATASET = "AlphaMSP/patients"
TIME_MS = 1_760_000_000_000
HEADER = "device,sequence,time,subject,field,unit,value\n"
LINES = [
    f"{MONITOR},1,2025-10-09T08:53:20Z,Jane Doe,glucose,mg/dL,94.5",
    f"{MONITOR},2,2025-10-09T08:53:21Z,Jane Doe,cholesterol,mg/dL,181",
    f"{MONITOR},4,2025-10-09T10:53:23+02:00,Joe Bloggs,glucose,mg/dL,101.25",
]


@pytest.fixture
def subject_key(tmp_path: Path) -> Path:
    file = tmp_path / "subjects.key"
    file.write_text(KEY.hex())
    return file


@pytest.fixture
def ward(fedpact, patients: Path):
    """A published dataset and an active monitor."""
    words = ["--category", "diabetes", "--target", "progression", "--ignore", "id"]
    fedpact.ok("data", "publish", "patients", patients, *words, who="AlphaMSP/node")
    fedpact.ok("consortium", "enrol", MONITOR, "--role", "device")
    fedpact.ok("device", "register", MONITOR, "--description", "bed 3", who="AlphaMSP/admin")
    fedpact.carry("monitor", "activate_device", MONITOR)
    return fedpact


def csv(tmp_path: Path, lines: list[str]) -> Path:
    file = tmp_path / "readings.csv"
    file.write_text(HEADER + "\n".join(lines) + "\n")
    return file


def test_a_device_is_registered_activated_and_suspended(fedpact) -> None:
    fedpact.ok("consortium", "enrol", MONITOR, "--role", "device")
    registered = fedpact.ok("device", "register", MONITOR, who="AlphaMSP/admin").one
    assert (registered["id"], registered["status"]) == (MONITOR, "pending")
    fedpact.carry("monitor", "activate_device", MONITOR)
    listed = fedpact.ok("device", "list", "--organisation", "AlphaMSP", who="BetaMSP/node").lines
    assert [(device["id"], device["status"]) for device in listed] == [(MONITOR, "active")]
    assert fedpact.ok("device", "list", who="BetaMSP/node").out == ""
    assert fedpact.ok("device", "suspend", MONITOR, who="AlphaMSP/admin").one["status"] == "suspended"
    assert fedpact.ok("device", "show", MONITOR, who="BetaMSP/node").one["status"] == "suspended"


def test_a_device_with_a_certificate_of_its_own_is_registered_by_file(fedpact, tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    file.write_text(str(fedpact.ok("consortium", "enrol", MONITOR, "--role", "device").one["certificate"]))
    registered = fedpact.ok("device", "register", "--certificate", file, who="AlphaMSP/admin").one
    assert registered["id"] == MONITOR
    file.write_text("no certificate")
    assert "MALFORMED" in fedpact.refused("device", "register", "--certificate", file, who="AlphaMSP/admin")
    assert "which device?" in fedpact.refused("device", "register", who="AlphaMSP/admin", code=2)
    both = ["device", "register", MONITOR, "--certificate", file]
    assert "which device?" in fedpact.refused(*both, who="AlphaMSP/admin", code=2)


def test_measurements_are_pseudonymised_kept_and_anchored(ward, tmp_path: Path, subject_key: Path) -> None:
    file = csv(tmp_path, LINES)
    words = ["device", "anchor", DATASET, file, "--subject-key", subject_key]
    [line] = ward.ok(*words, who=MANAGER).lines
    assert (line["first_sequence"], line["last_sequence"], line["count"]) == (1, 4, 3)
    assert line["status"] == "anchored"
    [anchor] = ward.ok("device", "anchors", DATASET, MONITOR, who="GammaMSP/admin").lines
    assert (anchor["root"], anchor["subjects"], anchor["manager"]) == (line["root"], 2, MANAGER)
    kept = ward.home / "readings" / str(line["content_hash"])
    assert kept.stat().st_mode & 0o777 == 0o600
    summary = BatchSummary(**{name: anchor[name] for name in BatchSummary.__struct_fields__})
    schema = schema_of(
        ["alt", "ast", "cholesterol", "glucose"]
        + [f"blood_pressure_{kind}" for kind in ("diastolic", "mean", "systolic")]
    )
    readings = open_batch(kept.read_bytes(), summary, schema)
    assert [reading.value_milli for reading in readings] == [94_500, 181_000, 101_250]
    assert [reading.time_ms for reading in readings] == [TIME_MS, TIME_MS + 1_000, TIME_MS + 3_000]
    assert readings[0].subject == SubjectKey(KEY).pseudonym("Jane Doe")
    assert b"Jane" not in b"".join(map(encode_reading, readings))


def test_anchoring_again_does_no_harm_and_going_on_is_possible(
    ward, tmp_path: Path, subject_key: Path
) -> None:
    words = ["device", "anchor", DATASET, csv(tmp_path, LINES), "--subject-key", subject_key]
    ward.ok(*words, who=MANAGER)
    assert [line["status"] for line in ward.ok(*words, who=MANAGER).lines] == ["already"]
    csv(tmp_path, [*LINES, f"{MONITOR},5,2025-10-09,Jane Doe,glucose,mg/dL,90"])
    assert "READINGS_OVERLAP" in ward.refused(*words, who=MANAGER)
    [line] = ward.ok(*words, "--after", "4", who=MANAGER).lines
    assert (line["first_sequence"], line["status"]) == (5, "anchored")


def test_json_lines_hold_the_same(ward, tmp_path: Path, subject_key: Path) -> None:
    [first] = ward.ok(
        "device", "anchor", DATASET, csv(tmp_path, LINES[:1]), "--subject-key", subject_key, who=MANAGER
    ).lines
    fields = dict(zip(HEADER.strip().split(","), LINES[0].split(","), strict=True))
    line = {**fields, "sequence": 1, "value": 94.5}
    file = tmp_path / "readings.jsonl"
    file.write_text(json.dumps(line) + "\n\n")
    again = ward.ok("device", "anchor", DATASET, file, "--subject-key", subject_key, who=MANAGER).lines
    assert again == [{**first, "status": "already"}]


def test_finished_readings_need_no_key(ward, tmp_path: Path) -> None:
    reading = SubjectKey(KEY).reading(Measurement(MONITOR, 1, TIME_MS, "Jane Doe", "glucose", "mg/dL", 94.5))
    file, store = tmp_path / "readings.ndjson", tmp_path / "store"
    file.write_bytes(encode_reading(reading) + b"\n")
    [line] = ward.ok("device", "anchor", DATASET, file, "--store", store, who=MANAGER).lines
    assert [path.name for path in store.iterdir()] == [line["content_hash"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{MONITOR},5,2025-10-09,x,glucose,mg/dL", "line 2: not as many values as columns"),
        (f"{MONITOR},5,2025-10-09,x,glucose,mg/dL,1,1", "line 2: not as many values as columns"),
        (f"{MONITOR},five,2025-10-09,x,glucose,mg/dL,90", "line 2: Expected `int`"),
        (f"{MONITOR},5,,x,glucose,mg/dL,90", "line 2: needs either time or time_ms"),
        (f"{MONITOR},5,yesterday,x,glucose,mg/dL,90", "line 2: the time is"),
        (f"{MONITOR},5,2025-10-09,x,glucose,mg/dL,NaN", "line 2: NaN is no measured value"),
        (f"{MONITOR},5,2025-10-09,x,glucose,mmol/L,90", "WRONG_UNIT"),
        (f"{MONITOR},5,2025-10-09,x,sugar,mg/dL,90", "UNKNOWN_FIELD"),
        (f"{MONITOR},5,2025-10-09,x,glucose,mg/dL,900000", "OUT_OF_RANGE"),
    ],
)
def test_a_reading_that_does_not_fit_is_refused(
    ward, tmp_path: Path, subject_key: Path, line: str, reason: str
) -> None:
    words = ["device", "anchor", DATASET, csv(tmp_path, [line]), "--subject-key", subject_key]
    message = ward.refused(*words, who=MANAGER)
    assert reason in message
    assert ward.ok("device", "anchors", DATASET, MONITOR, who=MANAGER).out == ""


@pytest.mark.parametrize("content", ["[1]\n", "{\n", '{"device": 1}\n', "x" * 5_000])
def test_malformed_json_lines_are_refused(ward, tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(content)
    assert "MALFORMED: line 1: " in ward.refused("device", "anchor", DATASET, file, who=MANAGER)


def test_an_empty_file_anchors_nothing(ward, tmp_path: Path, subject_key: Path) -> None:
    words = ["device", "anchor", DATASET, csv(tmp_path, []), "--subject-key", subject_key]
    assert ward.ok(*words, who=MANAGER).out == ""


def test_schemas_of_ones_own(ward, tmp_path: Path, subject_key: Path) -> None:
    file, schema = csv(tmp_path, [f"{MONITOR},1,2025-10-09,x,steps,1/d,900"]), tmp_path / "schema.json"
    rule = {"name": "steps", "unit": "1/d", "low_milli": 0, "high_milli": 10**8}
    schema.write_text(json.dumps({"name": "activity", "version": 1, "fields": [rule]}))
    words = ["device", "anchor", DATASET, file, "--subject-key", subject_key]
    assert "UNKNOWN_FIELD" in ward.refused(*words, who=MANAGER)
    assert "--schema brings its own" in ward.refused(
        *words, "--schema", schema, "--field", "glucose", who=MANAGER, code=2
    )
    assert "no field steps ships" in ward.refused(*words, "--field", "steps", who=MANAGER)
    ward.ok(*words, "--schema", schema, who=MANAGER)
    [anchor] = ward.ok("device", "anchors", DATASET, MONITOR, who=MANAGER).lines
    assert anchor["schema"] == "activity/1"
    schema.write_text("{}")
    assert "no schema of readings" in ward.refused(*words, "--schema", schema, who=MANAGER, code=2)


def test_only_a_manager_anchors_for_an_active_device(ward, tmp_path: Path, subject_key: Path) -> None:
    words = ["device", "anchor", DATASET, csv(tmp_path, LINES), "--subject-key", subject_key]
    assert "ROLE_REQUIRED" in ward.refused(*words, who="AlphaMSP/node")
    ward.ok("device", "suspend", MONITOR, who="AlphaMSP/admin")
    assert "DEVICE_NOT_ACTIVE" in ward.refused(*words, who=MANAGER)


def test_without_a_home_it_must_be_said_where_batches_are_kept(ward, tmp_path: Path) -> None:
    url, wallet = f"embedded://{ward.home}/ledger.db", str(ward.home / "wallet")
    ward.set(FEDPACT_HOME="", FEDPACT_URL=url, FEDPACT_WALLET=wallet)
    words = ["device", "anchor", DATASET, csv(tmp_path, LINES)]
    assert "--store" in ward.refused(*words, who=MANAGER, code=2)
