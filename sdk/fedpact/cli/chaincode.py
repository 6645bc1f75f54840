"""`fedpact chaincode`: agree on the code that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from fedpact.cli.access import FILE, with_session
from fedpact.cli.output import emit, emit_rows, json_option

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.wire.chaincode_terms import ChaincodeTerms

F = TypeVar("F", bound=Callable[..., object])


@click.group(name="chaincode")
def command() -> None:
    """Agree on the code that runs: organisations approve a definition; enough approvals make it count.

    A definition names a version, which ends with the hash of the code; nodes run exactly the agreed one.
    """


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was approved or committed, and by which transaction."""

    name: str
    sequence: int
    version: str
    transaction_id: str
    block_number: int


def _terms_options(function: F) -> F:
    """Add what says a definition's terms; what is left out stays as it was agreed on before."""
    for option in (
        click.option(
            "--collections",
            type=FILE,
            help="Fabric's collections_config.json; default: the collections agreed on before.",
        ),
        click.option(
            "--policy",
            metavar="POLICY|PATH",
            help="Who must endorse: AND('A.peer', ...), or /Channel/Application/NAME; "
            "default: as agreed on before, at first the channel's Endorsement.",
        ),
        click.option("--sequence", type=click.IntRange(min=1), help="Of the definition; default: the next."),
        click.option(
            "--version", "version", default="", help="The code's; default: as it is installed here."
        ),
        click.argument("name"),
    ):
        function = option(function)
    return function


def _terms(
    session: Session,
    name: str,
    version: str,
    sequence: int | None,
    policy: str | None,
    collections: Path | None,
) -> ChaincodeTerms:
    from fedpact.wire.chaincode_terms import read_collections

    try:
        terms = session.chaincodes.proposed(name, version, sequence=sequence or 0)
        if policy is not None:
            terms = msgspec.structs.replace(terms, policy=policy)
        if collections is not None:
            terms = msgspec.structs.replace(terms, collections=read_collections(collections.read_bytes()))
        terms.as_fields()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return terms


@command.command()
@with_session
@_terms_options
@click.option("--package-id", default="", help="Which installed chaincode is meant, LABEL:HASH.")
@json_option
def approve(  # noqa: PLR0913 (options)
    session: Session,
    name: str,
    version: str,
    sequence: int | None,
    policy: str | None,
    collections: Path | None,
    *,
    package_id: str,
    as_json: bool,
) -> None:
    """Approve a definition of the chaincode NAME for the acting administrator's organisation."""
    terms = _terms(session, name, version, sequence, policy, collections)
    result = session.chaincodes.approve(terms, package_id=package_id)
    emit(_done(terms, result.transaction_id, result.block_number), as_json=as_json)


@command.command()
@with_session
@_terms_options
@json_option
def ready(  # noqa: PLR0913 (options)
    session: Session,
    name: str,
    version: str,
    sequence: int | None,
    policy: str | None,
    collections: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show who approved exactly this definition, and in what the others' approvals differ."""
    terms = _terms(session, name, version, sequence, policy, collections)
    emit(session.chaincodes.ready(terms), as_json=as_json)


@command.command()
@with_session
@_terms_options
@json_option
def commit(  # noqa: PLR0913 (options)
    session: Session,
    name: str,
    version: str,
    sequence: int | None,
    policy: str | None,
    collections: Path | None,
    *,
    as_json: bool,
) -> None:
    """Make an approved definition of the chaincode NAME the channel's."""
    terms = _terms(session, name, version, sequence, policy, collections)
    result = session.chaincodes.commit(terms)
    emit(_done(terms, result.transaction_id, result.block_number), as_json=as_json)


@command.command()
@with_session
@click.argument("name")
@json_option
def show(session: Session, name: str, *, as_json: bool) -> None:
    """Show the definition of a chaincode, and who approved exactly it."""
    emit(session.chaincodes.show(name), as_json=as_json)


@command.command(name="list")
@with_session
@json_option
def list_all(session: Session, *, as_json: bool) -> None:
    """List the definitions that the channel agreed on."""
    emit_rows(session.chaincodes.list(), ["name", "sequence", "version", "policy"], as_json=as_json)


@command.command()
@with_session
@json_option
def installed(session: Session, *, as_json: bool) -> None:
    """List the chaincodes that the node has."""
    emit_rows(session.chaincodes.installed(), ["label", "package_id", "channels"], as_json=as_json)


def _done(terms: ChaincodeTerms, transaction_id: str, block_number: int) -> Done:
    return Done(
        name=terms.name,
        sequence=terms.sequence,
        version=terms.version,
        transaction_id=transaction_id,
        block_number=block_number,
    )
