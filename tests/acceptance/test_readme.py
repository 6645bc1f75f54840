"""The README's promises that a program can check: its code runs, its commands and files exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fedpact.cli.main import cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def section(title: str) -> str:
    """Return the text under a heading of the second level."""
    [found] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return str(found)


def commands() -> list[str]:
    """Return the shell commands: indented lines that begin with one, and the like in backticks."""
    indented = re.findall(r"^    ((?:make|\.venv/bin/)\S.*|make \S+.*)$", README, re.MULTILINE)
    inline = re.findall(r"`((?:make|fedpact) [^`]+)`", README)
    return [re.sub(r"\s+#.*", "", line) for line in [*indented, *inline]]


def planned() -> set[str]:
    """Return the commands that the table of ledgers says are not there yet."""
    rows = [line for line in section("Ledgers").splitlines() if "not there yet" in line]
    return {command for row in rows for command in re.findall(r"`(fedpact [^`]+)`", row)}


def test_the_python_example_runs(tmp_path: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", section("In Python"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "AlphaMSP/patients" in done.stdout
    assert done.stdout.splitlines()[-1] == "True"


def test_there_are_commands_to_check() -> None:
    assert {"make demo", "make test"} <= set(commands())
    assert sum("fedpact" in command for command in commands()) > 5


@pytest.mark.parametrize("command", sorted(set(commands()) - planned()))
def test_a_command_exists(command: str) -> None:
    program, *words = shlex.split(command.replace("$PWD", os.fspath(ROOT)))
    if program == "make":
        assert re.search(rf"^{re.escape(words[0])}:", MAKEFILE, re.MULTILINE)
        return
    assert program.removeprefix(".venv/bin/") == "fedpact"
    entry: click.Command | None = cli
    while isinstance(entry, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        entry = entry.get_command(click.Context(entry), name)
        assert entry is not None, f"there is no {name!r}"
    assert entry is not None
    known = {option for parameter in entry.get_params(click.Context(entry)) for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}


def test_planned_commands_do_not_exist_yet() -> None:
    """Once one does, its row must say so."""
    for command in planned():
        [_, noun, *verbs] = command.split()
        found = cli.get_command(click.Context(cli), noun)
        assert not isinstance(found, click.Group) or verbs[0] not in found.commands


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_a_link_leads_somewhere(target: str) -> None:
    assert target.startswith("https://") or (ROOT / target).exists()


def test_the_rooms_are_those_of_the_repository() -> None:
    named = set(re.findall(r"`(\w+)/`", section("Rooms")))
    assert all((ROOT / name).is_dir() for name in named)
    assert {path.parents[1].name for path in ROOT.glob("*/*/py.typed")} | {"tests"} == named
