"""The contract framework: transactions are typed functions of a context and a message.

    contract = Contract("credit")

    @contract.transaction
    def transfer(ctx: Context, message: Transfer) -> Transferred: ...

On the wire a transaction is called `credit:transfer` and takes its message as JSON. Messages, records,
events and results are frozen structs without floats; what does not fit the schema never reaches the
function. A function validates everything, then writes. (`frozen` and `kw_only` are written again on every
struct, because type checkers and msgspec do not inherit them.)
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from fedpact_chaincode.caller import Caller
from fedpact_chaincode.errors import TIME_RUNS_BACKWARDS, Rejected
from fedpact_chaincode.exactness import refuse_floats
from fedpact_chaincode.transaction_state import PrivateState, State


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends. Fields are bounded by their annotations."""


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a transaction or query answers when a record alone does not do."""


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened, in the past tense."""


class Nothing(Message, frozen=True, kw_only=True):
    """The message of a call without arguments."""


_TEXT = r"^[^\x00-\x1f\x7f]+\Z"
_NAME = r"^[^/\x00-\x1f\x7f]+\Z"
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=160, pattern=_TEXT, description="identifier")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=_NAME, description="without '/'")]
Text = Annotated[str, msgspec.Meta(max_length=1024, description="free text")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z", description="SHA-256, hex")]
Micros = Annotated[int, msgspec.Meta(ge=0, le=10**15, description="micro-credits")]
Nanos = Annotated[int, msgspec.Meta(ge=0, le=10**18, description="multiples of 1e-9")]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=10**14, description="milliseconds since 1970")]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12, description="a number of things")]


@dataclass(slots=True)
class Context:
    """One execution of one transaction.

    Attributes
    ----------
    state : the ledger's state under this transaction's own writes.
    caller : who signed the proposal, from the certificate.
    time_ms : the transaction's timestamp, milliseconds since 1970.
    tx_id : the transaction's id.
    channel_id : where it runs.
    transient : data for endorsers only.
    """

    state: State
    caller: Caller
    time_ms: int
    tx_id: str
    channel_id: str
    transient: Mapping[str, bytes]
    events: list[Event]

    def emit(self, event: Event) -> None:
        """Add an event; all events of a transaction are published together when it commits."""
        self.events.append(event)

    def private(self, collection: str) -> PrivateState:
        """Return this transaction's view of a collection of private data; maps work on it as on `state`.

        Whether the collection exists and the caller may use it shows when it is used: COLLECTION_UNDEFINED,
        COLLECTION_FORBIDDEN; PRIVATE_DATA_UNAVAILABLE on a node that lacks the data.
        """
        return self.state.private(collection)

    def not_before(self, earlier_ms: int) -> None:
        """Refuse (TIME_RUNS_BACKWARDS) a transaction dated before what it follows."""
        if self.time_ms < earlier_ms:
            raise Rejected(TIME_RUNS_BACKWARDS, time_ms=self.time_ms, earlier_ms=earlier_ms)


Function = Callable[[Context, typing.Any], msgspec.Struct | None]
F = typing.TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One callable entry of a contract."""

    contract: str
    name: str
    function: Function
    message: type[msgspec.Struct]
    result: type[msgspec.Struct] | None
    decoder: msgspec.json.Decoder[msgspec.Struct]
    submits: bool
    text: str


class Contract:
    """A named set of transactions and queries; one module each.

    Parameters
    ----------
    name : first half of the transactions' names on the wire.
    text : what the contract is for, for its metadata.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.transactions: dict[str, Transaction] = {}

    def transaction(self, function: F) -> F:
        """Offer a function that changes the state."""
        return self._add(function, submits=True)

    def query(self, function: F) -> F:
        """Offer a function that only reads."""
        return self._add(function, submits=False)

    def _add(self, function: F, *, submits: bool) -> F:
        hints = typing.get_type_hints(function, include_extras=True)
        names = list(inspect.signature(function).parameters)
        if len(names) != 2 or hints[names[0]] is not Context:
            raise TypeError(f"{self.name}:{function.__name__} must take (ctx: Context, message)")
        message, result = hints[names[1]], hints["return"]
        refuse_floats(message)
        result = None if result is type(None) else result
        if result is not None:
            refuse_floats(result)
        self.transactions[function.__name__] = Transaction(
            contract=self.name,
            name=function.__name__,
            function=function,
            message=message,
            result=result,
            decoder=msgspec.json.Decoder(message),
            submits=submits,
            text=inspect.getdoc(function) or "",
        )
        return function
