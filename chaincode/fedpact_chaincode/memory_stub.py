"""The stub of `testing.MemoryLedger`: dictionaries instead of a database, the same semantics of state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from fabric_protos.msp import identities_pb2

from fedpact_chaincode.errors import (
    COLLECTION_FORBIDDEN,
    COLLECTION_UNDEFINED,
    PRIVATE_DATA_UNAVAILABLE,
    READS_WITHOUT_PROTECTION,
    Rejected,
)
from fedpact_chaincode.stub import KeyModification

if TYPE_CHECKING:
    from fedpact_chaincode.testing import MemoryLedger


NOTHING: Mapping[str, bytes] = MappingProxyType({})
"""No transient data."""


@dataclass(frozen=True)
class MemoryCollection:
    """A collection of private data in a memory ledger."""

    members: frozenset[str]
    member_only_read: bool = False
    member_only_write: bool = False


@dataclass
class Outcome:
    """What one execution proposes. Private keys are (collection, key); a removal is None."""

    writes: dict[str, bytes | None] = field(default_factory=dict)
    parameters: dict[str, bytes] = field(default_factory=dict)
    private_writes: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    private_parameters: dict[tuple[str, str], bytes] = field(default_factory=dict)
    purges: set[tuple[str, str]] = field(default_factory=set)
    event: tuple[str, bytes] | None = None

    @property
    def written(self) -> bool:
        """Whether anything is proposed but an event."""
        return bool(self.writes or self.parameters or self.private_writes or self.private_parameters)


class MemoryStub:
    """A stub over dictionaries; what is proposed is kept apart until the ledger applies it."""

    def __init__(
        self,
        ledger: MemoryLedger,
        creator: bytes,
        args: Sequence[bytes],
        tx_id: str,
        transient: Mapping[str, bytes] = NOTHING,
    ) -> None:
        self.channel_id = "consortium"
        self.tx_id = tx_id
        self.args = list(args)
        self.creator = creator
        self.timestamp_ns = ledger.time_ms * 1_000_000
        self.transient = transient
        self.outcome = Outcome()
        self._ledger = ledger
        self._unprotected = False

    @property
    def writes(self) -> dict[str, bytes | None]:
        """The proposed public writes."""
        return self.outcome.writes

    @property
    def event(self) -> tuple[str, bytes] | None:
        """The event's name and payload."""
        return self.outcome.event

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value."""
        return self._ledger.state.get(key)

    def put_state(self, key: str, value: bytes) -> None:
        """Propose a write."""
        self._check_write(key, value)
        self.outcome.writes[key] = value

    def delete_state(self, key: str) -> None:
        """Propose a removal."""
        self._check_write(key)
        self.outcome.writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield committed rows in key order."""
        return _within(self._ledger.state, start, end)

    def get_state_by_range_with_pagination(
        self, start: str, end: str, page_size: int, bookmark: str = ""
    ) -> tuple[list[tuple[str, bytes]], str]:
        """Return a page of committed rows and the key at which the next one begins."""
        if page_size < 1 or (
            bookmark and not ((start or "\x01") <= bookmark and (not end or bookmark < end))
        ):
            raise ValueError("a page needs a size, and a bookmark of its range")
        self._read_unprotected()
        rows = list(islice(_within(self._ledger.state, bookmark or start, end), page_size + 1))
        return rows[:page_size], rows[page_size][0] if len(rows) > page_size else ""

    def get_state_validation_parameter(self, key: str) -> bytes | None:
        """Return the committed policy of a key."""
        return self._ledger.parameters.get(key) or None

    def set_state_validation_parameter(self, key: str, policy: bytes) -> None:
        """Propose a policy of a key."""
        self._check_write(key)
        self.outcome.parameters[key] = policy

    def get_private_data(self, collection: str, key: str) -> bytes | None:
        """Return the committed private value if it is the one whose hash the ledger holds."""
        self._check_access(collection, "member_only_read")
        value = self._ledger.private.get((collection, key))
        known = None if value is None else hashlib.sha256(value).digest()
        if known != self._ledger.hashes.get((collection, key)):
            raise Rejected(PRIVATE_DATA_UNAVAILABLE, collection=collection)
        return value

    def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        """Return the committed hash."""
        self._check_access(collection)
        return self._ledger.hashes.get((collection, key))

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        """Propose a private write."""
        self._write_private(collection, key, value)

    def delete_private_data(self, collection: str, key: str) -> None:
        """Propose a private removal."""
        self._write_private(collection, key, None)

    def purge_private_data(self, collection: str, key: str) -> None:
        """Propose a private removal with all the past."""
        self._write_private(collection, key, None)
        self.outcome.purges.add((collection, key))

    def get_private_data_by_range(self, collection: str, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Yield the private rows held here, in key order."""
        self._check_access(collection, "member_only_read")
        self._read_unprotected()
        held = {key: value for (name, key), value in self._ledger.private.items() if name == collection}
        yield from _within(held, start, end)

    def get_private_data_validation_parameter(self, collection: str, key: str) -> bytes | None:
        """Return the committed policy of a private key."""
        self._check_access(collection, "member_only_read")
        return self._ledger.private_parameters.get((collection, key)) or None

    def set_private_data_validation_parameter(self, collection: str, key: str, policy: bytes) -> None:
        """Propose a policy of a private key."""
        self._check_write(key)
        self._check_access(collection, "member_only_write")
        self.outcome.private_parameters[collection, key] = policy

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the changes, newest first."""
        yield from reversed(self._ledger.changes.get(key, []))

    def set_event(self, name: str, payload: bytes) -> None:
        """Keep the event."""
        self.outcome.event = (name, payload)

    def _write_private(self, collection: str, key: str, value: bytes | None) -> None:
        self._check_write(key, b"-" if value is None else value)
        self._check_access(collection, "member_only_write")
        self.outcome.purges.discard((collection, key))
        self.outcome.private_writes[collection, key] = value

    def _check_write(self, key: str, value: bytes = b"-") -> None:
        if not key or not value:
            raise ValueError("a key and a value must not be empty")
        if self._unprotected:
            raise Rejected(READS_WITHOUT_PROTECTION)

    def _read_unprotected(self) -> None:
        if self.outcome.written:
            raise Rejected(READS_WITHOUT_PROTECTION)
        self._unprotected = True

    def _check_access(self, collection: str, restriction: str = "") -> None:
        terms = self._ledger.collections.get(collection)
        if terms is None:
            raise Rejected(COLLECTION_UNDEFINED, collection=collection)
        if restriction and getattr(terms, restriction):
            mspid = identities_pb2.SerializedIdentity.FromString(self.creator).mspid
            if mspid not in terms.members:
                raise Rejected(COLLECTION_FORBIDDEN, collection=collection)


def _within(rows: Mapping[str, bytes], start: str, end: str) -> Iterator[tuple[str, bytes]]:
    """Yield rows in key order; an empty start leaves composite keys out, an empty end is unbounded."""
    first = start or "\x01"
    yield from sorted(row for row in rows.items() if first <= row[0] and (not end or row[0] < end))
