"""`fedpact bench`: what a ledger costs, measured on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fedpact.cli.bench_compared import official_client, records
from fedpact.cli.output import emit, json_option, progress


@click.group(name="bench")
def command() -> None:
    """Measure, as ratios against a peer in the same run where there is one."""


command.add_command(official_client)
command.add_command(records)
_FRONTS = ("inprocess", "batch", "gateway")


@command.command()
@click.option(
    "--front",
    type=click.Choice(_FRONTS),
    default="inprocess",
    show_default=True,
    help="Client and node in one process; or, over TLS, our batched method; or Fabric's own methods.",
)
@click.option("--in-flight", default=50, show_default=True, help="Transactions under way at any moment.")
@click.option("--clients", default=1, show_default=True, help="Processes of clients, of batch and gateway.")
@click.option("--threads", default=1, show_default=True, help="Threads that submit, of inprocess.")
@click.option("--seconds", default=5.0, show_default=True, help="Length of each repetition.")
@click.option("--repetitions", default=3, show_default=True, help="How often it is measured.")
@click.option("--organisations", default=1, show_default=True, help="Organisations of the channel.")
@click.option("--endorsements", default=1, show_default=True, help="Organisations that must endorse.")
@click.option("--stages", "with_stages", is_flag=True, help="One more repetition: where processor time goes.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Create the ledger here and keep it; default a temporary folder. Its disk is part of the result.",
)
@json_option
def submit(*, folder: Path | None, as_json: bool, **rules: Any) -> None:
    """Measure committed transactions per second: signed 100-byte creates, fully verified, full sync.

    Exit code 1 when any transaction failed.
    """
    from fedpact_loadtest.submit import SubmitRules, bench_submit

    try:
        checked = SubmitRules(**rules)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with progress("submitting") as advance:
        report = bench_submit(checked, folder=folder, progress=advance)
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
