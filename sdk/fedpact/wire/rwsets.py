"""Read/write sets: what a transaction saw and what it wants to change.

Fabric's `rwset.TxReadWriteSet` with one `kvrwset.KVRWSet` per namespace (chaincode) and the hashes of its
private collections. Deterministic and byte for byte what a Fabric peer builds (its
`core/ledger/kvledger/txmgmt/rwsetutil`): namespaces, collections and keys in the order of their UTF-8 bytes
(which is Python's order of text).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.errors import WireCode, WireError, check_size, read
from fedpact.wire.kv_messages import (
    KV,
    bad_text,
    check_model,
    check_name,
    decode_version,
    decode_writes,
    encode_version,
    encode_writes,
    refuse_repeats,
)
from fedpact.wire.private_rwsets import (
    decode_collection,
    decode_private,
    encode_collection,
    encode_private,
    hash_of,
    hashed,
)
from fedpact.wire.rwset_records import (
    VALIDATION_PARAMETER,
    CollectionRwset,
    Entries,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    MetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    RangeDigest,
    RangeQuery,
    Read,
    Row,
    Version,
    Write,
    decode_metadata,
    encode_metadata,
    hashed_namespace,
    metadata_entries,
)

__all__ = [
    "VALIDATION_PARAMETER",
    "CollectionRwset",
    "Entries",
    "HashedMetadataWrite",
    "HashedRead",
    "HashedWrite",
    "MetadataWrite",
    "NamespaceRwset",
    "PrivateRwset",
    "RangeDigest",
    "RangeQuery",
    "Read",
    "Row",
    "Version",
    "Write",
    "decode",
    "decode_metadata",
    "decode_private",
    "encode",
    "encode_metadata",
    "encode_private",
    "hash_of",
    "hashed",
    "hashed_namespace",
]

_LEAST_DEGREE = 2  # of a Merkle tree, as Fabric demands


def encode(rwsets: Iterable[NamespaceRwset]) -> bytes:
    """Serialise as `TxReadWriteSet`.

    Sorted: namespaces, reads, writes, metadata and collections. In their order: range queries, and what is
    hashed.

    Raises
    ------
    WireError
        BAD_RWSET, if a namespace or collection, or a key within reads, writes or metadata, appears twice or
        is not valid text.
    """
    ordered = sorted(rwsets, key=lambda rwset: rwset.namespace)
    refuse_repeats([rwset.namespace for rwset in ordered])
    try:
        result: bytes = rwset_pb2.TxReadWriteSet(
            data_model=KV,
            ns_rwset=[
                rwset_pb2.NsReadWriteSet(
                    namespace=rwset.namespace,
                    rwset=_encode_namespace(rwset),
                    collection_hashed_rwset=_encode_collections(rwset),
                )
                for rwset in ordered
            ],
        ).SerializeToString()
    except UnicodeEncodeError as error:
        raise bad_text() from error
    return result


def decode(data: bytes) -> tuple[NamespaceRwset, ...]:
    """Parse a `TxReadWriteSet`.

    Raises
    ------
    WireError
        TOO_LARGE, BAD_RWSET.
    """
    check_size(data, "read/write set")
    rwset = read(rwset_pb2.TxReadWriteSet, data, WireCode.BAD_RWSET)
    check_model(rwset.data_model)
    return tuple([_decode_namespace(namespace) for namespace in rwset.ns_rwset])


def _encode_namespace(rwset: NamespaceRwset) -> bytes:
    reads = sorted(rwset.reads, key=lambda item: item.key)
    writes = sorted(rwset.writes, key=lambda item: item.key)
    refuse_repeats([item.key for item in reads])
    refuse_repeats([item.key for item in writes])
    message = kv_rwset_pb2.KVRWSet(
        reads=[_encode_read(item) for item in reads],
        range_queries_info=[_encode_query(query) for query in rwset.range_queries],
        writes=encode_writes(writes),
    )
    if rwset.metadata:
        metadata = sorted(rwset.metadata, key=lambda item: item.key)
        refuse_repeats([item.key for item in metadata])
        message.metadata_writes.extend(
            kv_rwset_pb2.KVMetadataWrite(key=item.key, entries=metadata_entries(item.entries))
            for item in metadata
        )
    encoded: bytes = message.SerializeToString()
    return encoded


def _encode_read(item: Read) -> kv_rwset_pb2.KVRead:
    return kv_rwset_pb2.KVRead(key=item.key, version=encode_version(item.version))


def _encode_query(query: RangeQuery) -> kv_rwset_pb2.RangeQueryInfo:
    message = kv_rwset_pb2.RangeQueryInfo(
        start_key=query.start, end_key=query.end, itr_exhausted=query.exhausted
    )
    if query.digest is not None:
        degree, level, hashes = query.digest
        message.reads_merkle_hashes.max_degree = degree
        message.reads_merkle_hashes.max_level = level
        message.reads_merkle_hashes.max_level_hashes.extend(hashes)
    elif query.reads:  # Fabric leaves the field out where nothing was found
        message.raw_reads.kv_reads.extend([_encode_read(item) for item in query.reads])
    return message


def _encode_collections(rwset: NamespaceRwset) -> list[rwset_pb2.CollectionHashedReadWriteSet]:
    if not rwset.collections:
        return []
    ordered = sorted(rwset.collections, key=lambda item: item.collection)
    refuse_repeats([item.collection for item in ordered])
    return [encode_collection(item) for item in ordered]


def _decode_namespace(namespace: rwset_pb2.NsReadWriteSet) -> NamespaceRwset:
    check_name(namespace.namespace)
    kv = read(kv_rwset_pb2.KVRWSet, namespace.rwset, WireCode.BAD_RWSET)
    plain = NamespaceRwset(
        namespace.namespace,
        tuple([_decode_read(item) for item in kv.reads]),
        tuple([_decode_query(query) for query in kv.range_queries_info]),
        decode_writes(kv),
    )
    if not (kv.metadata_writes or namespace.collection_hashed_rwset):
        return plain
    metadata = [
        MetadataWrite(item.key, tuple([(entry.name, entry.value) for entry in item.entries]))
        for item in kv.metadata_writes
    ]
    collections = [decode_collection(item) for item in namespace.collection_hashed_rwset]
    return replace(plain, metadata=tuple(metadata), collections=tuple(collections))


def _decode_read(item: kv_rwset_pb2.KVRead) -> Read:
    return Read(item.key, decode_version(item))


def _decode_query(query: kv_rwset_pb2.RangeQueryInfo) -> RangeQuery:
    digest = None
    if query.HasField("reads_merkle_hashes"):
        summary = query.reads_merkle_hashes
        if summary.max_degree < _LEAST_DEGREE:
            raise WireError(WireCode.BAD_RWSET, "a range's Merkle tree of a degree below 2")
        digest = RangeDigest(summary.max_degree, summary.max_level, tuple(summary.max_level_hashes))
    reads = tuple([_decode_read(item) for item in query.raw_reads.kv_reads])
    return RangeQuery(query.start_key, query.end_key, query.itr_exhausted, reads, digest)
