"""Texts on shelves, under composite keys, and values under plain ones."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Contract, Count, Event, Message, Nothing, Result, TimeMs
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected
from fedpact_chaincode.state import Map, Record

Part = Annotated[str, msgspec.Meta(min_length=1, max_length=160)]
Key = Annotated[str, msgspec.Meta(max_length=1024)]
Content = Annotated[str, msgspec.Meta(max_length=4 << 20)]


class Cell(Record, frozen=True, kw_only=True):
    """A text in a place of a shelf."""

    shelf: Part
    place: Part
    text: Content


CELLS = Map("tests.cell", Cell, key=("shelf", "place"))
contract = Contract("cells", "Texts on shelves")


class Place(Message, frozen=True, kw_only=True):
    """Name a cell."""

    shelf: Part
    place: Part


class Written(Message, frozen=True, kw_only=True):
    """A cell's new content."""

    shelf: Part
    place: Part
    text: Content


class Filling(Message, frozen=True, kw_only=True):
    """How many cells to write at once, from which number on: places are 00000, 00001, ..."""

    shelf: Part
    first: Count
    number: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Shelf(Message, frozen=True, kw_only=True):
    """Name a shelf, and the place after which a page begins."""

    shelf: Part
    after: Part | None = None


class Plain(Message, frozen=True, kw_only=True):
    """A value under a plain key, outside all maps; None removes it."""

    key: Key
    value: Content | None


class Span(Message, frozen=True, kw_only=True):
    """Keys from start up to end; both may be empty: unbounded, but without composite keys."""

    start: Key = ""
    end: Key = ""


class CellCreated(Event, frozen=True, kw_only=True):
    """A cell was created."""

    shelf: str
    place: str


class Cells(Result, frozen=True, kw_only=True):
    """Cells in the order of their keys."""

    cells: list[Cell]


class Rows(Result, frozen=True, kw_only=True):
    """Keys and values, in the order of the keys."""

    rows: list[tuple[str, str]]


class Past(Result, frozen=True, kw_only=True):
    """The changes of a cell, newest first: transaction id, text or None, milliseconds since 1970."""

    changes: list[tuple[str, str | None, int]]


class Seen(Result, frozen=True, kw_only=True):
    """What a transaction saw of its own writes."""

    written: str | None
    listed: list[str]
    removed: str | None
    remaining: list[str]


class Call(Result, frozen=True, kw_only=True):
    """What a contract is told about the call."""

    caller: str
    role: str
    time_ms: TimeMs
    tx_id: str
    channel_id: str
    secret: str | None


@contract.transaction
def create(ctx: Context, message: Written) -> Cell:
    """Create a cell; refused (RECORD_EXISTS) if there is one."""
    made = CELLS.create(ctx.state, _cell(message))
    ctx.emit(CellCreated(shelf=made.shelf, place=made.place))
    return made


@contract.transaction
def write(ctx: Context, message: Written) -> None:
    """Write without reading: such writes never conflict."""
    CELLS.save(ctx.state, _cell(message))


@contract.transaction
def fill(ctx: Context, message: Filling) -> None:
    """Write many cells in one transaction."""
    for number in range(message.first, message.first + message.number):
        CELLS.save(ctx.state, Cell(shelf=message.shelf, place=f"{number:05d}", text="x"))


@contract.transaction
def remove(ctx: Context, message: Place) -> None:
    """Remove without reading."""
    CELLS.delete(ctx.state, message.shelf, message.place)


@contract.transaction
def spoil(ctx: Context, message: Written) -> None:
    """Write, remove and publish, and then be refused."""
    CELLS.save(ctx.state, _cell(message))
    ctx.state.put("spoiled", b"x")
    ctx.state.delete("kept")
    ctx.emit(CellCreated(shelf=message.shelf, place=message.place))
    raise Rejected(RECORD_EXISTS, place=message.place)


@contract.transaction
def see_own_writes(ctx: Context, message: Written) -> Seen:
    """Write, read and list, then remove, read and list; what stays is the text, written once more."""
    saved = CELLS.save(ctx.state, _cell(message))
    written = CELLS.get(ctx.state, saved.shelf, saved.place)
    listed = [cell.place for cell in CELLS.scan(ctx.state, saved.shelf)]
    CELLS.delete(ctx.state, saved.shelf, saved.place)
    removed = CELLS.get(ctx.state, saved.shelf, saved.place)
    remaining = [cell.place for cell in CELLS.scan(ctx.state, saved.shelf)]
    CELLS.save(ctx.state, saved)
    return Seen(
        written=written.text if written else None,
        listed=listed,
        removed=removed.text if removed else None,
        remaining=remaining,
    )


@contract.query
def read(ctx: Context, message: Place) -> Cell:
    """Return a cell."""
    return CELLS.load(ctx.state, message.shelf, message.place)


@contract.query
def listing(ctx: Context, message: Shelf) -> Cells:
    """Return a shelf's cells."""
    return Cells(cells=list(CELLS.scan(ctx.state, message.shelf, after=message.after)))


@contract.query
def past(ctx: Context, message: Place) -> Past:
    """Return a cell's history."""
    return Past(
        changes=[
            (
                change.transaction_id,
                None if change.value is None else CELLS.decode(change.value).text,
                change.timestamp_ns // 1_000_000,
            )
            for change in CELLS.history(ctx.state, message.shelf, message.place)
        ]
    )


@contract.transaction
def put(ctx: Context, message: Plain) -> None:
    """Write or remove a plain key."""
    if message.value is None:
        ctx.state.delete(message.key)
    else:
        ctx.state.put(message.key, message.value.encode())


@contract.query
def span(ctx: Context, message: Span) -> Rows:
    """Return the rows of a range."""
    found = ctx.state.range(message.start, message.end)
    return Rows(rows=[(key, value.decode()) for key, value in found])


@contract.query
def call(ctx: Context, message: Nothing) -> Call:
    """Return what the contract is told about this call."""
    secret = ctx.transient.get("secret")
    return Call(
        caller=ctx.caller.id,
        role=ctx.caller.role,
        time_ms=ctx.time_ms,
        tx_id=ctx.tx_id,
        channel_id=ctx.channel_id,
        secret=None if secret is None else secret.decode(),
    )


def _cell(message: Written) -> Cell:
    return Cell(shelf=message.shelf, place=message.place, text=message.text)
