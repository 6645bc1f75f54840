"""Numbers that many want to change at the same time."""

from __future__ import annotations

from fedpact.testing.probe.cells import CELLS, Part
from fedpact_chaincode.contract import Context, Contract, Message, Nothing
from fedpact_chaincode.state import Map, Record


class Tally(Record, frozen=True, kw_only=True):
    """A number."""

    name: Part
    value: int


TALLIES = Map("tests.tally", Tally, key=("name",))
contract = Contract("tallies", "Numbers that many want to change")


class Change(Message, frozen=True, kw_only=True):
    """Add to a number."""

    name: Part
    amount: int


class Transfer(Message, frozen=True, kw_only=True):
    """Take from one number and add to another."""

    source: Part
    target: Part
    amount: int


class Counted(Message, frozen=True, kw_only=True):
    """Count a shelf, or only look at its first cell, and write the result into a number."""

    shelf: Part
    into: Part
    first_only: bool = False


@contract.transaction
def add(ctx: Context, message: Change) -> Tally:
    """Read a number, add to it and write it: of two at a time, one conflicts."""
    return _added(ctx, message.name, message.amount)


@contract.transaction
def transfer(ctx: Context, message: Transfer) -> Tally:
    """Move an amount; the sum of all numbers stays."""
    _added(ctx, message.target, message.amount)
    return _added(ctx, message.source, -message.amount)


@contract.transaction
def count(ctx: Context, message: Counted) -> Tally:
    """Count a shelf's cells: a cell that comes or goes meanwhile is a phantom."""
    found = CELLS.scan(ctx.state, message.shelf)
    number = (0 if next(found, None) is None else 1) if message.first_only else sum(1 for _ in found)
    return TALLIES.save(ctx.state, Tally(name=message.into, value=number))


@contract.query
def total(ctx: Context, message: Nothing) -> Tally:
    """Return the sum of all numbers."""
    return Tally(name="total", value=sum(tally.value for tally in TALLIES.scan(ctx.state)))


def _added(ctx: Context, name: str, amount: int) -> Tally:
    old = TALLIES.get(ctx.state, name)
    return TALLIES.save(ctx.state, Tally(name=name, value=(old.value if old else 0) + amount))
