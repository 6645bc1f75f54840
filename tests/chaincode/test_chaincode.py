"""A chaincode: dispatch, malformed calls, events, metadata, and no trace of what failed."""

from __future__ import annotations

import json
import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact_chaincode.chaincode import MAX_MESSAGE_BYTES, METADATA, OK, Chaincode, Response
from fedpact_chaincode.contract import Context, Contract, Count, Event, Message, Nothing, Result
from fedpact_chaincode.errors import (
    CONTRACT_FAILED,
    MALFORMED_IDENTITY,
    MALFORMED_MESSAGE,
    RECORD_EXISTS,
    UNKNOWN_TRANSACTION,
    Rejected,
)
from fedpact_chaincode.memory_stub import MemoryStub
from fedpact_chaincode.state import Map, Record
from fedpact_chaincode.testing import MemoryLedger, refused

contract = Contract("counters", "Counts")


class Counter(Record, frozen=True, kw_only=True):
    name: str
    value: Count


COUNTERS = Map("tests.counter", Counter, key=("name",))


class Add(Message, frozen=True, kw_only=True):
    name: str
    amount: Count = 1


class Total(Result, frozen=True, kw_only=True):
    value: int


class Added(Event, frozen=True, kw_only=True):
    name: str
    amount: int


class Doubled(Event, frozen=True, kw_only=True):
    name: str


@contract.transaction
def add(ctx: Context, message: Add) -> Counter:
    """Count."""
    known = COUNTERS.get(ctx.state, message.name) or Counter(name=message.name, value=0)
    ctx.emit(Added(name=message.name, amount=message.amount))
    if message.amount == known.value:
        ctx.emit(Doubled(name=message.name))
    return COUNTERS.save(ctx.state, msgspec.structs.replace(known, value=known.value + message.amount))


@contract.transaction
def write_then_refuse(ctx: Context, message: Nothing) -> None:
    """Refuse too late."""
    ctx.emit(Doubled(name="x"))
    COUNTERS.save(ctx.state, Counter(name="x", value=1))
    COUNTERS.create(ctx.state, Counter(name="x", value=1))


@contract.transaction
def write_then_fail(ctx: Context, message: Nothing) -> None:
    """Break."""
    COUNTERS.save(ctx.state, Counter(name="x", value=1))
    raise KeyError("a programming error with secret=42")


@contract.query
def total(ctx: Context, message: Nothing) -> Total:
    """Add up."""
    return Total(value=sum(counter.value for counter in COUNTERS.scan(ctx.state)))


@contract.query
def writing_query(ctx: Context, message: Nothing) -> None:
    """Write in spite of being a query."""
    COUNTERS.save(ctx.state, Counter(name="x", value=1))


CALLS: list[int] = []


@contract.transaction
def changing(ctx: Context, message: Nothing) -> Total:
    """Answer differently each time."""
    CALLS.append(0)
    return Total(value=len(CALLS))


CHAINCODE = Chaincode([contract], version="7")


@pytest.fixture
def counters() -> MemoryLedger:
    return MemoryLedger(CHAINCODE)


@pytest.fixture
def alice(people) -> bytes:
    return people("AlphaMSP", "alice", "member")


def invoke(ledger: MemoryLedger, creator: bytes, *args: bytes) -> tuple[Response, MemoryStub]:
    stub = MemoryStub(ledger, creator, list(args), "tx")
    return CHAINCODE.invoke(stub), stub


def rejection(response: Response) -> Rejected:
    rejected = Rejected.from_json(response.message)
    assert rejected is not None
    assert rejected.status == response.status
    assert response.payload == b""
    return rejected


def test_a_call_runs_and_its_result_is_json(counters: MemoryLedger, alice: bytes) -> None:
    response, stub = invoke(counters, alice, b"counters:add", b'{"name":"a","amount":3}')
    assert response == Response(OK, "", b'{"name":"a","value":3}')
    assert stub.writes == {"\x00tests.counter\x00a\x00": b'{"name":"a","value":3}'}


def test_defaults_apply_and_a_call_without_message_is_an_empty_one(
    counters: MemoryLedger, alice: bytes
) -> None:
    counters.submit(alice, "counters:add", Add(name="a"))
    assert counters.ask(alice, "counters:total", None, Total) == Total(value=1)
    assert invoke(counters, alice, b"counters:total")[0].payload == b'{"value":1}'


@pytest.mark.parametrize(
    "name",
    [b"", b"add", b"counters", b"counters:", b":add", b"counters:nothing", b"others:add", b"\xff:\xfe"],
)
def test_unknown_transactions(counters: MemoryLedger, alice: bytes, name: bytes) -> None:
    response, stub = invoke(counters, alice, name, b"{}")
    assert rejection(response).code is UNKNOWN_TRANSACTION
    assert stub.writes == {}


