"""`fedpact credit`: accounts and payments, in micro-credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fedpact.cli.access import with_session
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.paging import every

if TYPE_CHECKING:
    from fedpact.consortium.session import Session


@click.group(name="credit")
def command() -> None:
    """See accounts and pay. Amounts are micro-credits; the council issues credit (`consortium propose`)."""


@command.command()
@with_session
@click.argument("account", required=False)
@json_option
def account(session: Session, account: str | None, *, as_json: bool) -> None:
    """Show an account: MSPID of an organisation, MSPID/NAME of a node; default: who acts."""
    emit(session.credit.account(account), as_json=as_json)


@command.command()
@with_session
@click.argument("target")
@click.argument("amount", type=click.IntRange(min=1, max=10**15))
@click.option("--from", "source", help="An account of the acting administrator's organisation.")
@click.option("--reference", default="", help="What it is for.")
@json_option
def transfer(
    session: Session, target: str, amount: int, *, source: str | None, reference: str, as_json: bool
) -> None:
    """Pay AMOUNT micro-credits to the account TARGET; shows the account that paid."""
    paid = session.credit.transfer(target, amount, source=source, reference=reference)
    emit(paid, as_json=as_json)


@command.command()
@with_session
@click.argument("account", required=False)
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="Number of the first entry.")
@json_option
def entries(session: Session, account: str | None, *, start: int, as_json: bool) -> None:
    """List an account's entries, oldest first; default: those of who acts."""
    name = account or session.identity.id
    found = every(
        lambda last: session.credit.entries(name, start=start if last is None else last + 1),
        lambda entry: entry.sequence,
    )
    columns = ["sequence", "time_ms", "reason", "amount", "balance_after", "counterparty", "reference"]
    emit_rows(found, columns, as_json=as_json)


@command.command()
@with_session
@json_option
def supply(session: Session, *, as_json: bool) -> None:
    """Add up every account and entry, and compare with what was issued."""
    emit(session.credit.conservation(), as_json=as_json)
