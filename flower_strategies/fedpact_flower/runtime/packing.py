"""Messages on their way to the nodes: equal arrays travel and are decoded once.

A round sends the same model to many nodes, and mutual validation sends each model to several. A packed
message therefore names its array records by their SHA-256 digest; who receives it keeps the decoded
records for as long as the sender refers to them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flwr.app import ArrayRecord, Message

from fedpact_flower.runtime import flower_internals as flower

DIGEST_BYTES = 32

A = TypeVar("A")


@dataclass(frozen=True)
class PackedMessage:
    """One message without its arrays."""

    message_id: str
    node_id: int
    rest: bytes
    digests: tuple[bytes, ...]

    def error_reply(self, code: int, reason: str) -> Message:
        """Build the reply for a message that its node cannot answer."""
        return flower.error_reply(flower.decode_message(self.rest), code, reason)


@dataclass(frozen=True)
class PackedReply(Generic[A]):
    """A reply without its arrays, and those in the form in which they leave the node."""

    rest: bytes
    arrays: tuple[A, ...]


class Packer:
    """Packs the messages of one exchange; their array records must not change in the meantime."""

    def __init__(self) -> None:
        self._records: dict[bytes, ArrayRecord] = {}
        self._payloads: dict[bytes, bytes] = {}
        self._digests: dict[int, tuple[ArrayRecord, bytes]] = {}

    def pack(self, message: Message) -> PackedMessage:
        """Separate a message from its arrays; O(bytes) for a record seen the first time, else O(1)."""
        rest, records = flower.split_message(message)
        digests = tuple(self._digest(record) for record in records)
        metadata = message.metadata
        return PackedMessage(metadata.message_id, metadata.dst_node_id, rest, digests)

    def payload(self, digest: bytes) -> bytes:
        """Encode the array record with this digest, on the first request only."""
        if digest not in self._payloads:
            self._payloads[digest] = flower.encode_arrays(self._records[digest])
        return self._payloads[digest]

    def record(self, digest: bytes) -> ArrayRecord:
        """Copy the array record with this digest, without its (immutable) bytes."""
        return copy_of(self._records[digest])

    def _digest(self, record: ArrayRecord) -> bytes:
        # The record is kept beside its digest: an id() is only unique among living objects.
        if id(record) not in self._digests:
            digest = digest_of(record)
            self._digests[id(record)] = (record, digest)
            self._records.setdefault(digest, record)
        return self._digests[id(record)][1]


class Shelf:
    """The decoded array records on the receiving side, by digest."""

    def __init__(self) -> None:
        self._records: dict[bytes, ArrayRecord] = {}

    def keep(self, digests: Iterable[bytes]) -> None:
        """Forget all records except these."""
        wanted = set(digests)
        self._records = {digest: record for digest, record in self._records.items() if digest in wanted}

    def put(self, digest: bytes, record: ArrayRecord) -> None:
        """Keep a record, which nobody else may change from now on."""
        self._records[digest] = record

    @property
    def digests(self) -> set[bytes]:
        """Digests of the records that are here."""
        return set(self._records)

    def unpack(self, packed: PackedMessage) -> Message:
        """Complete a message from the shelf.

        Each message gets a record of its own, so that a node which changes it does not change what the
        next node sees; the (immutable) bytes of the arrays are shared.
        """
        records = [copy_of(self._records[digest]) for digest in packed.digests]
        return flower.join_message(packed.rest, records)


def copy_of(record: ArrayRecord) -> ArrayRecord:
    """Copy an array record; the arrays' bytes, which are immutable, are shared."""
    return ArrayRecord(dict(record))


def digest_of(record: ArrayRecord) -> bytes:
    """SHA-256 of an array record's names, types, shapes and data, in order."""
    digest = hashlib.sha256()
    for name, array in record.items():
        header = repr((name, array.dtype, array.shape, array.stype, len(array.data)))
        digest.update(len(header.encode()).to_bytes(4, "big"))
        digest.update(header.encode())
        digest.update(array.data)
    return digest.digest()
