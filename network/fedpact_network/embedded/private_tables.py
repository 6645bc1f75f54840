"""Writing the tables of private data, within the database transaction of a block."""

from __future__ import annotations

from collections.abc import Iterable

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from sqlalchemy import Connection, Insert, bindparam, delete, insert, select, tuple_, update

from fedpact.validation import HashedKey
from fedpact.wire.rwsets import Version, hash_of
from fedpact_network.embedded.private_commit import PrivateChanges
from fedpact_network.embedded.schema import PRIVATE_STATE, PRIVATE_WRITES

_S, _W = PRIVATE_STATE.c, PRIVATE_WRITES.c
_OF_KEY = (
    _S.namespace == bindparam("ns"),
    _S.collection == bindparam("coll"),
    _S.key_hash == bindparam("hash"),
)
_REMOVE = delete(PRIVATE_STATE).where(*_OF_KEY)
_MOVE = (
    update(PRIVATE_STATE)
    .where(*_OF_KEY, _S.block == bindparam("b"), _S.position == bindparam("p"))
    .values(block=bindparam("new_b"), position=bindparam("new_p"))
)
_KEEP = insert(PRIVATE_WRITES)
_EXPIRED = delete(PRIVATE_WRITES).where(_W.expires_block <= bindparam("n"))
_EARLIER = select(_W.block, _W.position, _W.content).where(
    _W.namespace == bindparam("ns"),
    _W.collection == bindparam("coll"),
    _W.content.is_not(None),
    tuple_(_W.block, _W.position) < tuple_(bindparam("b"), bindparam("p")),
)
_TRIM = (
    update(PRIVATE_WRITES)
    .where(
        _W.block == bindparam("b"),
        _W.position == bindparam("p"),
        _W.namespace == bindparam("ns"),
        _W.collection == bindparam("coll"),
    )
    .values(content=bindparam("rest"))
)


def write_private(connection: Connection, put: Insert, number: int, changes: PrivateChanges) -> None:
    """Write what a block changes of private data.

    Parameters
    ----------
    connection : within the block's transaction.
    put : upsert into the private state.
    number : of the block.
    changes : by the block.
    """
    connection.execute(_EXPIRED, {"n": number})
    if changes.removed:
        connection.execute(_REMOVE, [_key(key) for key in changes.removed])
    for key, before, after in changes.moved:
        versions = {"b": before.block, "p": before.tx, "new_b": after.block, "new_p": after.tx}
        connection.execute(_MOVE, {**_key(key), **versions})
    if changes.rows:
        rows = [
            {
                **row.hashed._asdict(),
                "key": row.key.encode(),
                "value": row.value,
                "block": row.version.block,
                "position": row.version.tx,
            }
            for row in changes.rows
        ]
        connection.execute(put, rows)
    if changes.contents:
        connection.execute(_KEEP, [{"block": number, **item._asdict()} for item in changes.contents])
    for key, position in changes.purged:
        _purge(connection, key, Version(number, position))


def _purge(connection: Connection, key: HashedKey, before: Version) -> None:
    """Take a key out of all write sets before a version. O(write sets of the collection)."""
    names = {"ns": key.namespace, "coll": key.collection}
    found = connection.execute(_EARLIER, {**names, "b": before.block, "p": before.tx}).fetchall()
    trimmed = ((block, position, without(content, (key.key_hash,))) for block, position, content in found)
    rests = [
        {**names, "b": block, "p": position, "rest": rest}
        for block, position, rest in trimmed
        if rest is not None
    ]
    if rests:
        connection.execute(_TRIM, rests)


def without(content: bytes, key_hashes: Iterable[bytes]) -> bytes | None:
    """Return a collection's write set without some keys; None where they are not in it."""
    purged = frozenset(key_hashes)
    message = kv_rwset_pb2.KVRWSet.FromString(content)
    writes = [write for write in message.writes if hash_of(write.key) not in purged]
    metadata = [write for write in message.metadata_writes if hash_of(write.key) not in purged]
    if len(writes) == len(message.writes) and len(metadata) == len(message.metadata_writes):
        return None
    rest: bytes = kv_rwset_pb2.KVRWSet(writes=writes, metadata_writes=metadata).SerializeToString()
    return rest


def _key(key: HashedKey) -> dict[str, str | bytes]:
    return {"ns": key.namespace, "coll": key.collection, "hash": key.key_hash}
