"""The chaincode of `bench records`: values under numbered keys, read in every way that a contract can."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.contract import Context, Contract, Count, Message, Result

NAME = "records"
"""The chaincode's name on the channel: the namespace of its state."""
FILL, GET, RANGE, PAGE, HISTORY = (f"{NAME}:{name}" for name in ("fill", "get", "rows", "page", "history"))
MAX_FILLED = 1_000
_VALUE_BYTES = 100

Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_FILLED)]
contract = Contract(NAME, "Values under numbered keys, for measuring queries.")


class Numbers(Message, frozen=True, kw_only=True):
    """Consecutive records: `number` of them from `first` on."""

    first: Count
    number: Size


class Which(Message, frozen=True, kw_only=True):
    """One record."""

    record: Count


class PageOf(Message, frozen=True, kw_only=True):
    """A page of all records."""

    size: Size
    bookmark: str = ""


class Rows(Result, frozen=True, kw_only=True):
    """Values in the order of their keys, and the bookmark of the next page; empty after the last."""

    values: list[str]
    bookmark: str = ""


@contract.transaction
def fill(ctx: Context, message: Numbers) -> None:
    """Write records, or write them again."""
    for record in range(message.first, message.first + message.number):
        ctx.state.put(key_of(record), f"{record} ".ljust(_VALUE_BYTES, "x").encode())


@contract.query
def get(ctx: Context, message: Which) -> Rows:
    """Return one value."""
    value = ctx.state.get(key_of(message.record))
    return Rows(values=[] if value is None else [value.decode()])


@contract.query
def rows(ctx: Context, message: Numbers) -> Rows:
    """Return the values of a range, protected from phantoms."""
    found = ctx.state.range(key_of(message.first), key_of(message.first + message.number))
    return Rows(values=[value.decode() for _, value in found])


@contract.query
def page(ctx: Context, message: PageOf) -> Rows:
    """Return a page of all records."""
    found, bookmark = ctx.state.page("", "", message.size, message.bookmark)
    return Rows(values=[value.decode() for _, value in found], bookmark=bookmark)


@contract.query
def history(ctx: Context, message: Which) -> Rows:
    """Return a record's values, newest first."""
    changes = ctx.state.history(key_of(message.record))
    return Rows(values=[change.value.decode() for change in changes if change.value is not None])


def key_of(record: int) -> str:
    """Return a record's key; keys are in the order of the numbers."""
    return f"record-{record:09d}"


def chaincode() -> Chaincode:
    """Return the chaincode."""
    return Chaincode([contract])
