"""Re-execution: run a transaction's contract again on the replayed state and compare every result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fedpact.audit.replayed_state import ReplayedState
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write
from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.stub import KeyModification


@dataclass(slots=True)
class _Scan:
    start: str
    end: str
    reads: list[Read] = field(default_factory=list)
    exhausted: bool = False

    def query(self) -> RangeQuery:
        end = self.end if self.exhausted or not self.reads else self.reads[-1].key
        return RangeQuery(self.start, end, self.exhausted, tuple(self.reads))


class ReplayStub:
    """A stub over the replayed state that records what the contract reads and writes."""

    def __init__(self, state: ReplayedState, transaction: ParsedTransaction) -> None:
        self._state = state
        self._transaction = transaction
        self._namespace = transaction.headers.chaincode
        self._reads: dict[str, Version | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self._scans: list[_Scan] = []
        self.event: tuple[str, bytes] | None = None

    @property
    def channel_id(self) -> str:
        """The channel of the replayed transaction."""
        return self._transaction.channel_id

    @property
    def tx_id(self) -> str:
        """Its id."""
        return self._transaction.transaction_id

    @property
    def args(self) -> Sequence[bytes]:
        """Its arguments."""
        return self._transaction.args

    @property
    def creator(self) -> bytes:
        """Its creator."""
        return self._transaction.headers.creator

    @property
    def timestamp_ns(self) -> int:
        """Its time."""
        return self._transaction.timestamp_ns

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Nothing: transient data never reaches the ledger."""
        return {}

    def get_state(self, key: str) -> bytes | None:
        """Read and record."""
        entry = self._state.get(self._namespace, key)
        self._reads[key] = entry[1] if entry else None
        return entry[0] if entry else None

    def put_state(self, key: str, value: bytes) -> None:
        """Record a write."""
        self._writes[key] = value

    def delete_state(self, key: str) -> None:
        """Record a removal."""
        self._writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Scan and record what was returned and whether the scan went to the end."""
        scan = _Scan(start or "\x01", end)
        self._scans.append(scan)
        for key, (value, version) in self._state.range(self._namespace, scan.start, end):
            scan.reads.append(Read(key, version))
            yield key, value
        scan.exhausted = True

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the replayed changes, newest first."""
        for change in reversed(self._state.changes.get((self._namespace, key), [])):
            yield KeyModification(change.transaction_id, change.value, change.timestamp_ns)

    def set_event(self, name: str, payload: bytes) -> None:
        """Keep the event."""
        self.event = (name, payload)

    def rwset(self) -> NamespaceRwset:
        """Return what the contract did, in canonical order."""
        return NamespaceRwset(
            self._namespace,
            tuple(Read(key, version) for key, version in sorted(self._reads.items())),
            tuple(scan.query() for scan in self._scans),
            tuple(Write(key, value) for key, value in sorted(self._writes.items())),
        )


def disagreement(state: ReplayedState, chaincode: Chaincode, transaction: ParsedTransaction) -> str:
    """Execute a valid transaction again, before its own writes are applied.

    Returns
    -------
    Empty if response, event and read/write set are exactly those on the ledger, else what differs.
    """
    stub = ReplayStub(state, transaction)
    response = chaincode.invoke(stub)
    recorded = transaction.response
    if (response.status, response.payload) != (recorded.status, recorded.payload):
        return f"the contract answers {response.status} {response.message or 'another payload'}"
    event = None if transaction.event is None else (transaction.event.name, transaction.event.payload)
    if stub.event != event:
        return "the contract publishes another event"
    mine = stub.rwset()
    own = [rwset for rwset in transaction.rwset if rwset.namespace == mine.namespace]
    if len(transaction.rwset) != len(own):
        return "the transaction writes outside its namespace"
    theirs = own[0] if own else NamespaceRwset(mine.namespace)
    for what in ("writes", "reads", "range_queries"):
        if getattr(mine, what) != getattr(theirs, what):
            return f"the contract has other {what.replace('_', ' ')}"
    return ""
