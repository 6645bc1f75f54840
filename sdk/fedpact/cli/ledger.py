"""`fedpact ledger blocks|tx|state`: look at what a ledger holds; for files of it see `ledger_archive`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fedpact.cli.access import home_option
from fedpact.cli.homes import ledger_url
from fedpact.cli.ledger_archive import backup, export_, import_, rebuild, restore
from fedpact.cli.output import emit, emit_rows, json_option


@click.group(name="ledger")
def command() -> None:
    """Look at blocks, transactions and state; keep a ledger in a file, and take it back."""


class BlockLine(msgspec.Struct, frozen=True):
    """A block, as listed."""

    number: int
    hash: str
    transactions: int
    valid: int
    state_hash: str


class TransactionView(msgspec.Struct, frozen=True):
    """A transaction, as shown."""

    transaction_id: str
    block: int
    code: str
    creator: str
    time_ms: int
    function: str
    message: msgspec.Raw
    status: int
    result: str
    event: str
    endorsers: list[str]
    reads: list[str]
    writes: list[str]


class StateLine(msgspec.Struct, frozen=True):
    """A row of the state."""

    namespace: str
    record: str
    key: list[str]
    version: str
    value: msgspec.Raw


@command.command()
@click.argument("url", required=False)
@click.option(
    "--from", "start", type=click.IntRange(min=0), default=0, show_default=True, help="First block."
)
@click.option("--count", type=click.IntRange(min=1), default=20, show_default=True, help="Number of blocks.")
@home_option
@json_option
def blocks(url: str | None, home: Path | None, start: int, count: int, *, as_json: bool) -> None:
    """List blocks of the ledger at URL (default: the home's)."""
    from itertools import islice

    from fedpact.ledger import inspect_ledger
    from fedpact.wire.blocks import parse_block

    ledger = inspect_ledger(ledger_url(url, home))
    try:
        lines = []
        for data in islice(ledger.blocks(start), count):
            block = parse_block(data)
            valid = block.filter.count(0)
            state = ledger.state_hash_at(block.number)
            lines.append(BlockLine(block.number, block.hash.hex(), len(block.envelopes), valid, state))
        emit_rows(lines, ["number", "hash", "transactions", "valid", "state_hash"], as_json=as_json)
    finally:
        ledger.close()


@command.command()
@click.argument("transaction_id")
@click.argument("url", required=False)
@home_option
@json_option
def tx(transaction_id: str, url: str | None, home: Path | None, *, as_json: bool) -> None:
    """Show one transaction of the ledger at URL (default: the home's)."""
    from fedpact.ledger import inspect_ledger

    ledger = inspect_ledger(ledger_url(url, home))
    try:
        place = ledger.locate(transaction_id)
        data = b"" if place is None else next(ledger.blocks(place.block), b"")
        view = _find(data, transaction_id)
        if view is not None:
            emit(view, as_json=as_json)
            return
    finally:
        ledger.close()
    raise click.ClickException(f"the ledger has no transaction {transaction_id}")


@command.command()
@click.argument("url", required=False)
@click.option("--namespace", default="fedpact", show_default=True, help="The chaincode's namespace.")
@click.option("--record", default="", help="Only records of this type, such as `tasks.task`.")
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="Number of rows.")
@home_option
@json_option
def state(
    url: str | None, home: Path | None, namespace: str, record: str, count: int, *, as_json: bool
) -> None:
    """List rows of the state of the ledger at URL (default: the home's)."""
    from itertools import islice

    from fedpact.ledger import inspect_ledger
    from fedpact_chaincode.state import split_key

    ledger = inspect_ledger(ledger_url(url, home))
    start, end = ("", "") if not record else (f"\x00{record}\x00", f"\x00{record}\x01")
    try:
        lines = []
        for row in islice(ledger.state(namespace, start, end), count):
            prefix, parts = split_key(row.key)
            version = f"{row.version.block}.{row.version.tx}"
            lines.append(StateLine(namespace, prefix, list(parts), version, _raw(row.value)))
        emit_rows(lines, ["record", "key", "version", "value"], as_json=as_json)
    finally:
        ledger.close()


for about_files in (backup, restore, rebuild, export_, import_):
    command.add_command(about_files)


def _find(data: bytes, transaction_id: str) -> TransactionView | None:
    from fedpact.wire.blocks import parse_block
    from fedpact.wire.commits import ValidationCode
    from fedpact.wire.envelopes import parse_envelope
    from fedpact.wire.errors import WireError

    block = parse_block(data)
    for position, envelope in enumerate(block.envelopes):
        try:
            parsed = parse_envelope(envelope)
        except WireError:
            continue
        if parsed.transaction_id == transaction_id:
            return TransactionView(
                transaction_id,
                block.number,
                ValidationCode(block.filter[position]).name,
                _name(parsed.headers.creator),
                parsed.timestamp_ns // 1_000_000,
                parsed.args[0].decode("utf-8", "replace") if parsed.args else "",
                _raw(parsed.args[1] if len(parsed.args) > 1 else b"{}"),
                parsed.response.status,
                parsed.response.payload.decode("utf-8", "replace"),
                parsed.event.name if parsed.event else "",
                [_name(endorser) for endorser, _ in parsed.endorsements],
                [_readable(read.key) for rwset in parsed.rwset for read in rwset.reads],
                [_readable(write.key) for rwset in parsed.rwset for write in rwset.writes],
            )
    return None


def _name(creator: bytes) -> str:
    from fedpact_chaincode.caller import caller_of
    from fedpact_chaincode.errors import Rejected

    try:
        return caller_of(creator).id
    except Rejected:
        return "unreadable"


def _readable(key: str) -> str:
    from fedpact_chaincode.state import split_key

    prefix, parts = split_key(key)
    return "/".join([prefix, *parts]) if prefix else key


def _raw(value: bytes) -> msgspec.Raw:
    """Return JSON as it is, anything else as a JSON text."""
    try:
        msgspec.json.decode(value)
    except msgspec.MsgspecError:
        return msgspec.Raw(msgspec.json.encode(value.decode("utf-8", "replace")))
    return msgspec.Raw(value)
