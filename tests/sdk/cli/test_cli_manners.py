"""How every command behaves: help, speed, errors in one line, JSON when piped and tables on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from fedpact.cli.main import NOUNS, cli
from fedpact.cli.reference import commands

EVERY = dict(commands())
HEAVY = {
    "cryptography",
    "fabric_protos",
    "flwr",
    "fsspec",
    "google.protobuf",
    "grpc",
    "mpmath",
    "numpy",
    "rich",
    "sqlalchemy",
}


def test_every_noun_is_a_command() -> None:
    assert {path.split()[1] for path in EVERY} == set(NOUNS)
    assert len(EVERY) > 60


@pytest.mark.parametrize("path", EVERY)
def test_every_command_and_option_has_help(path: str) -> None:
    command = EVERY[path]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name


@pytest.mark.parametrize("path", EVERY)
def test_help_is_printed(path: str, bare) -> None:
    answer = bare.ok(*path.split()[1:], "--help")
    assert answer.out.startswith(f"Usage: {path} ")


def test_help_and_its_errors_import_nothing_heavy() -> None:
    code = (
        "import sys; from fedpact.cli.main import cli, NOUNS\n"
        "calls = [['--help'], ['--version'], *([noun, '--help'] for noun in NOUNS)]\n"
        "calls += [[noun, verb, '--help'] for noun, verb in [('data', 'publish'), ('task', 'create')]]\n"
        "for call in calls:\n"
        "    try: cli(call)\n"
        "    except SystemExit as end: assert end.code == 0, call\n"
        "print('MODULES', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.partition("MODULES")[2].split())
    assert "fedpact.cli.task" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_the_version_is_that_of_the_distribution(bare) -> None:
    assert version("fedpact") in bare.ok("--version").out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["adit"], "did you mean 'audit'?"),
        (["credits"], "did you mean 'credit'?"),
        (["zzz"], "there are audit, bench, chaincode, channel, consortium"),
        (["credit", "acount"], "account"),
        (["credit", "account", "--hom", "x"], "--home"),
        (["task", "team", "aply"], "apply"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(bare, words: list[str], hint: str) -> None:
    assert hint in bare.refused(*words, code=2)


def test_a_noun_alone_prints_its_help_and_is_a_usage_error(bare) -> None:
    answer = bare("credit")
    assert answer.code == 2
    assert "Usage: fedpact credit" in answer.err


def test_a_programming_error_is_not_dressed_up(bare, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "get_command", lambda ctx, name: click.Command(name, callback=broken))
    with pytest.raises(RuntimeError, match="a bug"):
        bare("audit")


def test_who_reads_half_of_the_output_causes_no_traceback(founded: Path, environment_of) -> None:
    command = [sys.executable, "-m", "fedpact.cli", "ledger", "state", "--home", str(founded)]
    with subprocess.Popen(
        command, env=environment_of({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 1


def everything(descriptor: int) -> bytes:
    shown = b""
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # the other side has gone
            return shown
        if not part:
            return shown
        shown += part


@pytest.fixture
def on_a_terminal(environment_of) -> Callable[..., str]:
    def run(*words: str) -> str:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "fedpact.cli", *words]
        environment = environment_of({"COLUMNS": "100", "TERM": "xterm"})
        with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as running:
            os.close(theirs)
            shown = everything(ours)
            assert running.wait(60) == 0
        os.close(ours)
        return shown.decode()

    return run


def test_a_terminal_gets_tables(founded: Path, on_a_terminal) -> None:
    shown = on_a_terminal("ledger", "blocks", "--home", str(founded))
    assert "transactions" in shown
    assert "│" in shown
    assert "{" not in shown


def test_what_a_ledger_holds_does_not_steer_a_terminal(fedpact, on_a_terminal) -> None:
    words = ["propose", "m", "issue_credit", "AlphaMSP", "--detail", "[red]x[/nonsense] \u202e\u009b31m"]
    fedpact.ok("consortium", *words, who="AlphaMSP/admin")
    shown = on_a_terminal(
        "consortium", "motion", "AlphaMSP/m", "--home", str(fedpact.home), "--as", "AlphaMSP/node"
    )
    assert "[red]x[/nonsense]" in shown
    assert "\u009b" not in shown
    assert "\u202e" not in shown


def test_a_terminal_gets_json_if_asked(founded: Path, on_a_terminal) -> None:
    shown = on_a_terminal("ledger", "blocks", "--home", str(founded), "--json")
    assert shown.startswith('{"number":0,')


def test_a_terminal_gets_the_audit_in_words(founded: Path, on_a_terminal) -> None:
    shown = on_a_terminal("audit", "--home", str(founded))
    assert "the ledger is as it was written" in shown
