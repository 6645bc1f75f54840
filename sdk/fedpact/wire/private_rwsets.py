"""Private data in read/write sets: hashes for everybody, plain content for the collection's members.

Byte for byte as Fabric's `rwsetutil`. The order of hashed entries is that of their plain keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import groupby

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.errors import WireCode, WireError, check_size, read
from fedpact.wire.kv_messages import (
    KV,
    bad_text,
    check_key_hash,
    check_model,
    check_name,
    decode_version,
    decode_writes,
    encode_version,
    encode_writes,
    refuse_repeats,
)
from fedpact.wire.rwset_records import (
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    PrivateRwset,
    Write,
    metadata_entries,
)

_NO_VALUE = hashlib.sha256(b"").digest()


def hash_of(data: bytes | str) -> bytes:
    """Return the SHA-256 by which a private key (text) or value (bytes) is known publicly."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()


def encode_private(rwsets: Iterable[PrivateRwset]) -> bytes:
    """Serialise as `TxPvtReadWriteSet`: namespaces, collections and keys sorted; of nothing it is empty.

    Raises
    ------
    WireError
        BAD_RWSET, if a collection, or a key within it, appears twice or is not valid text.
    """
    ordered = sorted(rwsets, key=lambda rwset: (rwset.namespace, rwset.collection))
    refuse_repeats([(rwset.namespace, rwset.collection) for rwset in ordered])
    try:
        result: bytes = rwset_pb2.TxPvtReadWriteSet(
            data_model=KV,
            ns_pvt_rwset=[
                rwset_pb2.NsPvtReadWriteSet(
                    namespace=namespace,
                    collection_pvt_rwset=[
                        rwset_pb2.CollectionPvtReadWriteSet(
                            collection_name=item.collection, rwset=_content(item)
                        )
                        for item in collections
                    ],
                )
                for namespace, collections in groupby(ordered, lambda rwset: rwset.namespace)
            ],
        ).SerializeToString()
    except UnicodeEncodeError as error:
        raise bad_text() from error
    return result


def decode_private(data: bytes) -> tuple[PrivateRwset, ...]:
    """Parse a `TxPvtReadWriteSet`.

    Raises
    ------
    WireError
        TOO_LARGE; BAD_RWSET, also where private content holds reads, ranges or values of metadata, which
        Fabric never puts there.
    """
    check_size(data, "private read/write set")
    rwset = read(rwset_pb2.TxPvtReadWriteSet, data, WireCode.BAD_RWSET)
    check_model(rwset.data_model)
    decoded = []
    for namespace in rwset.ns_pvt_rwset:
        check_name(namespace.namespace)
        for item in namespace.collection_pvt_rwset:
            check_name(item.collection_name)
            kv = read(kv_rwset_pb2.KVRWSet, item.rwset, WireCode.BAD_RWSET)
            if kv.reads or kv.range_queries_info or any(write.entries for write in kv.metadata_writes):
                raise WireError(WireCode.BAD_RWSET, "private content with more than writes")
            touched = tuple([write.key for write in kv.metadata_writes])
            decoded.append(
                PrivateRwset(namespace.namespace, item.collection_name, decode_writes(kv), metadata=touched)
            )
    return tuple(decoded)


def hashed(private: PrivateRwset) -> CollectionRwset:
    """Return what the public read/write set must say about private content: `writes` and `private_hash`.

    Reads and metadata cannot be known from it, and purges only where they are named as such: who checks
    decoded content compares `private_hash` alone, as Fabric does.

    Raises
    ------
    WireError
        BAD_RWSET, as `encode_private`.
    """
    try:
        content = _content(private)
    except UnicodeEncodeError as error:
        raise bad_text() from error
    purges = set(private.purges)
    writes = [
        HashedWrite(hash_of(key), hash_of(value) if value else None, key in purges)
        for key, value in _sorted_writes(private)
    ]
    return CollectionRwset(private.collection, writes=tuple(writes), private_hash=hash_of(content))


def _content(private: PrivateRwset) -> bytes:
    writes = _sorted_writes(private)
    refuse_repeats([write.key for write in writes])
    refuse_repeats(private.metadata)
    encoded: bytes = kv_rwset_pb2.KVRWSet(
        writes=encode_writes(writes),
        metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key=key) for key in sorted(private.metadata)],
    ).SerializeToString()
    return encoded


def _sorted_writes(private: PrivateRwset) -> list[Write]:
    return sorted([*private.writes, *(Write(key, None) for key in private.purges)], key=lambda item: item.key)


def encode_collection(rwset: CollectionRwset) -> rwset_pb2.CollectionHashedReadWriteSet:
    """Return the message of a collection's hashes.

    Raises
    ------
    WireError
        BAD_RWSET, if a key appears twice among reads, writes or metadata.
    """
    refuse_repeats([item.key_hash for item in rwset.reads])
    refuse_repeats([item.key_hash for item in rwset.writes])
    refuse_repeats([item.key_hash for item in rwset.metadata])
    content = kv_rwset_pb2.HashedRWSet(
        hashed_reads=[
            kv_rwset_pb2.KVReadHash(key_hash=item.key_hash, version=encode_version(item.version))
            for item in rwset.reads
        ],
        hashed_writes=[
            kv_rwset_pb2.KVWriteHash(
                key_hash=item.key_hash,
                is_delete=item.value_hash is None,
                value_hash=item.value_hash,
                is_purge=item.purge,
            )
            for item in rwset.writes
        ],
        metadata_writes=[
            kv_rwset_pb2.KVMetadataWriteHash(key_hash=item.key_hash, entries=metadata_entries(item.entries))
            for item in rwset.metadata
        ],
    )
    return rwset_pb2.CollectionHashedReadWriteSet(
        collection_name=rwset.collection,
        hashed_rwset=content.SerializeToString(),
        pvt_rwset_hash=rwset.private_hash,
    )


def decode_collection(item: rwset_pb2.CollectionHashedReadWriteSet) -> CollectionRwset:
    """Return what a message says about a collection.

    Raises
    ------
    WireError
        BAD_RWSET.
    """
    check_name(item.collection_name)
    content = read(kv_rwset_pb2.HashedRWSet, item.hashed_rwset, WireCode.BAD_RWSET)
    for written in (*content.hashed_writes, *content.metadata_writes):
        check_key_hash(written.key_hash)
    return CollectionRwset(
        item.collection_name,
        tuple([HashedRead(entry.key_hash, decode_version(entry)) for entry in content.hashed_reads]),
        tuple(
            [
                HashedWrite(entry.key_hash, _value_hash(entry), entry.is_purge)
                for entry in content.hashed_writes
            ]
        ),
        tuple(
            [
                HashedMetadataWrite(entry.key_hash, tuple([(e.name, e.value) for e in entry.entries]))
                for entry in content.metadata_writes
            ]
        ),
        item.pvt_rwset_hash,
    )


def _value_hash(entry: kv_rwset_pb2.KVWriteHash) -> bytes | None:
    """Return the hash of what is written; as in Fabric the hash of an empty value removes too."""
    removes = entry.is_delete or entry.value_hash in (b"", _NO_VALUE)
    return None if removes else entry.value_hash
