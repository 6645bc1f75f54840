"""The parts that public and private read/write sets share, as Fabric's `kvrwset` messages."""

from __future__ import annotations

from collections.abc import Sequence

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.rwset_records import Version, Write

KV = rwset_pb2.TxReadWriteSet.KV

MAX_KEY_BYTES = 2048
"""Longest key that may be written, UTF-8: with its names what the database of every node can index."""

MAX_NAME_BYTES = 256
"""Longest name of a namespace or collection, UTF-8."""

_MAX_HASH_BYTES = 64


def encode_version(version: Version | None) -> kv_rwset_pb2.Version | None:
    """Return the message of a version; None for what did not exist."""
    return None if version is None else kv_rwset_pb2.Version(block_num=version.block, tx_num=version.tx)


def decode_version(item: kv_rwset_pb2.KVRead | kv_rwset_pb2.KVReadHash) -> Version | None:
    """Return the version of a read; None where the key did not exist."""
    if not item.HasField("version"):
        return None
    version = item.version
    return Version(version.block_num, version.tx_num)


def encode_writes(writes: Sequence[Write]) -> list[kv_rwset_pb2.KVWrite]:
    """Return the messages of writes, in their order."""
    return [
        kv_rwset_pb2.KVWrite(key=key, value=value) if value else kv_rwset_pb2.KVWrite(key=key, is_delete=True)
        for key, value in writes
    ]


def decode_writes(kv: kv_rwset_pb2.KVRWSet) -> tuple[Write, ...]:
    """Return the writes of a message; refuse (BAD_RWSET) keys that are too long."""
    for item in kv.writes:
        check_key(item.key)
    return tuple([Write(item.key, None if item.is_delete else item.value or None) for item in kv.writes])


def check_key(key: str) -> None:
    """Refuse (BAD_RWSET) to write a key of more than `MAX_KEY_BYTES`."""
    if len(key) > MAX_KEY_BYTES // 4 and len(key.encode()) > MAX_KEY_BYTES:
        raise WireError(WireCode.BAD_RWSET, f"a key has more than {MAX_KEY_BYTES} bytes")


def check_key_hash(key_hash: bytes) -> None:
    """Refuse (BAD_RWSET) to write under what is too long for a hash."""
    if len(key_hash) > _MAX_HASH_BYTES:
        raise WireError(WireCode.BAD_RWSET, f"a hash of {len(key_hash)} bytes")


def check_name(name: str) -> None:
    """Refuse (BAD_RWSET) names of namespaces and collections that not every database can hold."""
    if "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise WireError(WireCode.BAD_RWSET, f"a name has U+0000 or more than {MAX_NAME_BYTES} bytes")


def check_model(model: int) -> None:
    """Refuse (BAD_RWSET) other data models than keys and values."""
    if model != KV:
        raise WireError(WireCode.BAD_RWSET, "not a key-value read/write set")


def refuse_repeats(names: Sequence[str | bytes | tuple[str, str]]) -> None:
    """Refuse (BAD_RWSET) a name that is there twice."""
    if len(set(names)) != len(names):
        raise WireError(WireCode.BAD_RWSET, "a namespace, collection or key appears twice")


def bad_text() -> WireError:
    """Return the refusal of text that has no UTF-8 bytes."""
    return WireError(WireCode.BAD_RWSET, "a name or key is not valid text")
