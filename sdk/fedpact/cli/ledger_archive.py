"""`fedpact ledger backup|restore|rebuild|export|import`: a ledger as a file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from fedpact.cli.access import home_option
from fedpact.cli.homes import ledger_url
from fedpact.cli.output import emit, json_option

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=NEW)
@click.argument("url", required=False)
@home_option
@json_option
def backup(file: Path, url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Write the ledger at URL (default: the home's) into a new FILE, also while a node runs it.

    The file has the private data of the node's organisations, but no keys: keep those elsewhere.
    """
    from fedpact_network.embedded.archive_backup import back_up

    emit(back_up(ledger_url(url, home), file), as_json=as_json)


@click.command()
@click.argument("file", type=EXISTING)
@click.argument("url", required=False)
@home_option
@json_option
def restore(file: Path, url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Make a new ledger at URL (default: where the home's is to be) of a backup.

    Put the node's keys in their place before a node opens it.
    """
    from fedpact_network.embedded.archive_backup import restore as restore_backup

    emit(restore_backup(file, ledger_url(url, home)), as_json=as_json)


@click.command()
@click.argument("url", required=False)
@home_option
@json_option
def rebuild(url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Make state, history and index of the ledger at URL (default: the home's) anew from its blocks.

    Every block is verified; private data stays as it is. No node may run.
    """
    from fedpact_network.embedded.archive_blocks import rebuild as rebuild_tables

    emit(rebuild_tables(ledger_url(url, home)), as_json=as_json)


@click.command(name="export")
@click.argument("file", type=NEW)
@click.argument("url", required=False)
@home_option
@json_option
def export_(file: Path, url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Write the blocks of the ledger at URL (default: the home's) into a new FILE, also beside a node."""
    from fedpact_network.embedded.archive_blocks import export_blocks

    emit(export_blocks(ledger_url(url, home), file), as_json=as_json)


@click.command(name="import")
@click.argument("file", type=EXISTING)
@click.argument("url", required=False)
@home_option
@json_option
def import_(file: Path, url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Make a new ledger at URL (default: where the home's is to be) of exported blocks, each one verified."""
    from fedpact_network.embedded.archive_blocks import import_blocks

    emit(import_blocks(file, ledger_url(url, home)), as_json=as_json)
