"""`fedpact demo` as a newcomer runs it: the whole run, its report, its ledger."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

DOWNLOADED = pytest.mark.skipif(
    "FEDPACT_DATA" not in os.environ, reason="FEDPACT_DATA names no folder of datasets"
)
LIAR = "Hospital6MSP/node"


def fedpact(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedpact.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def demo(home: Path, *options: str) -> dict[str, Any]:
    done = fedpact("demo", "--json", "--home", str(home), *options)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def keeps_its_promises(report: dict[str, Any]) -> None:
    assert [item["node"] for item in report["eliminated"]] == [LIAR]
    assert report["audit"] == {"ok": True, "findings": [], "checked": report["audit"]["checked"]}
    assert report["audit"]["checked"]["VERDICT"] == report["rounds"]
    assert report["cache_hit"] is True
    assert len(report["leaders"]) == report["rounds"]
    assert all(leader["sealed_by"] == leader["node"] != LIAR for leader in report["leaders"])
    assert report["credit"]["conserved"]
    assert sum(report["credit"]["balances"].values()) == report["credit"]["issued"]
    earned = report["credit"]["earned"]
    assert min(earned, key=lambda node: earned[node]) == LIAR
    assert all(0 < spent <= report["privacy"]["epsilon"] for spent in report["privacy"]["spent"].values())
    assert Path(report["report"]).read_text().startswith("<!doctype html>")


def test_the_default_demonstration(tmp_path: Path) -> None:
    report = demo(tmp_path / "first")
    keeps_its_promises(report)
    assert report["rounds"] >= 5
    assert report["readings_anchored"] == 3 * 354
    assert report["federated"]["mae"] < max(x["scores"]["mae"] for x in report["local"] if not x["liar"])
    assert report["federated"]["mae"] < 1.1 * report["central"]["mae"]
    url = report["ledger"]["url"]

    again = demo(tmp_path / "second", "--workers", "0")
    assert again["ledger"]["state_hash"] == report["ledger"]["state_hash"]
    assert again["federated"] == report["federated"]

    assert fedpact("audit", url).returncode == 0
    with closing(sqlite3.connect(tmp_path / "first" / "ledger.db")) as database, database:
        database.execute("update state set position = position + 1 where block = 100")
    altered = fedpact("audit", url)
    assert altered.returncode == 1
    assert {finding["block"] for finding in json.loads(altered.stdout)["findings"]} == {-1}


@pytest.mark.parametrize("dataset", ["breast-cancer", "digits"])
def test_the_other_datasets_that_ship(tmp_path: Path, dataset: str) -> None:
    report = demo(tmp_path / "home", "--dataset", dataset, "--rounds", "5")
    keeps_its_promises(report)
    assert report["federated"]["accuracy"] > 0.8


@DOWNLOADED
@pytest.mark.parametrize(("dataset", "metric", "least"), [("nhanes", "auc", 0.7), ("mnist", "accuracy", 0.7)])
def test_downloaded_datasets(tmp_path: Path, dataset: str, metric: str, least: float) -> None:
    report = demo(tmp_path / "home", "--dataset", dataset, "--rounds", "5")
    keeps_its_promises(report)
    assert report["federated"][metric] > least


def test_another_seed_makes_another_consortium(tmp_path: Path) -> None:
    hashes = {
        demo(tmp_path / seed, "--seed", seed, "--rounds", "2")["ledger"]["state_hash"] for seed in ("1", "2")
    }
    assert len(hashes) == 2
