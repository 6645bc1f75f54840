"""Read/write sets: what a transaction saw and what it wants to change.

Fabric's `rwset.TxReadWriteSet` with one `kvrwset.KVRWSet` per namespace (chaincode). The encoding is
deterministic: namespaces and keys in the order of their UTF-8 bytes (which is Python's order of text).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.errors import WireCode, WireError, check_size, read


class Version(NamedTuple):
    """Where a value was written: block number and position in the block; ordered."""

    block: int
    tx: int


class Read(NamedTuple):
    """A key that was read; `version` is None where it did not exist."""

    key: str
    version: Version | None


class Write(NamedTuple):
    """A key that is to be written; `value` None removes it. As in Fabric, an empty value removes too."""

    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A range that was scanned, for the phantom check.

    Attributes
    ----------
    start, end : start <= key < end; an empty end is unbounded.
    exhausted : the scan went to the end. If not, only keys up to the last read one are protected.
    reads : what the scan returned, in order of keys.
    """

    start: str
    end: str
    exhausted: bool
    reads: tuple[Read, ...]


@dataclass(frozen=True, slots=True)
class NamespaceRwset:
    """What a transaction did in one namespace."""

    namespace: str
    reads: tuple[Read, ...] = ()
    range_queries: tuple[RangeQuery, ...] = ()
    writes: tuple[Write, ...] = ()


def encode(rwsets: Iterable[NamespaceRwset]) -> bytes:
    """Serialise as `TxReadWriteSet`: namespaces, reads and writes sorted; range queries in their order.

    Raises
    ------
    WireError
        BAD_RWSET, if a namespace, or a key within reads or writes, appears twice or is not valid text.
    """
    ordered = sorted(rwsets, key=lambda rwset: rwset.namespace)
    _refuse_repeats([rwset.namespace for rwset in ordered])
    try:
        result: bytes = rwset_pb2.TxReadWriteSet(
            data_model=rwset_pb2.TxReadWriteSet.KV,
            ns_rwset=[
                rwset_pb2.NsReadWriteSet(namespace=rwset.namespace, rwset=_encode_namespace(rwset))
                for rwset in ordered
            ],
        ).SerializeToString()
    except UnicodeEncodeError as error:
        raise WireError(WireCode.BAD_RWSET, "a name or key is not valid text") from error
    return result


def decode(data: bytes) -> tuple[NamespaceRwset, ...]:
    """Parse a `TxReadWriteSet`.

    Raises
    ------
    WireError
        TOO_LARGE, BAD_RWSET; UNSUPPORTED_RWSET for private data, key metadata and hashed range queries, which
        must never be skipped in silence.
    """
    check_size(data, "read/write set")
    rwset = read(rwset_pb2.TxReadWriteSet, data, WireCode.BAD_RWSET)
    if rwset.data_model != rwset_pb2.TxReadWriteSet.KV:
        raise WireError(WireCode.BAD_RWSET, "not a key-value read/write set")
    return tuple([_decode_namespace(namespace) for namespace in rwset.ns_rwset])


def _encode_namespace(rwset: NamespaceRwset) -> bytes:
    reads = sorted(rwset.reads, key=lambda item: item.key)
    writes = sorted(rwset.writes, key=lambda item: item.key)
    _refuse_repeats([item.key for item in reads])
    _refuse_repeats([item.key for item in writes])
    encoded: bytes = kv_rwset_pb2.KVRWSet(
        reads=[_encode_read(item) for item in reads],
        range_queries_info=[
            kv_rwset_pb2.RangeQueryInfo(
                start_key=query.start,
                end_key=query.end,
                itr_exhausted=query.exhausted,
                raw_reads=kv_rwset_pb2.QueryReads(kv_reads=[_encode_read(item) for item in query.reads]),
            )
            for query in rwset.range_queries
        ],
        writes=[
            kv_rwset_pb2.KVWrite(key=key, value=value)
            if value
            else kv_rwset_pb2.KVWrite(key=key, is_delete=True)
            for key, value in writes
        ],
    ).SerializeToString()
    return encoded


def _encode_read(item: Read) -> kv_rwset_pb2.KVRead:
    if item.version is None:
        return kv_rwset_pb2.KVRead(key=item.key)
    block, tx = item.version
    return kv_rwset_pb2.KVRead(key=item.key, version=kv_rwset_pb2.Version(block_num=block, tx_num=tx))


def _refuse_repeats(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise WireError(WireCode.BAD_RWSET, "a namespace or key appears twice")


def _decode_namespace(namespace: rwset_pb2.NsReadWriteSet) -> NamespaceRwset:
    if namespace.collection_hashed_rwset:
        raise WireError(WireCode.UNSUPPORTED_RWSET, "private data")
    kv = read(kv_rwset_pb2.KVRWSet, namespace.rwset, WireCode.BAD_RWSET)
    if kv.metadata_writes:
        raise WireError(WireCode.UNSUPPORTED_RWSET, "key metadata")
    return NamespaceRwset(
        namespace.namespace,
        tuple([_decode_read(item) for item in kv.reads]),
        tuple([_decode_query(query) for query in kv.range_queries_info]),
        tuple([Write(item.key, None if item.is_delete else item.value or None) for item in kv.writes]),
    )


def _decode_read(item: kv_rwset_pb2.KVRead) -> Read:
    if not item.HasField("version"):
        return Read(item.key, None)
    version = item.version
    return Read(item.key, Version(version.block_num, version.tx_num))


def _decode_query(query: kv_rwset_pb2.RangeQueryInfo) -> RangeQuery:
    if query.HasField("reads_merkle_hashes"):
        raise WireError(WireCode.UNSUPPORTED_RWSET, "a hashed range query")
    reads = tuple([_decode_read(item) for item in query.raw_reads.kv_reads])
    return RangeQuery(query.start_key, query.end_key, query.itr_exhausted, reads)
