"""The council's part of `fedpact consortium`: motions and votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fedpact.cli.access import with_session
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.paging import every
from fedpact.cli.parameters import MICROS

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

MOTIONS = ("activate_device", "admit_organisation", "issue_credit", "revoke_device", "suspend_device")


@click.command()
@with_session
@click.argument("name")
@click.argument("kind", type=click.Choice(MOTIONS))
@click.argument("subject")
@click.option("--amount", type=MICROS, default=0, help="Micro-credits, of issue_credit.")
@click.option("--detail", default="", help="Reasons; of admit_organisation the new member's name.")
@json_option
def propose(  # noqa: PLR0913 (arguments and options)
    session: Session, name: str, kind: str, subject: str, *, amount: int, detail: str, as_json: bool
) -> None:
    """Put a motion to the council: KIND is what is to be done to the SUBJECT.

    NAME is the proposer's own; the motion's id is MSPID/NAME. The SUBJECT is a device (MSPID/NAME), an
    MSP id, or an account.
    """
    motion = session.council.propose(name, kind, subject, amount=amount, detail=detail)
    emit(motion, as_json=as_json)


@click.command()
@with_session
@click.argument("motion")
@click.option("--approve/--reject", default=None, help="How the acting identity's organisation votes.")
@json_option
def vote(session: Session, motion: str, *, approve: bool | None, as_json: bool) -> None:
    """Vote on a motion; the deciding vote carries it out."""
    if approve is None:
        raise click.UsageError("give --approve or --reject")
    emit(session.council.vote(motion, approve=approve), as_json=as_json)


@click.command()
@with_session
@click.argument("motion")
@json_option
def motion(session: Session, motion: str, *, as_json: bool) -> None:
    """Show a motion and its votes."""
    emit(session.council.motion(motion), as_json=as_json)


@click.command()
@with_session
@json_option
def motions(session: Session, *, as_json: bool) -> None:
    """List the motions."""
    found = every(lambda after: session.council.motions(after=after), lambda motion: motion.id)
    emit_rows(found, ["id", "kind", "subject", "amount", "status"], as_json=as_json)
