"""The submit benchmark measures what it says: verified transactions on a ledger that stands an audit."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fedpact.audit.auditor import audit
from fedpact.gateway.commit import Commit
from fedpact.ledger import LedgerError, inspect_ledger
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import parse_envelope
from fedpact_loadtest import creates
from fedpact_loadtest.children import ChildError
from fedpact_loadtest.client_process import Front, Turn
from fedpact_loadtest.in_flight import Load, keep_in_flight
from fedpact_loadtest.served import Clients, found_and_serve
from fedpact_loadtest.submit import SubmitReport, SubmitRules, bench_submit
from fedpact_loadtest.venue import Venue, open_venue

QUICK = SubmitRules(in_flight=10, seconds=0.3, repetitions=3, organisations=3, endorsements=2)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SubmitReport, list[tuple[int, int]]]:
    """A run whose ledger was kept: its folder, its report, and what was told about progress."""
    folder = tmp_path_factory.mktemp("kept")
    told: list[tuple[int, int]] = []
    report = bench_submit(QUICK, folder=folder, progress=lambda done, total: told.append((done, total)))
    return folder, report, told


def url(folder: Path) -> str:
    return f"embedded://{folder / 'ledger.db'}"


def test_the_report_adds_up(kept: tuple[Path, SubmitReport, object]) -> None:
    _, report, _ = kept
    assert report.failures == 0
    assert report.transactions >= QUICK.in_flight * QUICK.repetitions
    assert 0 < report.blocks <= report.transactions
    assert 0 < report.tps_min <= report.tps <= report.tps_max
    assert report.p50_ms is not None
    assert report.p95_ms is not None
    assert report.cpu_ms_per_tx is not None
    assert 0 < report.p50_ms <= report.p95_ms
    assert report.cpu_ms_per_tx > 0
    settings = {name: getattr(QUICK, name) for name in QUICK.__dataclass_fields__ if name != "with_stages"}
    assert {name: getattr(report, name) for name in settings} == settings


def test_the_report_is_one_json_object(kept: tuple[Path, SubmitReport, object]) -> None:
    _, report, _ = kept
    fields = msgspec.json.decode(msgspec.json.encode(report))
    assert {"tps", "failures", "p50_ms", "p95_ms", "cpu_ms_per_tx"} <= set(fields)
    assert fields["client_cpu_ms_per_tx"] is fields["node_cpu_ms_per_tx"] is fields["stages"] is None


def test_progress_is_told(kept: tuple[Path, SubmitReport, list[tuple[int, int]]]) -> None:
    _, _, told = kept
    assert {total for _, total in told} == {9}
    assert told[-1] == (9, 9)
    assert all(0 <= done <= 9 for done, _ in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_its_ledger_stands_an_audit(kept: tuple[Path, SubmitReport, object]) -> None:
    folder, report, _ = kept
    ledger = inspect_ledger(url(folder))
    try:
        found = audit(ledger, chaincodes={creates.NAME: creates.chaincode()})
        rows = list(ledger.state(creates.NAME))
        blocks = [parse_block(data) for data in ledger.blocks(1)]
    finally:
        ledger.close()
    assert found.ok, found.findings
    assert {code for block in blocks for code in block.filter} == {ValidationCode.VALID}
    measured = [row for row in rows if row.key.startswith("run-")]
    assert len(measured) == report.transactions
    assert {len(row.value) for row in rows} == {100}
    transactions = [parse_envelope(envelope) for block in blocks for envelope in block.envelopes]
    assert {len(transaction.endorsements) for transaction in transactions} == {QUICK.endorsements}
    [shape] = {
        (len(rwset.reads), len(rwset.range_queries), len(rwset.writes))
        for transaction in transactions
        for rwset in transaction.rwset
    }
    assert shape == (1, 0, 1)
    assert all(transaction.event is not None for transaction in transactions)


def test_a_temporary_ledger_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = bench_submit(SubmitRules(in_flight=1, seconds=0.1, repetitions=1))
    assert report.transactions > 0
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"precious")
    with pytest.raises(LedgerError, match="LEDGER_EXISTS"):
        bench_submit(QUICK, folder=tmp_path)
    assert (tmp_path / "ledger.db").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_flight": 0},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"repetitions": 0},
        {"endorsements": 2},
        {"clients": 2},
        {"threads": 60},
        {"threads": 2, "front": "batch"},
        {"in_flight": 501, "front": "gateway"},
        {"clients": 51, "front": "batch"},
        {"front": "fabric"},
    ],
    ids=str,
)
def test_rules_out_of_bounds_are_refused(wrong: dict[str, int | float | str]) -> None:
    with pytest.raises(ValueError):
        SubmitRules(**wrong)  # type: ignore[arg-type]


def create(venue: Venue, key: str) -> Commit:
    message = msgspec.json.encode(creates.Create(key=key, value="x"))
    return venue.gateway.submit_async(creates.CREATE, message)


def test_what_conflicts_or_is_refused_is_a_failure(tmp_path: Path) -> None:
    keys = itertools.cycle(["same", "same", "", "\x00"])
    with open_venue(tmp_path, organisations=1, endorsements=1) as venue:
        outcomes = keep_in_flight(lambda _: create(venue, next(keys)), Load(4, 0.2), "test")
        rows = list(venue.ledger.state(creates.NAME))
    assert len(outcomes.latencies_s) == len(rows) == 1
    assert outcomes.failures >= 3


def test_what_gets_no_verdict_is_a_failure(tmp_path: Path) -> None:
    calls = itertools.count()
    with open_venue(tmp_path, organisations=1, endorsements=1) as venue:

        def submit(key: str) -> Commit:
            if next(calls) == 20:
                venue.ledger.node.close()
            return create(venue, key)

        outcomes = keep_in_flight(submit, Load(5, 0.3), "test")
    assert 0 < len(outcomes.latencies_s) <= 20
    assert outcomes.failures > 0


@pytest.mark.parametrize("front", ["batch", "gateway"])
def test_a_served_node_and_its_clients_are_measured(front: Front, tmp_path: Path) -> None:
    rules = SubmitRules(
        front=front,
        in_flight=6,
        clients=2,
        seconds=0.3,
        repetitions=2,
        organisations=2,
        endorsements=2,
        with_stages=True,
    )
    report = bench_submit(rules, folder=tmp_path)
    assert (report.failures, report.first_failure) == (0, "")
    assert report.transactions >= 6 * 2
    assert report.client_cpu_ms_per_tx is not None
    assert report.node_cpu_ms_per_tx is not None
    assert report.cpu_ms_per_tx == pytest.approx(
        report.client_cpu_ms_per_tx + report.node_cpu_ms_per_tx, abs=1e-3
    )
    assert report.stages is not None
    spent = ("client: sign", "client: proposal, loop", "node: endorse", "node: submit", "node: block stage")
    assert all(report.stages[stage] > 0 for stage in spent), report.stages
    ledger = inspect_ledger(url(tmp_path))
    try:
        found = audit(ledger, chaincodes={creates.NAME: creates.chaincode()})
        rows = [row for row in ledger.state(creates.NAME) if row.key.startswith("run-")]
    finally:
        ledger.close()
    assert found.ok, found.findings
    assert len(rows) == report.transactions


def test_stages_in_process() -> None:
    report = bench_submit(SubmitRules(in_flight=8, threads=2, seconds=0.2, repetitions=1, with_stages=True))
    assert report.stages is not None
    assert all(report.stages[stage] > 0 for stage in ("proposal", "endorse", "submit", "block stage"))


def test_what_a_served_node_refuses_is_a_failure(tmp_path: Path) -> None:
    with (
        found_and_serve(tmp_path, organisations=1, endorsements=1) as node,
        Clients(node, "batch", number=1, in_flight=2, value_bytes=10) as clients,
    ):
        first = clients.run(Turn("same", 0.1)).outcomes
        again = clients.run(Turn("same", 0.1)).outcomes
    assert first.failures == 0
    assert again.failures >= min(2, len(first.latencies_s))
    assert "RECORD_EXISTS" in again.first_failure


def test_a_client_without_a_node_says_why(tmp_path: Path) -> None:
    with found_and_serve(tmp_path, organisations=1, endorsements=1) as node:
        gone = replace(node, credentials=replace(node.credentials, key=tmp_path / "missing.key"))
        with (
            Clients(gone, "gateway", number=1, in_flight=1, value_bytes=1) as clients,
            pytest.raises(ChildError, match=r"missing\.key"),
        ):
            clients.run(Turn("none", 0.1))


def call(*options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fedpact.cli", "bench", "submit", *options]
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


def test_the_command_prints_one_object() -> None:
    done = call("--seconds", "0.1", "--repetitions", "2", "--in-flight", "5", "--json")
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=SubmitReport)
    assert (report.failures, report.repetitions, report.in_flight) == (0, 2, 5)


def test_the_command_refuses_what_is_out_of_bounds() -> None:
    done = call("--endorsements", "2")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"at most one endorsement of each organisation" in done.stderr
