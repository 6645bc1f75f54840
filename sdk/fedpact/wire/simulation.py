"""One execution of a transaction on a committed state: what its contract sees, and what it read and wrote.

The node that endorses and the audit that executes again use this one recorder, so that a read/write set
differs only where the contract or the state does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

from fedpact.wire.envelopes import Event, ParsedTransaction
from fedpact.wire.kv_messages import check_key
from fedpact.wire.private_simulation import CollectionSimulation, PrivateState, mspid_of, validation_parameter
from fedpact.wire.proposals import NO_TRANSIENT, ParsedProposal
from fedpact.wire.rwsets import (
    VALIDATION_PARAMETER,
    MetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    RangeQuery,
    Read,
    Row,
    Version,
    Write,
)
from fedpact_chaincode.errors import COLLECTION_UNDEFINED, READS_WITHOUT_PROTECTION, Rejected
from fedpact_chaincode.stub import Collection, KeyModification

MAX_RANGE_ROWS = 100_000
"""Rows that one transaction may scan, as Fabric's `totalQueryLimit`."""

Collections = Mapping[str, Mapping[str, Collection]]
"""The collections of each namespace by name; asked only when a contract uses private data."""

NO_COLLECTIONS: Collections = MappingProxyType({})

_FIRST_SIMPLE_KEY = "\x01"  # an empty start leaves composite keys out, which begin with U+0000


