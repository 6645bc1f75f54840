"""What commands print: a table on a terminal, JSON when piped or asked for; progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., object])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON even on a terminal.")


def wants_json(as_json: bool) -> bool:
    """Whether JSON is due: asked for, or nobody looks at a terminal."""
    return as_json or not sys.stdout.isatty()


def emit(value: object, *, as_json: bool) -> None:
    """Print one object: JSON, or a two-column table of its fields."""
    if wants_json(as_json):
        click.echo(msgspec.json.encode(value).decode())
        return
    fields = msgspec.to_builtins(value)
    if not isinstance(fields, dict):
        click.echo(fields)
        return
    _table(["field", "value"], [[str(name), _text(item)] for name, item in fields.items()])


def emit_rows(rows: Iterable[msgspec.Struct], columns: Sequence[str], *, as_json: bool) -> None:
    """Print records: one JSON object a line, or a table of the named fields."""
    if wants_json(as_json):
        for row in rows:
            click.echo(msgspec.json.encode(row).decode())
        return
    _table(list(columns), [[_text(getattr(row, name)) for name in columns] for row in rows])


def visible(text: str) -> str:
    """Return a text with control characters written out: what a ledger holds must not steer a terminal."""
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in text
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[Text(visible(cell)) for cell in row])  # a plain text would be read as markup
    Console().print(table)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr while something runs; silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
