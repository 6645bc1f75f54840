"""What the committer adds to a block: a verdict on every transaction and the commit hash.

The commit hash chains what validation decided and what it wrote, so that two peers compare one value to
know that their states are equal. The bytes are those of Fabric 2.x (`kvledger.addBlockCommitHash`):

    sha256( varint(len(codes)) || codes || updates || previous commit hash )

with one validation code byte a transaction and `updates` the protobuf message

    Updates { repeated KVWrite kvwrites = 1 }
    KVWrite { string namespace = 1; string collection = 2; bytes key = 3; bool isDelete = 4;
              bytes value = 5; bytes version_bytes = 6 }

sorted by namespace, collection (public writes first), then key; hashes of private data have the raw key
hash as key; namespace and collection stand only on the first write of their group; the empty namespace (the
channel's configuration) is left out; a version is block and position, each as one length byte and its
big-endian bytes without leading zeros. The genesis block has no commit hash; block 1 starts from b"".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from fabric_protos.common import common_pb2

from fedpact.wire.blocks import COMMIT_HASH, SLOTS, TRANSACTIONS_FILTER
from fedpact.wire.errors import WireError
from fedpact.wire.protobuf_fields import length_delimited, varint
from fedpact.wire.rwsets import Row, Version

StateKey = tuple[str, str]
"""Namespace and key of a row; hashes of private data are under `rwsets.hashed_namespace`."""

_HASHED = "$$h"  # between namespace and collection in `rwsets.hashed_namespace`


class ValidationCode(IntEnum):
    """Verdict of the committer: the names and numbers of Fabric's `TxValidationCode`."""

    VALID = 0
    NIL_ENVELOPE = 1
    BAD_PAYLOAD = 2
    BAD_COMMON_HEADER = 3
    BAD_CREATOR_SIGNATURE = 4
    INVALID_ENDORSER_TRANSACTION = 5
    INVALID_CONFIG_TRANSACTION = 6
    UNSUPPORTED_TX_PAYLOAD = 7
    BAD_PROPOSAL_TXID = 8
    DUPLICATE_TXID = 9
    ENDORSEMENT_POLICY_FAILURE = 10
    MVCC_READ_CONFLICT = 11
    PHANTOM_READ_CONFLICT = 12
    UNKNOWN_TX_TYPE = 13
    TARGET_CHAIN_NOT_FOUND = 14
    MARSHAL_TX_ERROR = 15
    NIL_TXACTION = 16
    EXPIRED_CHAINCODE = 17
    CHAINCODE_VERSION_CONFLICT = 18
    BAD_HEADER_EXTENSION = 19
    BAD_CHANNEL_HEADER = 20
    BAD_RESPONSE_PAYLOAD = 21
    BAD_RWSET = 22
    ILLEGAL_WRITESET = 23
    INVALID_WRITESET = 24
    INVALID_CHAINCODE = 25
    NOT_VALIDATED = 254
    INVALID_OTHER_REASON = 255

    @classmethod
    def of(cls, error: WireError) -> ValidationCode:
        """Return the verdict on an envelope that could not be parsed."""
        return cls.__members__.get(error.code, cls.INVALID_OTHER_REASON)


class Update(NamedTuple):
    """One key as the block leaves it; `value` None where it was removed, then without metadata."""

    namespace: str
    key: str
    value: bytes | None
    version: Version
    metadata: bytes = b""

    @property
    def row(self) -> Row | None:
        """The row that the block leaves."""
        return None if self.value is None else Row(self.value, self.version, self.metadata)


def commit_hash(previous: bytes, codes: bytes, updates: Iterable[Update]) -> bytes:
    """Return the commit hash of a block.

    Parameters
    ----------
    previous : commit hash of the block before; empty for block 1.
    codes : one validation code a transaction.
    updates : the last write of every key that valid transactions changed, in any order.
    """
    digest = hashlib.sha256(varint(len(codes)))
    digest.update(codes)
    digest.update(update_bytes(updates))
    digest.update(previous)
    return digest.digest()


def update_bytes(updates: Iterable[Update]) -> bytes:
    """Serialise the changed keys deterministically, as the module's text says."""
    parts = []
    group = before = ""
    for (namespace, collection, key), value, version in sorted(map(_placed, updates), key=_place):
        if not namespace:
            continue
        write = b""
        if namespace != group:
            write, group, before = length_delimited(1, namespace.encode()), namespace, ""
        if collection != before:
            write, before = write + length_delimited(2, collection.encode()), collection
        write += length_delimited(3, key) + (b"\x20\x01" if value is None else length_delimited(5, value))
        write += length_delimited(6, _ordered(version.block) + _ordered(version.tx))
        parts.append(length_delimited(1, write))
    return b"".join(parts)


def seal(block: common_pb2.Block, codes: bytes, commit_hash: bytes = b"") -> None:
    """Write the verdicts (one validation code a transaction) and the commit hash into a block's metadata."""
    slots = block.metadata.metadata
    slots.extend([b""] * (SLOTS - len(slots)))  # nobody signs how many there are
    slots[TRANSACTIONS_FILTER] = codes
    slots[COMMIT_HASH] = common_pb2.Metadata(value=commit_hash).SerializeToString() if commit_hash else b""


_Place = tuple[str, str, bytes]


def _placed(update: Update) -> tuple[_Place, bytes | None, Version]:
    """Return namespace, collection and key as Fabric names them, and what is written."""
    namespace, hashed, collection = update.namespace.partition(_HASHED)
    key = bytes.fromhex(update.key) if hashed else update.key.encode()
    return (namespace, collection, key), update.value, update.version


def _place(placed: tuple[_Place, bytes | None, Version]) -> _Place:
    return placed[0]


def _ordered(number: int) -> bytes:
    size = (number.bit_length() + 7) // 8
    return bytes((size,)) + number.to_bytes(size, "big")
