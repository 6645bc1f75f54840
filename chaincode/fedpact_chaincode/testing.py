"""A ledger in memory for tests of contracts: no signatures, no blocks, the same semantics of state.

Every call is executed twice and must propose the same writes, so that a contract that is not
deterministic fails its first test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from fedpact_chaincode.chaincode import OK, Chaincode, PublishedEvent, Response
from fedpact_chaincode.errors import Code, FieldValue, Rejected
from fedpact_chaincode.state import encode
from fedpact_chaincode.stub import KeyModification

S = TypeVar("S", bound=msgspec.Struct)


class MemoryStub:
    """A stub over a dictionary; writes are kept apart until the ledger applies them."""

    def __init__(self, ledger: MemoryLedger, creator: bytes, args: Sequence[bytes], tx_id: str) -> None:
        self.channel_id = "consortium"
        self.tx_id = tx_id
        self.args = list(args)
        self.creator = creator
        self.timestamp_ns = ledger.time_ms * 1_000_000
        self.transient: Mapping[str, bytes] = {}
        self.writes: dict[str, bytes | None] = {}
        self.event: tuple[str, bytes] | None = None
        self._ledger = ledger

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value."""
        return self._ledger.state.get(key)

    def put_state(self, key: str, value: bytes) -> None:
        """Propose a write."""
        self.writes[key] = value

    def delete_state(self, key: str) -> None:
        """Propose a removal."""
        self.writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed rows in key order."""
        yield from sorted((key, value) for key, value in self._ledger.state.items() if start <= key < end)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the changes, newest first."""
        yield from reversed(self._ledger.changes.get(key, []))

    def set_event(self, name: str, payload: bytes) -> None:
        """Keep the event."""
        self.event = (name, payload)


class MemoryLedger:
    """Submits and evaluates calls against a chaincode.

    Attributes
    ----------
    state : committed values by key.
    time_ms : the time of the next transaction; tests move it.
    events : every published event, in order.
    """

    def __init__(self, chaincode: Chaincode, *, time_ms: int = 1_700_000_000_000) -> None:
        self.chaincode = chaincode
        self.time_ms = time_ms
        self.state: dict[str, bytes] = {}
        self.changes: dict[str, list[KeyModification]] = {}
        self.events: list[PublishedEvent] = []
        self.transactions = 0

    def submit(self, creator: bytes, function: str, message: msgspec.Struct | None = None) -> bytes:
        """Execute and commit; return the payload.

        Raises
        ------
        Rejected
            What the contract refused; the state is as before.
        """
        stub, response = self._execute(creator, function, message)
        self.transactions += 1
        for key, value in stub.writes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value
            change = KeyModification(stub.tx_id, value, stub.timestamp_ns)
            self.changes.setdefault(key, []).append(change)
        if stub.event is not None:
            self.events += msgspec.json.decode(stub.event[1], type=list[PublishedEvent])
        return response.payload

    def evaluate(self, creator: bytes, function: str, message: msgspec.Struct | None = None) -> bytes:
        """Execute without committing; return the payload."""
        return self._execute(creator, function, message)[1].payload

    def ask(self, creator: bytes, function: str, message: msgspec.Struct | None, result: type[S]) -> S:
        """Evaluate and decode."""
        return msgspec.json.decode(self.evaluate(creator, function, message), type=result)

    def _execute(
        self, creator: bytes, function: str, message: msgspec.Struct | None
    ) -> tuple[MemoryStub, Response]:
        args = [function.encode()] + ([] if message is None else [encode(message)])
        tx_id = hashlib.sha256(f"{self.transactions}".encode() + b"".join(args)).hexdigest()
        first, second = (MemoryStub(self, creator, args, tx_id) for _ in range(2))
        response = self.chaincode.invoke(first)
        if self.chaincode.invoke(second) != response or (first.writes, first.event) != (
            second.writes,
            second.event,
        ):
            raise AssertionError(f"{function} is not deterministic")
        if response.status != OK:
            rejected = Rejected.from_json(response.message)
            raise rejected if rejected else AssertionError(response.message)
        return first, response


@contextmanager
def refused(code: Code, **fields: FieldValue) -> Iterator[None]:
    """Expect that the body is refused with this code, and these values among the disputed ones.

    Raises
    ------
    AssertionError
        The body passed, or was refused with other values.
    Rejected
        The body was refused with another code.
    """
    try:
        yield
    except Rejected as rejected:
        if rejected.code != code:
            raise
        if any(rejected.fields.get(name) != value for name, value in fields.items()):
            raise AssertionError(f"{rejected} does not dispute {fields}") from rejected
    else:
        raise AssertionError(f"nothing was refused, {code.name} was expected")
