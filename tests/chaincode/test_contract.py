"""Declaring transactions, and what their context offers."""

from __future__ import annotations

import msgspec
import pytest

from fedpact_chaincode.caller import Caller
from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.contract import (
    Context,
    Contract,
    Digest,
    Event,
    Id,
    Message,
    Micros,
    Name,
    Nothing,
    Result,
    TimeMs,
)
from fedpact_chaincode.errors import TIME_RUNS_BACKWARDS
from fedpact_chaincode.state import State
from fedpact_chaincode.testing import MemoryLedger, MemoryStub, refused


class Ping(Message, frozen=True, kw_only=True):
    text: str = "ping"


class Pong(Result, frozen=True, kw_only=True):
    text: str


class Pinged(Event, frozen=True, kw_only=True):
    text: str


def test_a_transaction_is_its_function() -> None:
    contract = Contract("pings", "Answers")

    @contract.transaction
    def ping(ctx: Context, message: Ping) -> Pong:
        """Answer."""
        return Pong(text=message.text)

    @contract.query
    def silent(ctx: Context, message: Nothing) -> None:
        """Say nothing."""

    assert ping(None, Ping(text="a")) == Pong(text="a")
    declared = contract.transactions["ping"]
    assert (declared.contract, declared.name, declared.text) == ("pings", "ping", "Answer.")
    assert (declared.message, declared.result, declared.submits) == (Ping, Pong, True)
    assert contract.transactions["silent"].result is None
    assert not contract.transactions["silent"].submits


def test_functions_of_another_shape_are_refused() -> None:
    contract = Contract("shapes", "")

    def no_message(ctx: Context) -> None: ...
    def too_many(ctx: Context, message: Ping, more: int) -> None: ...
    def wrong_order(message: Ping, ctx: Context) -> None: ...

    for function in (no_message, too_many, wrong_order):
        with pytest.raises(TypeError, match="must take"):
            contract.transaction(function)
    assert contract.transactions == {}


class Inexact(Message, frozen=True, kw_only=True):
    rate: float


def test_messages_and_results_with_floats_are_refused() -> None:
    contract = Contract("floats", "")

    def takes(ctx: Context, message: Inexact) -> None: ...
    def gives(ctx: Context, message: Nothing) -> Inexact: ...

    for function in (takes, gives):
        with pytest.raises(TypeError, match="float"):
            contract.transaction(function)


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (Id, ["a", "AlphaMSP/alice", "é" * 160], ["", "a" * 161, "a\n", "\x00", "a\x7f", 3, None]),
        (Name, ["a", "two words", "x" * 64], ["", "x" * 65, "a/b", "a\n"]),
        (Digest, ["0" * 64, "abcdef01" * 8], ["0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n", "g" * 64]),
        (Micros, [0, 10**15], [-1, 10**15 + 1, 1.0, "1", True]),
        (TimeMs, [0, 10**14], [-1, 10**14 + 1, 10**30]),
    ],
)
def test_bounds_of_the_common_types(type_: type, good: list, bad: list) -> None:
    decoder = msgspec.json.Decoder(type_)
    for value in good:
        assert decoder.decode(msgspec.json.encode(value)) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            decoder.decode(msgspec.json.encode(value))


def test_the_context_keeps_events_in_order_and_refuses_earlier_times() -> None:
    stub = MemoryStub(MemoryLedger(Chaincode([])), b"", [], "tx")
    ctx = Context(State(stub), Caller("A", "a", "", ""), 1_000, "tx", "consortium", {}, [])
    ctx.emit(Pinged(text="1"))
    ctx.emit(Pinged(text="2"))
    assert [event.text for event in ctx.events] == ["1", "2"]
    ctx.not_before(1_000)
    with refused(TIME_RUNS_BACKWARDS, time_ms=1_000, earlier_ms=1_001):
        ctx.not_before(1_001)
