"""The world as a contract sees it on this node: a snapshot, and a record of what was read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2

from fedpact.wire.envelopes import Event, ParsedTransaction, parse_envelope
from fedpact.wire.proposals import ParsedProposal
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write
from fedpact_chaincode.stub import KeyModification
from fedpact_network.embedded.snapshots import Snapshot

MAX_RANGE_ROWS = 100_000
"""Rows that one transaction may scan, as Fabric's `totalQueryLimit`."""

_FIRST_SIMPLE_KEY = "\x01"  # an empty start leaves composite keys out, which begin with U+0000


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


class Simulator:
    """One execution of a proposal: the `Stub` that its contract is given.

    Reads see the snapshot only, never the transaction's own writes, as in Fabric.

    Parameters
    ----------
    snapshot : the committed state; held until the rwset is taken.
    proposal : what is executed.
    """

    def __init__(self, snapshot: Snapshot, proposal: ParsedProposal) -> None:
        self._snapshot = snapshot
        self._proposal = proposal
        self._namespace = proposal.chaincode
        self._reads: dict[str, Version | None] = {}
        self._writes: dict[str, bytes | None] = {}
        self._scans: list[_Scan] = []
        self._scanned = 0
        self.event: Event | None = None

    @property
    def channel_id(self) -> str:
        """The channel."""
        return self._proposal.channel_id

    @property
    def tx_id(self) -> str:
        """The transaction's id."""
        return self._proposal.transaction_id

    @property
    def args(self) -> Sequence[bytes]:
        """The call's arguments."""
        return self._proposal.args

    @property
    def creator(self) -> bytes:
        """Who signed the proposal."""
        return self._proposal.creator

    @property
    def timestamp_ns(self) -> int:
        """The proposal's time."""
        return self._proposal.timestamp_ns

    @property
    def transient(self) -> Mapping[str, bytes]:
        """Data that does not go on the ledger."""
        return self._proposal.transient

    def get_state(self, key: str) -> bytes | None:
        """Return the committed value of a key and record its version."""
        row = self._snapshot.get(self._namespace, key)
        self._reads[key] = None if row is None else row.version
        return None if row is None else row.value

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
        for key, row in self._snapshot.scan(self._namespace, scan.start, end):
            self._scanned += 1
            if self._scanned > MAX_RANGE_ROWS:
                raise ValueError(f"a transaction scans at most {MAX_RANGE_ROWS} rows")
            scan.reads.append(Read(key, row.version))
            yield key, row.value
        scan.exhausted = True

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        """Yield the committed changes of a key, newest first; as in Fabric, not protected by versions."""
        for change in history(self._snapshot, self._namespace, key):
            transaction = change.transaction
            yield KeyModification(transaction.transaction_id, change.value, transaction.timestamp_ns)

    def set_event(self, name: str, payload: bytes) -> None:
        """Attach the transaction's one event."""
        if not name:
            raise ValueError("an event needs a name")
        self.event = Event(name, payload)

    def rwset(self) -> NamespaceRwset:
        """Return what was read and is to be written."""
        return NamespaceRwset(
            self._namespace,
            tuple([Read(key, version) for key, version in self._reads.items()]),
            tuple([scan.finished() for scan in self._scans]),
            tuple([Write(key, value) for key, value in self._writes.items()]),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One committed change of a key, with the transaction that made it."""

    transaction: ParsedTransaction
    version: Version
    value: bytes | None


def history(snapshot: Snapshot, namespace: str, key: str) -> Iterator[Change]:
    """Yield the changes of a key, newest first, as the blocks hold them. O(block) each."""
    number, block = -1, common_pb2.Block()
    for version in snapshot.changes(namespace, key):
        if version.block != number:
            data = snapshot.reader.block(version.block)
            if data is None:
                raise LookupError(f"block {version.block} is missing")
            number, block = version.block, common_pb2.Block.FromString(data)
        transaction = parse_envelope(block.data.data[version.tx])
        writes = [w for rwset in transaction.rwset if rwset.namespace == namespace for w in rwset.writes]
        yield Change(transaction, version, dict(writes)[key])
