"""`fedpact demo`: a complete run on real data."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from fedpact.cli.output import emit, json_option, wants_json
from fedpact.cli.parameters import number

DATASETS = ["diabetes", "breast-cancer", "digits", "nhanes", "mnist"]
MARK = "demonstration"
"""A file in a demonstration's home: nothing else is ever replaced."""


@click.command(name="demo")
@click.option(
    "--dataset", type=click.Choice(DATASETS), default="diabetes", show_default=True, help="What is learned."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Of keys, clock, noise."
)
@click.option("--rounds", type=click.IntRange(2, 100), default=6, show_default=True, help="Federated rounds.")
@click.option(
    "--hospitals", type=click.IntRange(4, 50), default=6, show_default=True, help="The last one lies."
)
@click.option(
    "--epsilon",
    type=number(1e-6, 1000),
    default="8",
    show_default=True,
    help="Every hospital's budget of privacy.",
)
@click.option("--delta", type=number(1e-12, 0.5), default="0.0001", show_default=True, help="Of that budget.")
@click.option("--workers", type=click.IntRange(min=0), default=None, help="Training processes; one a core.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("fedpact-demo"),
    show_default=True,
    help="Folder of ledger and report; an earlier demonstration there is replaced.",
)
@json_option
def command(home: Path, *, as_json: bool, **options: object) -> None:
    """Six hospitals, one of them a liar, from registration to a verified ledger."""
    from fedpact_flower.demo.run import run_demo
    from fedpact_flower.demo.settings import DemoSettings

    logging.getLogger("flwr").setLevel(logging.ERROR)  # its progress would bury the report
    _clear(home)
    settings = DemoSettings(home=home.absolute(), **options)  # type: ignore[arg-type]
    from rich.console import Console

    stderr = Console(stderr=True)
    with stderr.status("starting") as status:
        summary = run_demo(settings, status.update)
    if wants_json(as_json):
        emit(summary, as_json=True)
    else:
        from fedpact_flower.demo.report import print_report

        print_report(summary, Console())
    sys.exit(0 if summary.audit.ok else 1)


def _clear(home: Path) -> None:
    """Make an empty home; an earlier demonstration is removed, anything else is left alone."""
    import shutil

    if home.exists() and any(home.iterdir()):
        if not (home / MARK).exists():
            raise click.UsageError(f"{home} is neither empty nor an earlier demonstration")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / MARK).touch()
