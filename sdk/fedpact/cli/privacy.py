"""`fedpact privacy`: budgets that owners grant, and what was charged to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fedpact.cli.access import with_session
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.paging import every
from fedpact.cli.parameters import number

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

_epsilon = click.option(
    "--epsilon", type=number(1e-9, 1000), required=True, help="Bound of the privacy loss, from 1e-9 to 1000."
)
_delta = click.option(
    "--delta",
    type=number(0, 1 - 1e-12),
    default="0",
    show_default=True,
    help="Probability beyond the bound; 0 allows Laplace noise only.",
)


@click.group(name="privacy")
def command() -> None:
    """Grant and see budgets of differential privacy, one for each dataset and requester."""


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@_epsilon
@_delta
@json_option
def grant(
    session: Session, dataset: str, requester: str, *, epsilon: float, delta: float, as_json: bool
) -> None:
    """Grant the organisation REQUESTER (an MSP id) a budget on the acting organisation's DATASET."""
    emit(session.privacy.grant(dataset, requester, epsilon=epsilon, delta=delta), as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@_epsilon
@_delta
@json_option
def amend(
    session: Session, dataset: str, requester: str, *, epsilon: float, delta: float, as_json: bool
) -> None:
    """Change a budget; never below what is spent."""
    emit(session.privacy.amend(dataset, requester, epsilon=epsilon, delta=delta), as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@json_option
def show(session: Session, dataset: str, requester: str, *, as_json: bool) -> None:
    """Show a budget, what is spent and what remains (in multiples of 1e-9)."""
    emit(session.privacy.budget(dataset, requester), as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@json_option
def charges(session: Session, dataset: str, requester: str, *, as_json: bool) -> None:
    """List what was charged to a budget, oldest first."""
    found = every(
        lambda last: session.privacy.charges(dataset, requester, start=0 if last is None else last + 1),
        lambda charge: charge.sequence,
    )
    columns = ["sequence", "time_ms", "task_id", "round", "node", "spent_nano", "events"]
    emit_rows(found, columns, as_json=as_json)
