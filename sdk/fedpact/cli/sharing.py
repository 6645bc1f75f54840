"""`fedpact sharing`: consent, requests, results that are there already, deliveries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from fedpact.cli.access import FILE, require_retrieval_key, with_session
from fedpact.cli.output import emit, emit_rows, json_option
from fedpact.cli.parameters import duration, moment, pair
from fedpact.cli.wanted import Wanted, with_wanted

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

KINDS = ("classification", "regression")


@click.group(name="sharing")
def command() -> None:
    """Consent to requests, ask for models, deliver and open them."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was delivered and opened."""

    model: str
    file: str
    size_bytes: int


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@click.argument("purpose")
@click.option("--expires", type=moment, required=True, help="The first moment that is not covered.")
@click.option("--conditions", default="", help="What is asked of the requester, in words.")
@json_option
def grant(  # noqa: PLR0913 (arguments and options)
    session: Session,
    dataset: str,
    requester: str,
    purpose: str,
    *,
    expires: int,
    conditions: str,
    as_json: bool,
) -> None:
    """Let the organisation REQUESTER have models trained on a DATASET; PURPOSE is the tasks' category."""
    granted = session.sharing.grant(dataset, requester, purpose, expires_ms=expires, conditions=conditions)
    emit(granted, as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@click.argument("requester")
@click.argument("purpose")
@json_option
def revoke(session: Session, dataset: str, requester: str, purpose: str, *, as_json: bool) -> None:
    """Take a consent back: nothing new is trained or delivered under it."""
    emit(session.sharing.revoke(dataset, requester, purpose), as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@json_option
def grants(session: Session, dataset: str, *, as_json: bool) -> None:
    """List a dataset's grants, whatever their status; a hundred at most."""
    columns = ["requester", "purpose", "status", "expires_ms", "conditions"]
    emit_rows(session.sharing.grants(dataset), columns, as_json=as_json)


@command.command()
@with_session
@with_wanted
@click.argument("name")
@click.option("--category", required=True, help="Category of the data, and the purpose grants must cover.")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What is to be learned.")
@click.option(
    "--parameter",
    "parameters",
    type=pair,
    multiple=True,
    metavar="NAME=VALUE",
    help="What else makes another model, as rounds=6; repeat it.",
)
@click.option(
    "--max-age", type=duration, default="30d", show_default=True, help="How old a model may be that is there."
)
@json_option
def request(  # noqa: PLR0913 (arguments and options)
    session: Session,
    wanted: Wanted,
    name: str,
    *,
    category: str,
    kind: str,
    parameters: tuple[tuple[str, str], ...],
    max_age: int,
    as_json: bool,
) -> None:
    """Ask for a model; the outcome says whether one that was computed before answers it.

    The request's id is MSPID/NAME. Where it is no `hit`, `task create --request` publishes a task for it.
    """
    from fedpact.retrieval import DataRequest, fingerprint

    require_retrieval_key(session)
    if wanted.target is None:
        raise click.UsageError("what is to be predicted? give --target")
    asked = DataRequest(
        category=category,
        kind=kind,
        target=wanted.target,
        terms=wanted.hashed(session),
        fields=frozenset(column for column, _ in wanted.columns),
        parameters=dict(parameters),
    )
    try:
        digest = fingerprint(asked)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    emit(session.sharing.request(name, digest, category, max_age_ms=max_age), as_json=as_json)


@command.command()
@with_session
@click.argument("fingerprint")
@json_option
def cached(session: Session, fingerprint: str, *, as_json: bool) -> None:
    """List the models that were computed for a request's FINGERPRINT."""
    columns = ["task_id", "requester", "quality_nano", "model", "completed_ms"]
    emit_rows(session.sharing.cached(fingerprint), columns, as_json=as_json)


@command.command()
@with_session
@click.argument("request")
@click.argument("task")
@click.option("--note", default="", help="How it can be opened; nothing secret.")
@click.option(
    "--certificate", type=FILE, help="The requester's certificate (PEM): let it open the model in --models."
)
@json_option
def deliver(
    session: Session, request: str, task: str, *, note: str, certificate: Path | None, as_json: bool
) -> None:
    """Record that the acting member, who holds the model of TASK, delivered it for REQUEST."""
    if certificate is not None:
        _open_for(session, request, task, certificate)
    emit(session.sharing.deliver(request, task, note=note), as_json=as_json)


@command.command(name="open")
@with_session
@click.argument("request")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@json_option
def open_model(session: Session, request: str, file: Path, *, as_json: bool) -> None:
    """Decrypt the model that was delivered for REQUEST into FILE (safetensors), checked by its hash."""
    from fedpact.identity.private_files import write_private_file
    from fedpact.models import encode_tensors

    if session.models is None:
        raise click.UsageError("where is the model? give --models (FEDPACT_MODELS)")
    model = session.sharing.delivery(request).model
    content = encode_tensors(session.models.get(model))
    write_private_file(file, content)
    emit(Opened(model=model, file=str(file), size_bytes=len(content)), as_json=as_json)


def _open_for(session: Session, request: str, task: str, certificate: Path) -> None:
    """Wrap the model's key for the requester, if the certificate is the one that asked."""
    from fedpact.identity.certificates import load_certificate, public_key_hex

    if session.models is None:
        raise click.UsageError("where is the model? give --models (FEDPACT_MODELS)")
    asked = session.sharing.find_request(request)
    pem = certificate.read_bytes()
    if public_key_hex(load_certificate(pem)) != asked.public_key:
        raise click.UsageError(f"{certificate} is not the certificate of {asked.requested_by}, who asked")
    known = {model.task_id: model.model for model in session.sharing.cached(asked.fingerprint)}
    if task not in known:
        raise click.UsageError(f"task {task} has no model that answers {request}")
    session.models.grant(known[task], pem)
