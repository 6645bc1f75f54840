"""What read/write sets consist of, and what a row of the state is. `fedpact.wire.rwsets` encodes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.errors import WireCode, read

VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
"""The metadata entry that holds a key's own endorsement policy; an empty value is no policy, as in Fabric."""

Entries = tuple[tuple[str, bytes], ...]
"""Metadata as (name, value), sorted by name."""


class Version(NamedTuple):
    """Where a value was written: block number and position in the block; ordered."""

    block: int
    tx: int


class Row(NamedTuple):
    """A committed row.

    Attributes
    ----------
    value : of a key; of a hashed row (see `hashed_namespace`) the SHA-256 of the private value.
    version : who wrote the value or the metadata last.
    metadata : what `encode_metadata` made; empty where there is none.
    """

    value: bytes
    version: Version
    metadata: bytes = b""


class Read(NamedTuple):
    """A key that was read; `version` is None where it did not exist."""

    key: str
    version: Version | None


class Write(NamedTuple):
    """A key that is to be written; `value` None removes it. As in Fabric, an empty value removes too."""

    key: str
    value: bytes | None


class MetadataWrite(NamedTuple):
    """The whole new metadata of a key; () removes all. Without effect on a key that does not exist."""

    key: str
    entries: Entries


class HashedRead(NamedTuple):
    """A private key that was read."""

    key_hash: bytes
    version: Version | None


class HashedWrite(NamedTuple):
    """A private key that is to be written; `value_hash` None removes it.

    `purge` removes every earlier private value of the key from the nodes too.
    """

    key_hash: bytes
    value_hash: bytes | None
    purge: bool = False


class HashedMetadataWrite(NamedTuple):
    """The whole new metadata of a private key."""

    key_hash: bytes
    entries: Entries


class RangeDigest(NamedTuple):
    """Fabric's digest of a long range: the hashes on the highest level of its Merkle tree.

    `fedpact.wire.range_digests.range_digest` computes it from reads.
    """

    max_degree: int
    max_level: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A range that was scanned, for the phantom check.

    Attributes
    ----------
    start, end : start <= key < end; an empty end is unbounded.
    exhausted : the scan went to the end. If not, only keys up to the last read one are protected.
    reads : what the scan returned, in order of keys; empty where there is a digest.
    digest : stands for the reads where a Fabric peer hashed them.
    """

    start: str
    end: str
    exhausted: bool
    reads: tuple[Read, ...]
    digest: RangeDigest | None = None


@dataclass(frozen=True, slots=True)
class CollectionRwset:
    """What a transaction did in one collection, as everybody may know it.

    Attributes
    ----------
    reads, writes, metadata : in the order of the plain keys, which Fabric uses: only the maker knows it, so
        they are encoded in the order given.
    private_hash : SHA-256 of the collection's private write set; empty where nothing is written.
    """

    collection: str
    reads: tuple[HashedRead, ...] = ()
    writes: tuple[HashedWrite, ...] = ()
    metadata: tuple[HashedMetadataWrite, ...] = ()
    private_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class NamespaceRwset:
    """What a transaction did in one namespace."""

    namespace: str
    reads: tuple[Read, ...] = ()
    range_queries: tuple[RangeQuery, ...] = ()
    writes: tuple[Write, ...] = ()
    metadata: tuple[MetadataWrite, ...] = ()
    collections: tuple[CollectionRwset, ...] = ()


@dataclass(frozen=True, slots=True)
class PrivateRwset:
    """What a transaction writes in one collection, for its members only.

    Attributes
    ----------
    writes : plain keys and values.
    purges : keys that are removed with all their past. In Fabric's message they look like removals, so that
        after `decode_private` they are among the writes; `HashedWrite.purge` tells them apart.
    metadata : keys whose metadata changes, which moves the version of their rows.
    """

    namespace: str
    collection: str
    writes: tuple[Write, ...]
    purges: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()


def hashed_namespace(namespace: str, collection: str) -> str:
    """Return the namespace of a collection's hashed rows, as Fabric derives it.

    Their keys are the SHA-256 of the private keys in hex, their values the SHA-256 of the private values.
    """
    return f"{namespace}$$h{collection}"


def encode_metadata(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return what `Row.metadata` holds: as in Fabric's state database a `KVMetadataWrite` without key."""
    encoded: bytes = kv_rwset_pb2.KVMetadataWrite(entries=metadata_entries(entries)).SerializeToString()
    return encoded


def decode_metadata(data: bytes) -> dict[str, bytes]:
    """Return a row's metadata by name.

    Raises
    ------
    WireError
        BAD_RWSET.
    """
    if not data:
        return {}
    message = read(kv_rwset_pb2.KVMetadataWrite, data, WireCode.BAD_RWSET)
    return {entry.name: entry.value for entry in message.entries}


def metadata_entries(entries: Iterable[tuple[str, bytes]]) -> list[kv_rwset_pb2.KVMetadataEntry]:
    """Return Fabric's messages of metadata."""
    return [kv_rwset_pb2.KVMetadataEntry(name=name, value=value) for name, value in entries]
