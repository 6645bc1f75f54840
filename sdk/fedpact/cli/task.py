"""`fedpact task`: requests for models, from publishing to their end; for their teams see `team`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedpact.cli.access import FILE, with_session
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.paging import every
from fedpact.cli.parameters import MICROS, moment, number, pair
from fedpact.cli.team import team

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

KINDS = ("classification", "regression")
STATUSES = ("open", "teamed", "running", "completed", "cancelled", "expired")


@click.group(name="task")
def command() -> None:
    """Publish training tasks and follow them; recruit and form their teams."""


command.add_command(team)


@command.command()
@with_session
@click.argument("id", required=False)
@click.option("--file", type=FILE, help="TOML file with the terms; options come before it.")
@click.option("--request", metavar="MSPID/NAME", help="The sharing request it answers.")
@click.option("--fingerprint", help="Of the request, where there is none on the ledger.")
@click.option("--category", help="Of the data; default: the request's.")
@click.option("--kind", type=click.Choice(KINDS), help="What is learned.")
@click.option("--rounds", type=click.IntRange(1, 1000), help="Rounds at most.")
@click.option("--deadline", type=moment, help="When it expires: 2027-01-31, or +30d.")
@click.option("--reward-per-round", type=MICROS, help="Micro-credits.")
@click.option("--team-size", type=click.IntRange(2, 1000), help="Members of the team.")
@click.option("--target-quality", type=number(0, 1e9), help="Accuracy or MAE at which it may end earlier.")
@click.option("--min-credit", type=MICROS, help="What members must have earned, micro-credits.")
@click.option("--min-mortgage", type=MICROS, help="What members deposit at least, micro-credits.")
@click.option(
    "--privacy-required/--no-privacy-required", default=None, help="Whether updates need a privacy budget."
)
@click.option("--rule", "rules", type=pair, multiple=True, metavar="NAME=VALUE", help="A rule of its rounds.")
@json_option
def create(
    session: Session,
    /,
    file: Path | None,
    rules: tuple[tuple[str, str], ...],
    *,
    as_json: bool,
    **options: object,
) -> None:
    """Publish a task called ID and fund all its rounds from the acting identity's account.

    The terms come from options, or from a TOML FILE with the keys id, request, fingerprint, category, kind,
    rounds, deadline, reward_per_round, team_size, target_quality, min_credit, min_mortgage,
    privacy_required, and a table [rules].
    """
    from fedpact.cli.task_terms import TaskTerms, complete, merge, read_terms
    from fedpact.records import LearningKind

    if options["kind"] is not None:
        options["kind"] = LearningKind(str(options["kind"]))
    said = TaskTerms() if file is None else read_terms(file)
    terms = merge(said, options, dict(rules))
    emit(session.tasks.create(complete(terms, session)), as_json=as_json)


@command.command(name="list")
@with_session
@click.option("--status", type=click.Choice(STATUSES), help="Only tasks of this status.")
@json_option
def list_tasks(session: Session, status: str | None, *, as_json: bool) -> None:
    """List tasks."""
    from fedpact.records import TaskStatus

    wanted = None if status is None else TaskStatus(status)
    found = every(lambda after: session.tasks.list(after=after, status=wanted), lambda task: task.id)
    columns = ["id", "status", "category", "kind", "requester", "rounds", "rounds_closed", "team_size"]
    emit_rows(found, columns, as_json=as_json)


@command.command()
@with_session
@click.argument("task")
@json_option
def show(session: Session, task: str, *, as_json: bool) -> None:
    """Show a task."""
    emit(session.tasks.get(task), as_json=as_json)


@command.command()
@with_session
@click.argument("task")
@click.argument("node")
@json_option
def appoint(session: Session, task: str, node: str, *, as_json: bool) -> None:
    """Choose the aggregator among a task's team (the requester)."""
    emit(session.tasks.appoint(task, node), as_json=as_json)


@command.command()
@with_session
@click.argument("task")
@json_option
def cancel(session: Session, task: str, *, as_json: bool) -> None:
    """Cancel a task that has not started; everything is refunded."""
    emit(session.tasks.cancel(task), as_json=as_json)


@command.command()
@with_session
@click.argument("task")
@json_option
def expire(session: Session, task: str, *, as_json: bool) -> None:
    """End a task whose deadline has passed; anyone may."""
    emit(session.tasks.expire(task), as_json=as_json)
