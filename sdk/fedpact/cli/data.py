"""`fedpact data`: profiles in the catalogue, and public datasets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, FOLDER, require_retrieval_key, with_session
from fedpact.cli.output import emit, emit_rows, json_option, progress
from fedpact.cli.parameters import edges, pair, span

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

SOURCES = ("nhanes", "mnist")


@click.group(name="data")
def command() -> None:
    """Publish profiles of datasets (never a record of them), and fetch public datasets."""


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a public dataset."""

    path: str
    size_bytes: int


@command.command()
@with_session
@click.argument("name")
@click.argument("file", type=FILE)
@click.option("--category", required=True, help="What requests are matched by, as `diabetes`.")
@click.option("--target", required=True, help="The column that is to be predicted.")
@click.option("--unit", "units", type=pair, multiple=True, metavar="COLUMN=UNIT", help="A column's unit.")
@click.option(
    "--ignore", multiple=True, metavar="COLUMN", help="A column to leave out, as a patient's number."
)
@click.option("--classes", is_flag=True, help="Publish how often each value of the target occurs.")
@click.option("--edges", type=edges, metavar="A,B,...", help="Publish how the target falls into these bins.")
@click.option(
    "--range",
    "ranges",
    type=span,
    multiple=True,
    metavar="COLUMN=LOW:HIGH",
    help="Publish this range instead.",
)
@click.option(
    "--ranges/--no-ranges", "measured", default=True, help="Publish the columns' measured ranges (default)."
)
@json_option
def publish(  # noqa: PLR0913 (options)
    session: Session,
    name: str,
    file: Path,
    *,
    category: str,
    target: str,
    units: tuple[tuple[str, str], ...],
    ignore: tuple[str, ...],
    classes: bool,
    edges: tuple[float, ...] | None,
    ranges: tuple[tuple[str, tuple[int, int]], ...],
    measured: bool,
    as_json: bool,
) -> None:
    """Publish the profile of a table, a CSV FILE with a header line, as MSPID/NAME.

    Published are the columns' names, units and ranges, the number of rows, and hashed terms: columns, units
    and target, and the distribution of the target if --classes or --edges asks for it. A measured range tells
    the smallest and the largest value there is; agree on ranges (--range) where that is too much.
    """
    from fedpact.cli.csv_table import read_table
    from fedpact.cli.publishing import PublishingRules, describe
    from fedpact.records import Form

    require_retrieval_key(session)
    with progress("reading") as advance:
        table = read_table(file, target, ignored=ignore, progress=advance)
    rules = PublishingRules(
        target=target,
        units=dict(units),
        ranges=dict(ranges),
        measured_ranges=measured,
        classes=classes,
        edges=edges or (),
    )
    profile, fields = describe(table, rules)
    dataset = session.data.publish(
        name, profile, category=category, form=Form.TABULAR, rows=table.rows, fields=fields
    )
    emit(dataset, as_json=as_json)


@command.command(name="list")
@with_session
@click.option("--category", help="Only datasets of this category.")
@json_option
def list_datasets(session: Session, category: str | None, *, as_json: bool) -> None:
    """List the datasets in the catalogue, withdrawn ones included."""
    columns = ["id", "category", "form", "rows", "custodian", "status"]
    emit_rows(session.data.list(category=category), columns, as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@json_option
def show(session: Session, dataset: str, *, as_json: bool) -> None:
    """Show a dataset's profile, MSPID/NAME."""
    emit(session.data.get(dataset), as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@json_option
def withdraw(session: Session, dataset: str, *, as_json: bool) -> None:
    """Take a dataset of the acting organisation out of the catalogue, for good."""
    emit(session.data.withdraw(dataset), as_json=as_json)


@command.command()
@click.argument("name", type=click.Choice(SOURCES))
@click.option(
    "--folder", type=FOLDER, envvar="FEDPACT_DATA", show_envvar=True, help="Where datasets are kept."
)
@json_option
def fetch(name: str, folder: Path | None, *, as_json: bool) -> None:
    """Download a public dataset from its publisher, checked against known hashes; whole files stay."""
    from fedpact.datasets import fetch as download

    if folder is None:
        raise click.UsageError("where to? give --folder or set FEDPACT_DATA")
    with progress(f"fetching {name}") as advance:
        paths = download(name, folder, progress=lambda _, done, total: advance(done, total))
    lines = [FetchedFile(path=str(path), size_bytes=os.stat(path).st_size) for path in paths]
    emit_rows(lines, ["path", "size_bytes"], as_json=as_json)
