"""`fedpact task team`: recruiting, forming and keeping the team that works on a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fedpact.cli.access import with_session
from fedpact.cli.output import emit, json_option
from fedpact.cli.parameters import MICROS, moment, number

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

_mortgage = click.option("--mortgage", type=MICROS, required=True, help="Deposit, micro-credits.")


@click.group(name="team")
def team() -> None:
    """Recruit, form and keep the team that works on a task."""


@team.command()
@with_session
@click.argument("task")
@json_option
def show(session: Session, task: str, *, as_json: bool) -> None:
    """Show a task's team, its seats and who waits."""
    emit(session.tasks.team(task), as_json=as_json)


@team.command(name="open")
@with_session
@click.argument("task")
@click.argument("dataset")
@_mortgage
@click.option("--respond-by", type=moment, default=None, help="How long others may apply.")
@json_option
def open_team(
    session: Session, task: str, dataset: str, *, mortgage: int, respond_by: int | None, as_json: bool
) -> None:
    """Open a team as its leader, with a DATASET and at least twice the members' mortgage."""
    opened = session.tasks.open_team(task, dataset, mortgage=mortgage, respond_by_ms=respond_by or 0)
    emit(opened, as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@click.argument("dataset")
@_mortgage
@click.option(
    "--preference", type=number(0, 1), default="1", show_default=True, help="Own wish to join, 0 to 1."
)
@json_option
def apply(
    session: Session, task: str, dataset: str, *, mortgage: int, preference: float, as_json: bool
) -> None:
    """Apply to a task's team with a DATASET and a mortgage."""
    emit(session.tasks.apply(task, dataset, mortgage=mortgage, preference=preference), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@click.argument("node")
@click.argument("ability", type=number(0, 1))
@json_option
def assess(session: Session, task: str, node: str, ability: float, *, as_json: bool) -> None:
    """State the ABILITY, 0 to 1, of a candidate NODE (the leader)."""
    emit(session.tasks.assess(task, node, ability=ability), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@json_option
def form(session: Session, task: str, *, as_json: bool) -> None:
    """Choose the best candidates; the others wait (the leader)."""
    emit(session.tasks.form(task), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@json_option
def start(session: Session, task: str, *, as_json: bool) -> None:
    """Start the rounds (the leader)."""
    emit(session.tasks.start(task), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@json_option
def promote(session: Session, task: str, *, as_json: bool) -> None:
    """Fill a freed place from the waiting list."""
    emit(session.tasks.promote(task), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@json_option
def leave(session: Session, task: str, *, as_json: bool) -> None:
    """Leave a team; what was missed is kept of the mortgage."""
    emit(session.tasks.leave(task), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@click.argument("node")
@json_option
def slash(session: Session, task: str, node: str, *, as_json: bool) -> None:
    """Punish a member for faults that the ledger holds (the leader)."""
    emit(session.tasks.slash(task, node), as_json=as_json)


@team.command()
@with_session
@click.argument("task")
@json_option
def accuse(session: Session, task: str, *, as_json: bool) -> None:
    """Vote, for the acting organisation, to take the lead from the team's leader."""
    emit(session.tasks.accuse_leader(task), as_json=as_json)
