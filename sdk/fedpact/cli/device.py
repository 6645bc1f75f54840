"""`fedpact device`: an organisation's devices, and anchoring what they measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fedpact.cli.access import FILE, FOLDER, Access, with_access, with_session
from fedpact.cli.homes import read_key
from fedpact.cli.output import emit, emit_rows, json_option, progress
from fedpact.cli.paging import every

if TYPE_CHECKING:
    from cryptography import x509

    from fedpact.consortium.session import Session
    from fedpact.telemetry import ReadingSchema


@click.group(name="device")
def command() -> None:
    """Register devices and anchor their readings. The council activates a device (`consortium propose`)."""


@command.command()
@with_access
@click.argument("device", required=False, metavar="[MSPID/NAME]")
@click.option(
    "--certificate", type=FILE, help="The device's certificate (PEM), if the wallet does not hold it."
)
@click.option("--description", default="", help="What it measures and where.")
@json_option
def register(
    access: Access, device: str | None, *, certificate: Path | None, description: str, as_json: bool
) -> None:
    """Register a device of the acting organisation: one of the wallet, or one with a certificate file."""
    from fedpact.identity.certificates import load_certificate

    if (device is None) == (certificate is None):
        raise click.UsageError("which device? give MSPID/NAME of one in the wallet, or --certificate")
    known: x509.Certificate
    if certificate is not None:
        known = load_certificate(certificate.read_bytes())
    else:
        known = access.enrolled(str(device)).certificate
    with access.connect() as session:
        emit(session.devices.register(known, description=description), as_json=as_json)


@command.command(name="list")
@with_session
@click.option("--organisation", metavar="MSPID", help="Whose; default: the acting organisation's.")
@json_option
def list_devices(session: Session, organisation: str | None, *, as_json: bool) -> None:
    """List an organisation's devices."""
    found = every(
        lambda after: session.devices.list(organisation, after=after),
        lambda device: device.id.partition("/")[2],
    )
    emit_rows(found, ["id", "status", "description", "changed_ms"], as_json=as_json)


@command.command()
@with_session
@click.argument("device")
@json_option
def show(session: Session, device: str, *, as_json: bool) -> None:
    """Show a device, MSPID/NAME."""
    emit(session.devices.get(device), as_json=as_json)


@command.command()
@with_session
@click.argument("device")
@json_option
def suspend(session: Session, device: str, *, as_json: bool) -> None:
    """Stop accepting a device's readings; only the council can activate it again."""
    emit(session.devices.suspend(device), as_json=as_json)


@command.command()
@with_access
@click.argument("dataset")
@click.argument("file", type=FILE)
@click.option(
    "--subject-key",
    type=FILE,
    envvar="FEDPACT_SUBJECT_KEY",
    show_envvar=True,
    help="The organisation's key for pseudonyms: 64 hexadecimal digits. Without it FILE holds pseudonyms.",
)
@click.option(
    "--field", "names", multiple=True, help="A field the readings may have; default: all that ship."
)
@click.option("--schema", "schema_file", type=FILE, help="JSON file with a schema of one's own.")
@click.option("--after", type=click.IntRange(min=0), help="Only readings numbered above this.")
@click.option("--store", type=FOLDER, help="Where the batches are kept; default: `readings` in the home.")
@json_option
def anchor(  # noqa: PLR0913 (options)
    access: Access,
    dataset: str,
    file: Path,
    *,
    subject_key: Path | None,
    names: tuple[str, ...],
    schema_file: Path | None,
    after: int | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Check a FILE of readings, keep them as batches and anchor the batches, as a manager.

    FILE is CSV with a header line (device, sequence, time, subject, field, unit, value), or JSON lines
    (.jsonl, .ndjson) with objects of these names; `time` is a date and time, `time_ms` milliseconds since
    1970. With --subject-key the subjects are the organisation's own names of its patients, which never leave
    it; without, FILE holds finished readings, with pseudonym, value_milli and salt. What is anchored already
    is left as it is; a FILE that goes on after it is continued with --after.
    """
    from fedpact.cli.anchoring import anchor_readings
    from fedpact.cli.readings import read_readings
    from fedpact.telemetry import SubjectKey

    if store is None:
        if access.home is None:
            raise click.UsageError("where are the batches kept? give --store, or --home")
        store = access.home / "readings"
    key = None if subject_key is None else SubjectKey(read_key(subject_key, "a subject key"))
    schema = _schema(names, schema_file)
    readings = [reading for reading in read_readings(file, key) if after is None or reading.sequence > after]
    with access.connect() as session, progress("anchoring") as advance:
        lines = list(anchor_readings(session, dataset, readings, schema, store=store, progress=advance))
    emit_rows(lines, ["device", "first_sequence", "last_sequence", "count", "status"], as_json=as_json)


@command.command()
@with_session
@click.argument("dataset")
@click.argument("device")
@json_option
def anchors(session: Session, dataset: str, device: str, *, as_json: bool) -> None:
    """List the anchors of a DEVICE's readings in a DATASET."""
    found = every(
        lambda after: session.devices.anchors(dataset, device, after=after),
        lambda anchor: anchor.first_sequence,
    )
    columns = ["first_sequence", "last_sequence", "count", "subjects", "content_hash", "manager"]
    emit_rows(found, columns, as_json=as_json)


def _schema(names: tuple[str, ...], file: Path | None) -> ReadingSchema:
    import msgspec

    from fedpact.telemetry import VITALS, ReadingSchema, schema_of

    if file is None:
        return schema_of(names) if names else VITALS
    if names:
        raise click.UsageError("--field chooses from the fields that ship; --schema brings its own")
    try:
        return msgspec.json.decode(file.read_bytes(), type=ReadingSchema)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} is no schema of readings: {error}") from error
