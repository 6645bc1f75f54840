"""A set of contracts as one chaincode: dispatch, errors, events, metadata."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from fedpact_chaincode.caller import caller_of
from fedpact_chaincode.contract import Context, Contract, Event, Transaction
from fedpact_chaincode.errors import CONTRACT_FAILED, MALFORMED_MESSAGE, UNKNOWN_TRANSACTION, Rejected
from fedpact_chaincode.state import encode
from fedpact_chaincode.stub import Stub
from fedpact_chaincode.transaction_state import State

log = logging.getLogger(__name__)
OK = 200
MAX_MESSAGE_BYTES = 32 << 20
METADATA = "org.hyperledger.fabric:GetMetadata"
"""The query by which Fabric's tools ask any chaincode for its contract metadata."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a chaincode answers: Fabric's `peer.Response`."""

    status: int
    message: str = ""
    payload: bytes = b""


class PublishedEvent(msgspec.Struct, frozen=True):
    """One event as it stands in the payload of a transaction's chaincode event (a JSON array of these)."""

    name: str
    data: msgspec.Raw


class Chaincode:
    """Runs contracts against any stub.

    Parameters
    ----------
    contracts : each name once.
    version : of the code; part of every endorsement.
    """

    def __init__(self, contracts: Iterable[Contract], *, version: str = "1") -> None:
        self.version = version
        self.contracts: dict[str, Contract] = {}
        for contract in contracts:
            if contract.name in self.contracts:
                raise ValueError(f"contract {contract.name} is given twice")
            self.contracts[contract.name] = contract

    def invoke(self, stub: Stub) -> Response:
        """Execute the call in `stub.args`. A failure is a status of 400 or more and no write."""
        return respond(self._run, stub)

    def find(self, name: str) -> Transaction:
        """Return the transaction called `contract:transaction`.

        Raises
        ------
        Rejected
            UNKNOWN_TRANSACTION.
        """
        contract, _, transaction = name.partition(":")
        found = self.contracts.get(contract)
        if found is None or transaction not in found.transactions:
            raise Rejected(UNKNOWN_TRANSACTION, name=name[:128])
        return found.transactions[transaction]

    def _run(self, stub: Stub) -> bytes:
        name = stub.args[0].decode("utf-8", "replace") if stub.args else ""
        if name == METADATA:
            return self.metadata()
        transaction = self.find(name)
        message = _decode(transaction, stub.args[1:])
        ctx = Context(
            state=State(stub),
            caller=caller_of(stub.creator),
            time_ms=stub.timestamp_ns // 1_000_000,
            tx_id=stub.tx_id,
            channel_id=stub.channel_id,
            transient=stub.transient,
            events=[],
        )
        result = transaction.function(ctx, message)
        if ctx.state.written and not transaction.submits:
            raise TypeError(f"query {name} writes")
        ctx.state.flush()
        if ctx.events:
            stub.set_event(event_name(ctx.events[0]), _publish(ctx.events))
        return b"" if result is None else encode(result)

    def metadata(self) -> bytes:
        """Return Fabric's contract metadata (JSON): transactions with the schemas of messages and results."""
        every = [t for c in self.contracts.values() for t in c.transactions.values()]
        types = [t.message for t in every] + [t.result for t in every if t.result is not None]
        unique = list(dict.fromkeys(types))
        schemas, components = msgspec.json.schema_components(
            unique, ref_template="#/components/schemas/{name}"
        )
        schema_of = dict(zip(unique, schemas, strict=True))
        contracts = {
            contract.name: {
                "name": contract.name,
                "info": {"title": contract.name, "description": contract.text, "version": self.version},
                "transactions": [
                    {
                        "name": t.name,
                        "tag": ["submit" if t.submits else "evaluate"],
                        "description": t.text,
                        "parameters": [{"name": "message", "schema": schema_of[t.message]}],
                        **({"returns": schema_of[t.result]} if t.result is not None else {}),
                    }
                    for t in contract.transactions.values()
                ],
            }
            for contract in self.contracts.values()
        }
        info = {"title": "fedpact", "version": self.version}
        document = {"info": info, "contracts": contracts, "components": {"schemas": components}}
        return msgspec.json.encode(document, order="deterministic")


def respond(run: Callable[[Stub], bytes], stub: Stub) -> Response:
    """Answer a call with what it returns, or with why it was refused or failed."""
    try:
        return Response(OK, payload=run(stub))
    except Rejected as rejected:
        return Response(rejected.status, rejected.to_json())
    except Exception as error:
        log.exception("chaincode failed in transaction %s", stub.tx_id)
        failed = Rejected(CONTRACT_FAILED, error=type(error).__name__)
        return Response(failed.status, failed.to_json())


def event_name(event: Event) -> str:
    """Return the name under which an event is published: its type's."""
    return type(event).__name__


def _decode(transaction: Transaction, args: Sequence[bytes]) -> msgspec.Struct:
    if len(args) > 1:
        raise Rejected(MALFORMED_MESSAGE, reason="one JSON message expected", arguments=len(args))
    text = args[0] if args else b"{}"
    if len(text) > MAX_MESSAGE_BYTES:
        raise Rejected(MALFORMED_MESSAGE, reason="too large", size_bytes=len(text))
    try:
        return transaction.decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(MALFORMED_MESSAGE, reason=str(error)[:300]) from error


def _publish(events: list[Event]) -> bytes:
    published = [PublishedEvent(event_name(event), msgspec.Raw(encode(event))) for event in events]
    return msgspec.json.encode(published)
