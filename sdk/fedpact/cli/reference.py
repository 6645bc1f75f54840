"""The reference of the command line, `docs/cli.md`, from the commands themselves.

python -m fedpact.cli.reference > docs/cli.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from fedpact.cli.access import with_session
from fedpact.cli.main import cli

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

_INTRODUCTION = """\
# Command line

Made by `python -m fedpact.cli.reference` from the commands themselves.

`fedpact <noun> <verb>`. Data goes to stdout: a table on a terminal, JSON (one object, or one object a line)
when piped or with `--json`. Progress and errors go to stderr, an error as one line.

| exit code | |
|---|---|
| 0 | done |
| 1 | rejected: by a contract, by a check, or an audit with findings |
| 2 | usage |
| 3 | the ledger, or a server, cannot be reached or opened |
| 4 | a transaction was submitted and its outcome is unknown: look it up before doing it again |

Amounts are micro-credits; qualities and epsilons on the ledger are multiples of 1e-9, times milliseconds
since 1970.

## Who acts, and where

These options of most commands (*session options*) come before their environment variables, those before what
the home says. Keys and passwords are read from files, never from the command line.
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name, groups before their members, in order of name."""
    context = click.Context(cli)
    for noun in cli.list_commands(context):
        command = cli.get_command(context, noun)
        if command is not None:
            yield from _walk(f"fedpact {noun}", command)


def reference() -> str:
    """Return the reference, Markdown."""
    session = _options(_any_session)
    shared = {str(option.name) for option in session}
    sections = [_section(path, command, shared) for path, command in commands()]
    return "\n".join([_INTRODUCTION, *_table(session), *sections])


@click.command()
@with_session
def _any_session(session: Session) -> None:
    """Stand for every command that opens a session."""


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _walk(f"{path} {name}", command.commands[name])


def _section(path: str, command: click.Command, shared: set[str]) -> str:
    lines = [f"\n{'#' * (path.count(' ') + 1)} {path}\n", inspect.cleandoc(command.help or ""), ""]
    if isinstance(command, click.Group):
        return "\n".join(lines)
    options = _options(command)
    has_session = shared <= {option.name for option in options}
    own = [option for option in options if not (has_session and option.name in shared)]
    context = click.Context(command)
    arguments = [param.make_metavar(context) for param in command.params if isinstance(param, click.Argument)]
    lines.append(f"    {' '.join([path, '[OPTIONS]', *arguments])}\n")
    lines += _table(own) if own else []
    lines += ["and the session options.\n" if own else "Only the session options.\n"] if has_session else []
    return "\n".join(lines)


def _options(command: click.Command) -> list[click.Option]:
    """Return a command's options but `--json`, which all have."""
    return [param for param in command.params if isinstance(param, click.Option) and param.name != "as_json"]


def _table(options: list[click.Option]) -> list[str]:
    return ["| option | |", "|---|---|", *map(_row, options), ""]


def _row(option: click.Option) -> str:
    name, text = option.get_help_record(click.Context(click.Command("fedpact"))) or ("", "")
    row = [cell.replace("|", "\\|") for cell in (f"`{name}`", " ".join(text.split()))]
    return f"| {' | '.join(row)} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
