"""A ledger in memory for tests of contracts: no signatures, no blocks, the same semantics of state.

Every call is executed twice and must propose the same writes, so that a contract that is not
deterministic fails its first test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TypeVar

import msgspec

from fedpact_chaincode.chaincode import OK, Chaincode, PublishedEvent, Response
from fedpact_chaincode.errors import Code, FieldValue, Rejected
from fedpact_chaincode.memory_stub import NOTHING, MemoryStub
from fedpact_chaincode.state import encode
from fedpact_chaincode.stub import Collection, KeyModification

S = TypeVar("S", bound=msgspec.Struct)
K = TypeVar("K", bound=Hashable)
NO_COLLECTIONS: Mapping[str, Collection] = MappingProxyType({})


class MemoryLedger:
    """Submits and evaluates calls against a chaincode.

    Parameters
    ----------
    chaincode : what is called.
    time_ms : the time of the first transaction.
    collections : of private data, by name.

    Attributes
    ----------
    state : committed values by key.
    parameters : committed validation parameters by key.
    private, hashes, private_parameters : of private data by (collection, key); who takes a value out of
        `private` has a node that does not hold it.
    time_ms : the time of the next transaction; tests move it.
    events : every published event, in order.
    """

    def __init__(
        self,
        chaincode: Chaincode,
        *,
        time_ms: int = 1_700_000_000_000,
        collections: Mapping[str, Collection] = NO_COLLECTIONS,
    ) -> None:
        self.chaincode = chaincode
        self.time_ms = time_ms
        self.collections = collections
        self.state: dict[str, bytes] = {}
        self.parameters: dict[str, bytes] = {}
        self.private: dict[tuple[str, str], bytes] = {}
        self.hashes: dict[tuple[str, str], bytes] = {}
        self.private_parameters: dict[tuple[str, str], bytes] = {}
        self.changes: dict[str, list[KeyModification]] = {}
        self.events: list[PublishedEvent] = []
        self.transactions = 0

    def submit(
        self,
        creator: bytes,
        function: str,
        message: msgspec.Struct | None = None,
        transient: Mapping[str, bytes] = NOTHING,
    ) -> bytes:
        """Execute and commit; return the payload.

        Raises
        ------
        Rejected
            What the contract refused; the state is as before.
        """
        stub, response = self._execute(creator, function, message, transient)
        self.transactions += 1
        self.apply(stub)
        return response.payload

    def apply(self, stub: MemoryStub) -> None:
        """Commit what an execution proposes."""
        outcome = stub.outcome
        _apply(self.state, self.parameters, outcome.writes, outcome.parameters)
        for key, value in outcome.writes.items():
            change = KeyModification(stub.tx_id, value, stub.timestamp_ns)
            self.changes.setdefault(key, []).append(change)
        hashes = {
            key: None if value is None else hashlib.sha256(value).digest()
            for key, value in outcome.private_writes.items()
        }
        _apply(self.private, {}, outcome.private_writes, {})
        _apply(self.hashes, self.private_parameters, hashes, outcome.private_parameters)
        if outcome.event is not None:
            self.events += msgspec.json.decode(outcome.event[1], type=list[PublishedEvent])

    def evaluate(self, creator: bytes, function: str, message: msgspec.Struct | None = None) -> bytes:
        """Execute without committing; return the payload."""
        return self._execute(creator, function, message)[1].payload

    def ask(self, creator: bytes, function: str, message: msgspec.Struct | None, result: type[S]) -> S:
        """Evaluate and decode."""
        return msgspec.json.decode(self.evaluate(creator, function, message), type=result)

    def _execute(
        self,
        creator: bytes,
        function: str,
        message: msgspec.Struct | None,
        transient: Mapping[str, bytes] = NOTHING,
    ) -> tuple[MemoryStub, Response]:
        args = [function.encode()] + ([] if message is None else [encode(message)])
        tx_id = hashlib.sha256(f"{self.transactions}".encode() + b"".join(args)).hexdigest()
        first, second = (MemoryStub(self, creator, args, tx_id, transient) for _ in range(2))
        response = self.chaincode.invoke(first)
        if self.chaincode.invoke(second) != response or first.outcome != second.outcome:
            raise AssertionError(f"{function} is not deterministic")
        if response.status != OK:
            rejected = Rejected.from_json(response.message)
            raise rejected if rejected else AssertionError(response.message)
        return first, response


def _apply(
    rows: dict[K, bytes],
    parameters: dict[K, bytes],
    writes: Mapping[K, bytes | None],
    new_parameters: Mapping[K, bytes],
) -> None:
    """Change rows as a commit does: a key's policy stays with its values and goes with the key."""
    for key, value in writes.items():
        if value is None:
            rows.pop(key, None)
            parameters.pop(key, None)
        else:
            rows[key] = value
    parameters.update({key: policy for key, policy in new_parameters.items() if key in rows})


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
