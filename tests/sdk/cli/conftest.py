"""The command line as people call it: in this process on a real ledger, or as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import msgspec
import pytest

from fedpact.cli.main import cli, main

ORGANISATIONS = {"AlphaMSP": "Alpha Hospital", "BetaMSP": "Beta Clinic", "GammaMSP": "Gamma Institute"}
PATIENTS = """id,age,bmi,bp,ward,progression
1,59,32.1,101,a,151
2,48,21.6,87,b,75
3,72,30.5,93,a,141
4,24,25.3,,b,206
"""


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def one(self) -> dict[str, object]:
        return msgspec.json.decode(self.out)

    @property
    def lines(self) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("FEDPACT_")}
    return {**own, **changes}


def run_process(*arguments: str, **environment: str) -> Answer:
    command = [sys.executable, "-m", "fedpact.cli", *arguments]
    done = subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, timeout=120, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)


class Caller:
    """Calls commands in this process; options not given come from the environment of the caller."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.home: Path | None = None
        for name in list(os.environ):
            if name.startswith("FEDPACT_"):
                monkeypatch.delenv(name)

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str | Path, who: str | None = None) -> Answer:
        words = [str(argument) for argument in arguments]
        if who is not None:
            words += ["--as", who]
        self._monkeypatch.setattr(sys, "argv", ["fedpact", *words])
        self._capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        captured = self._capsys.readouterr()
        assert isinstance(code, int | None)
        return Answer(code or 0, captured.out, captured.err)

    def ok(self, *arguments: str | Path, who: str | None = None) -> Answer:
        answer = self(*arguments, who=who)
        assert answer.code == 0, answer.err
        assert answer.err == ""
        return answer

    def refused(self, *arguments: str | Path, who: str | None = None, code: int = 1) -> str:
        """Return the one line that an error is."""
        answer = self(*arguments, who=who)
        assert (answer.code, answer.out) == (code, "")
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1
        return answer.err

    def carry(self, name: str, kind: str, subject: str, *options: str) -> None:
        """Let the council decide."""
        self.ok("consortium", "propose", name, kind, subject, *options, who="AlphaMSP/admin")
        for mspid in ORGANISATIONS:
            self.ok("consortium", "vote", f"AlphaMSP/{name}", "--approve", who=f"{mspid}/admin")


@pytest.fixture(scope="session")
def environment_of() -> Callable[[Mapping[str, str]], dict[str, str]]:
    """This process's environment without fedpact's own variables, and with others."""
    return clean_environment


@pytest.fixture
def process() -> Callable[..., Answer]:
    return run_process


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """Calls commands where nothing is founded yet."""
    return Caller(monkeypatch, capsys)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home made by the command line, with a member and a manager in Alpha."""
    home = tmp_path_factory.mktemp("cli") / "home"
    named = [f"--organisation={mspid}={name}" for mspid, name in ORGANISATIONS.items()]
    for words in (
        ["found", *named],
        ["enrol", "AlphaMSP/node"],
        ["enrol", "AlphaMSP/manager", "--role", "manager"],
        ["enrol", "BetaMSP/node"],
        ["register-node", "--as", "AlphaMSP/node"],
        ["register-node", "--as", "BetaMSP/node"],
    ):
        with redirect_stdout(StringIO()):
            cli(["consortium", *words, "--home", str(home)], standalone_mode=False)
    return home


@pytest.fixture
def fedpact(bare: Caller, founded: Path, tmp_path: Path) -> Caller:
    """Calls commands on a consortium of the test's own, with FEDPACT_HOME set."""
    home = tmp_path / "home"
    shutil.copytree(founded, home)
    profile = home / "consortium.json"
    profile.write_text(profile.read_text().replace(str(founded), str(home)))
    bare.home = home
    bare.set(FEDPACT_HOME=str(home))
    return bare


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """A small table with a header, a missing value and a column of text."""
    file = tmp_path / "patients.csv"
    file.write_text(PATIENTS)
    return file
