"""`fedpact bench`: what a ledger costs, measured on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fedpact.cli.output import emit, json_option, progress


@click.group(name="bench")
def command() -> None:
    """Measure, as ratios against a peer in the same run where there is one."""


@command.command()
@click.option("--in-flight", default=50, show_default=True, help="Transactions under way at any moment.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of each repetition.")
@click.option("--repetitions", default=3, show_default=True, help="How often it is measured.")
@click.option("--organisations", default=1, show_default=True, help="Organisations of the channel.")
@click.option("--endorsements", default=1, show_default=True, help="Organisations that must endorse.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Create the ledger here and keep it; default a temporary folder. Its disk is part of the result.",
)
@json_option
def submit(  # noqa: PLR0913 (each is an option)
    *,
    in_flight: int,
    seconds: float,
    repetitions: int,
    organisations: int,
    endorsements: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Measure committed transactions per second: signed 100-byte creates, fully verified, full sync.

    Exit code 1 when any transaction failed.
    """
    from fedpact_loadtest.submit import SubmitRules, bench_submit

    try:
        rules = SubmitRules(
            in_flight=in_flight,
            seconds=seconds,
            repetitions=repetitions,
            organisations=organisations,
            endorsements=endorsements,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with progress("submitting") as advance:
        report = bench_submit(rules, folder=folder, progress=advance)
    emit(report, as_json=as_json)
    sys.exit(1 if report.failures else 0)


@command.command(name="round")
@click.option("--clients", default=50, show_default=True, help="Nodes that train.")
@click.option("--rounds", default=5, show_default=True, help="Timed rounds with, and without, the ledger.")
@click.option("--images", default=1_200, show_default=True, help="MNIST images of each client.")
@click.option("--epochs", default=2, show_default=True, help="Passes over them in each round.")
@click.option(
    "--store-models", is_flag=True, help="Each client also stores its update, encrypted and signed."
)
@click.option("--workers", type=int, help="Processes that host the clients; default one a core.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets; default: FEDPACT_DATA.")
@click.option("--quick", is_flag=True, help="Four clients, hardly any training: only to see that it works.")
@json_option
def round_(  # noqa: PLR0913 (each is an option)
    *,
    clients: int,
    rounds: int,
    images: int,
    epochs: int,
    store_models: bool,
    workers: int | None,
    data: Path | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Measure what a recorded training round costs, against the same round without a ledger.

    An MNIST network, plain FedAvg and Recorded(FedAvg) in turns on the same workers; with --quick the sizes
    are fixed. Needs fedpact[flower,torch].
    """
    from fedpact_flower.bench.rounds import bench_round
    from fedpact_flower.bench.settings import QUICK_RULES, RoundRules

    if quick:
        rules = QUICK_RULES
    else:
        try:
            rules = RoundRules(
                clients=clients,
                organisations=min(5, clients),
                rounds=rounds,
                images=images,
                epochs=epochs,
                stores_models=store_models,
                workers=workers,
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    with progress("training") as advance:
        report = bench_round(rules, data=data, progress=advance)
    emit(report, as_json=as_json)