def test_a_call_without_arguments_is_unknown(counters: MemoryLedger, alice: bytes) -> None:
    assert rejection(invoke(counters, alice)[0]).code is UNKNOWN_TRANSACTION


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b'{"name":1}',
        b'{"name":"a","amount":-1}',
        b'{"name":"a","amount":1.5}',
        b'{"name":"a","amount":1e3}',
        b'{"name":"a","amount":999999999999999999999999999999}',
        b'{"name":"a","unknown":1}',
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":"a"} trailing',
        b"[" * 100_000,
        b'{"name":' + b"[" * 100_000,
    ],
    ids=range(16),
)
def test_malformed_messages(counters: MemoryLedger, alice: bytes, message: bytes) -> None:
    response, stub = invoke(counters, alice, b"counters:add", message)
    assert rejection(response).code is MALFORMED_MESSAGE
    assert len(response.message) < 1000
    assert stub.writes == {}


@given(message=st.binary(max_size=64))
def test_any_bytes_are_answered(message: bytes) -> None:
    stub = MemoryStub(MemoryLedger(CHAINCODE), b"", [b"counters:add", message], "tx")
    assert rejection(CHAINCODE.invoke(stub)).code in {MALFORMED_MESSAGE, MALFORMED_IDENTITY}


def test_oversized_and_surplus_messages(counters: MemoryLedger, alice: bytes) -> None:
    padded = b'{"name":"a"}'.ljust(MAX_MESSAGE_BYTES + 1)
    response, _ = invoke(counters, alice, b"counters:add", padded)
    assert rejection(response).fields == {"reason": "too large", "size_bytes": MAX_MESSAGE_BYTES + 1}
    response, _ = invoke(counters, alice, b"counters:add", b'{"name":"a"}', b"{}")
    assert rejection(response).code is MALFORMED_MESSAGE
    assert rejection(response).fields["arguments"] == 2


def test_a_malformed_creator_is_refused(counters: MemoryLedger) -> None:
    response, _ = invoke(counters, b"nobody", b"counters:add", b'{"name":"a"}')
    assert rejection(response).code is MALFORMED_IDENTITY


def test_a_refused_call_leaves_no_trace(counters: MemoryLedger, alice: bytes) -> None:
    response, stub = invoke(counters, alice, b"counters:write_then_refuse")
    assert rejection(response).code is RECORD_EXISTS
    assert (stub.writes, stub.event) == ({}, None)
    with refused(RECORD_EXISTS):
        counters.submit(alice, "counters:write_then_refuse")
    assert (counters.state, counters.events, counters.transactions) == ({}, [], 0)


def test_a_failing_contract_tells_its_log_not_its_caller(
    counters: MemoryLedger, alice: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response, stub = invoke(counters, alice, b"counters:write_then_fail")
    assert rejection(response).code is CONTRACT_FAILED
    assert response.status == 500
    assert "secret" not in response.message
    assert "secret=42" in caplog.text
    assert stub.writes == {}


def test_a_query_cannot_write(counters: MemoryLedger, alice: bytes) -> None:
    response, stub = invoke(counters, alice, b"counters:writing_query")
    assert rejection(response).code is CONTRACT_FAILED
    assert stub.writes == {}


def test_all_events_of_a_transaction_are_published_together(counters: MemoryLedger, alice: bytes) -> None:
    counters.submit(alice, "counters:add", Add(name="a"))
    response, stub = invoke(counters, alice, b"counters:add", b'{"name":"a"}')
    assert response.status == OK
    name, payload = stub.event
    assert name == "Added"
    assert json.loads(payload) == [
        {"name": "Added", "data": {"name": "a", "amount": 1}},
        {"name": "Doubled", "data": {"name": "a"}},
    ]


def test_the_memory_ledger_finds_contracts_that_are_not_deterministic(
    counters: MemoryLedger, alice: bytes
) -> None:
    with pytest.raises(AssertionError, match="not deterministic"):
        counters.submit(alice, "counters:changing")


def test_the_memory_ledger_keeps_history(counters: MemoryLedger, alice: bytes) -> None:
    for _ in range(2):
        counters.submit(alice, "counters:add", Add(name="a"))
    [key] = counters.state
    assert [json.loads(change.value)["value"] for change in counters.changes[key]] == [1, 2]
    assert counters.transactions == 2


def test_metadata_names_every_transaction_with_its_schemas(counters: MemoryLedger) -> None:
    response, _ = invoke(counters, b"anybody", METADATA.encode())
    document = json.loads(response.payload)
    assert document["info"] == {"title": "fedpact", "version": "7"}
    described = document["contracts"]["counters"]
    by_name = {transaction["name"]: transaction for transaction in described["transactions"]}
    assert set(by_name) == set(contract.transactions)
    assert by_name["total"]["tag"] == ["evaluate"]
    assert by_name["add"]["tag"] == ["submit"]
    assert by_name["add"]["description"] == "Count."
    assert by_name["add"]["returns"] == {"$ref": "#/components/schemas/Counter"}
    assert "returns" not in by_name["write_then_refuse"]
    schemas = document["components"]["schemas"]
    assert schemas["Add"]["required"] == ["name"]
    assert schemas["Add"]["additionalProperties"] is False
    assert response.payload == CHAINCODE.metadata()


def test_a_contract_is_given_once() -> None:
    with pytest.raises(ValueError, match="given twice"):
        Chaincode([contract, contract])
