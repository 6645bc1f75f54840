"""One execution of a transaction on a committed state: what its contract sees, and what it read and wrote.

The node that endorses and the audit that executes again use this one recorder, so that a read/write set
differs only where the contract or the state does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fedpact.wire.envelopes import Event, ParsedTransaction
from fedpact.wire.proposals import NO_TRANSIENT, ParsedProposal
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write
from fedpact_chaincode.stub import KeyModification

MAX_RANGE_ROWS = 100_000
"""Rows that one transaction may scan, as Fabric's `totalQueryLimit`."""

_FIRST_SIMPLE_KEY = "\x01"  # an empty start leaves composite keys out, which begin with U+0000


class CommittedState(Protocol):
    """The state on which a transaction is executed; it must not change meanwhile."""

    def get(self, namespace: str, key: str, /) -> tuple[bytes, Version] | None:
        """Return a key's value and version; None if absent."""

    def scan(self, namespace: str, start: str, end: str, /) -> Iterator[tuple[str, tuple[bytes, Version]]]:
        """Yield (key, (value, version)) with start <= key < end in order; an empty end is unbounded."""

    def history(self, namespace: str, key: str, /) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first."""


@dataclass(slots=True)
class _Scan:
    """A range query while it is consumed."""

    start: str
    end: str
    reads: list[Read] = field(default_factory=list)
    exhausted: bool = False

    def finished(self) -> RangeQuery:
        """Return the query as the phantom check needs it: up to the end, or to the last key read."""
        end = self.end if self.exhausted or not self.reads else self.reads[-1].key
        return RangeQuery(self.start, end, self.exhausted, tuple(self.reads))


class Simulation:
    """The `Stub` that a contract is given.

    Reads see the committed state only, never the transaction's own writes, as in Fabric.

    Parameters
    ----------
    state : the committed state.
    call : what is executed: a proposal, or a transaction that is executed again.
    transient : data that does not go on the ledger.

    Attributes
    ----------
    channel_id, tx_id, args, creator, timestamp_ns, transient : of the call.
    event : the transaction's one event, once it is set.
    """

    def __init__(
        self,
        state: CommittedState,
        call: ParsedProposal | ParsedTransaction,
        transient: Mapping[str, bytes] = NO_TRANSIENT,
    ) -> None:
        self.channel_id = call.channel_id
        self.tx_id = call.transaction_id
        self.args = call.args
        self.creator = call.creator
        self.timestamp_ns = call.timestamp_ns
        self.transient = transient
        self.event: Event | None = None
        self._state = state
        self._namespace = call.chaincode
        self._reads: dict[str, Version | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self._scans: list[_Scan] = []
        self._scanned = 0

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value of a key and record its version."""
        row = self._state.get(self._namespace, key)
        if row is None:
            self._reads[key] = None
            return None
        value, self._reads[key] = row
        return value

    def put_state(self, key: str, value: bytes) -> None:
        """Propose a write; an empty value is refused, because in Fabric it would remove the key."""
        if not key or not value:
            raise ValueError("a key and a value must not be empty")
        self._writes[key] = value

    def delete_state(self, key: str) -> None:
        """Propose a removal."""
        if not key:
            raise ValueError("a key must not be empty")
        self._writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end; an empty end is unbounded.

        What was consumed is protected against phantoms.
        """
        scan = _Scan(start or _FIRST_SIMPLE_KEY, end)
        self._scans.append(scan)
        for key, (value, version) in self._state.scan(self._namespace, scan.start, end):
            self._scanned += 1
            if self._scanned > MAX_RANGE_ROWS:
                raise ValueError(f"a transaction scans at most {MAX_RANGE_ROWS} rows")
            scan.reads.append(Read(key, version))
            yield key, value
        scan.exhausted = True

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first; as in Fabric, not protected by versions."""
        return self._state.history(self._namespace, key)

    def set_event(self, name: str, payload: bytes) -> None:
        """Attach the transaction's one event."""
        if not name:
            raise ValueError("an event needs a name")
        self.event = Event(name, payload)

    def rwset(self) -> NamespaceRwset:
        """Return what was read and is to be written, in the order of the first mention of each key."""
        return NamespaceRwset(
            self._namespace,
            tuple([Read(key, version) for key, version in self._reads.items()]),
            tuple([scan.finished() for scan in self._scans]),
            tuple([Write(key, value) for key, value in self._writes.items()]),
        )