class CommittedState(PrivateState, Protocol):
    """The state on which a transaction is executed; it must not change meanwhile.

    The hashes of private data are ordinary rows: `get(hashed_namespace(...), key_hash.hex())`.
    """

    def scan(self, namespace: str, start: str, end: str, /) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in order; an empty end is unbounded."""

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
    collections : who may use which collection; private data of others are refused (COLLECTION_UNDEFINED).

    Attributes
    ----------
    channel_id, tx_id, args, creator, timestamp_ns, transient : of the call.
    event : the transaction's one event, once it is set.
    """

    _unprotected = False  # whether it has read what is not protected, so that it must not write

    def __init__(
        self,
        state: CommittedState,
        call: ParsedProposal | ParsedTransaction,
        transient: Mapping[str, bytes] = NO_TRANSIENT,
        collections: Collections = NO_COLLECTIONS,
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
        self._parameters: dict[str, bytes] = {}
        self._collections = collections
        self._private: dict[str, CollectionSimulation] = {}

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value of a key and record its version."""
        row = self._state.get(self._namespace, key)
        if row is None:
            self._reads[key] = None
            return None
        value, self._reads[key], _ = row
        return value

    def put_state(self, key: str, value: bytes) -> None:
        """Propose a write; an empty value is refused, because in Fabric it would remove the key."""
        if not key or not value:
            raise ValueError("a key and a value must not be empty")
        check_key(key)
        if self._unprotected:
            raise Rejected(READS_WITHOUT_PROTECTION)
        self._writes[key] = value

    def delete_state(self, key: str) -> None:
        """Propose a removal."""
        self._check_write(key)
        self._writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed (key, value) with start <= key < end; an empty end is unbounded.

        What was consumed is protected against phantoms.
        """
        scan = _Scan(start or _FIRST_SIMPLE_KEY, end)
        self._scans.append(scan)
        for key, (value, version, _) in self._state.scan(self._namespace, scan.start, end):
            self._count_row()
            scan.reads.append(Read(key, version))
            yield key, value
        scan.exhausted = True

    def get_state_by_range_with_pagination(
        self, start: str, end: str, page_size: int, bookmark: str = ""
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Return up to `page_size` rows and the bookmark to go on from; for transactions that write nothing.

        As with Fabric's LevelDB, a bookmark is the key at which the next page begins.
        """
        start = start or _FIRST_SIMPLE_KEY
        if not 1 <= page_size <= MAX_RANGE_ROWS:
            raise ValueError(f"a page has 1 to {MAX_RANGE_ROWS} rows")
        if bookmark and not (start <= bookmark and (not end or bookmark < end)):
            raise ValueError("the bookmark is not of this range")
        self._read_unprotected()
        scan = _Scan(bookmark or start, end)
        self._scans.append(scan)
        rows: list[tuple[str, bytes]] = []
        for key, (value, version, _) in self._state.scan(self._namespace, scan.start, end):
            if len(rows) == page_size:
                return rows, key
            self._count_row()
            scan.reads.append(Read(key, version))
            rows.append((key, value))
        scan.exhausted = True
        return rows, ""

    def get_state_validation_parameter(self, key: str) -> bytes | None:
        """Return a key's endorsement policy; its version is recorded as of any read."""
        row = self._state.get(self._namespace, key)
        self._reads[key] = None if row is None else row.version
        return None if row is None else validation_parameter(row)

    def set_state_validation_parameter(self, key: str, policy: bytes) -> None:
        """Propose a key's endorsement policy, which becomes its whole metadata, as in Fabric."""
        self._check_write(key)
        self._parameters[key] = policy

    def get_private_data(self, collection: str, key: str) -> bytes | None:
        """Return the committed private value and record the version of its hash."""
        return self._collection(collection).get(key)

    def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        """Return the committed hash of a private value and record its version."""
        return self._collection(collection).hash(key)

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        """Propose a private write; an empty value is refused, because in Fabric it would remove the key."""
        if not value:
            raise ValueError("a value must not be empty")
        self._written_collection(collection, key).write(key, value)

    def delete_private_data(self, collection: str, key: str) -> None:
        """Propose a private removal."""
        self._written_collection(collection, key).write(key, None)

    def purge_private_data(self, collection: str, key: str) -> None:
        """Propose a private removal with all the past."""
        self._written_collection(collection, key).write(key, None, purge=True)

    def get_private_data_by_range(self, collection: str, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield the private rows held here; for transactions that write nothing."""
        found = self._collection(collection).range(start or _FIRST_SIMPLE_KEY, end)
        self._read_unprotected()
        for key, row in found:
            self._count_row()
            yield key, row.value

    def get_private_data_validation_parameter(self, collection: str, key: str) -> bytes | None:
        """Return a private key's endorsement policy; the version of its hash is recorded."""
        return self._collection(collection).parameter(key)

    def set_private_data_validation_parameter(self, collection: str, key: str, policy: bytes) -> None:
        """Propose a private key's endorsement policy."""
        self._written_collection(collection, key).set_parameter(key, policy)

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
        plain = NamespaceRwset(
            self._namespace,
            tuple([Read(key, version) for key, version in self._reads.items()]),
            self._range_queries() if self._scans else (),
            tuple([Write(key, value) for key, value in self._writes.items()]),
        )
        if not (self._parameters or self._private):
            return plain
        metadata = [
            MetadataWrite(key, ((VALIDATION_PARAMETER, policy),)) for key, policy in self._parameters.items()
        ]
        collections = [self._private[name].rwset() for name in sorted(self._private)]
        return replace(
            plain,
            metadata=tuple(metadata),
            collections=tuple([rwset for rwset in collections if rwset.reads or rwset.private_hash]),
        )

    def private_rwsets(self) -> tuple[PrivateRwset, ...]:
        """Return what is to be written into collections, in plain; only their members may get it."""
        found = [self._private[name].private_rwset() for name in sorted(self._private)]
        return tuple([rwset for rwset in found if rwset is not None])

    def _range_queries(self) -> tuple[RangeQuery, ...]:
        """Return the scans; as in Fabric, of several equally long ones of a range only the first."""
        found: dict[tuple[str, str, bool], RangeQuery] = {}
        for scan in self._scans:
            query = scan.finished()
            found.setdefault((query.start, query.end, query.exhausted), query)
        return tuple(found.values())

    def _count_row(self) -> None:
        self._scanned += 1
        if self._scanned > MAX_RANGE_ROWS:
            raise ValueError(f"a transaction scans at most {MAX_RANGE_ROWS} rows")

    def _read_unprotected(self) -> None:
        written = any(collection.written for collection in self._private.values())
        if self._writes or self._parameters or written:
            raise Rejected(READS_WITHOUT_PROTECTION)
        self._unprotected = True

    def _check_write(self, key: str) -> None:
        if not key:
            raise ValueError("a key must not be empty")
        check_key(key)
        if self._unprotected:
            raise Rejected(READS_WITHOUT_PROTECTION)

    def _collection(self, name: str) -> CollectionSimulation:
        found = self._private.get(name)
        if found is None:
            terms = self._collections.get(self._namespace, {}).get(name)
            if terms is None:
                raise Rejected(COLLECTION_UNDEFINED, collection=name)
            found = CollectionSimulation(self._state, self._namespace, name, terms, mspid_of(self.creator))
            self._private[name] = found
        return found

    def _written_collection(self, name: str, key: str) -> CollectionSimulation:
        self._check_write(key)
        return self._collection(name)
