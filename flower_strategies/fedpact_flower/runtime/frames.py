"""What the grid and its workers say to each other over a pipe, as bytes.

================  =====================================================================
grid to worker
``K`` digests     forget all array records except these (32 bytes each)
``A`` digest      the next frame is the array record with this digest
``C`` call        a message for a node: lengths, identifiers, digests, protobuf
worker to grid
``R``             ready
``F`` reason      the setup failed
(a bare reply)    answers the last call, only after ``R``: number of array records, protobuf;
                  the array records follow as frames of their own
================  =====================================================================

The pipe itself delimits frames. A worker has at most one call at a time, so neither side ever writes
while the other one is not reading.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from fedpact_flower.runtime.packing import DIGEST_BYTES, PackedMessage, PackedReply

KEEP, ARRAYS, CALL = b"K", b"A", b"C"
READY, FAILED = b"R", b"F"

_CALL_HEAD = struct.Struct(">QII")  # node identifier, length of the message identifier, number of digests
_REPLY_HEAD = struct.Struct(">I")  # number of array records


def keep_frame(digests: Iterable[bytes]) -> bytes:
    """Frame that limits what a worker holds."""
    return KEEP + b"".join(digests)


def arrays_frame(digest: bytes) -> bytes:
    """Frame that announces an array record, which follows as a frame of its own (it may be large)."""
    return ARRAYS + digest


def call_frame(message: PackedMessage) -> bytes:
    """Frame of one packed message."""
    message_id = message.message_id.encode()
    head = _CALL_HEAD.pack(message.node_id, len(message_id), len(message.digests))
    return b"".join((CALL, head, message_id, *message.digests, message.rest))


def reply_frame(reply: PackedReply[bytes]) -> bytes:
    """Frame of a reply; its array records follow as frames of their own."""
    return _REPLY_HEAD.pack(len(reply.arrays)) + reply.rest


def read_reply(frame: bytes) -> tuple[int, bytes]:
    """Inverse of `reply_frame`: the number of array records that follow, and the rest of the reply."""
    (count,) = _REPLY_HEAD.unpack_from(frame)
    return count, frame[_REPLY_HEAD.size :]


def read_digests(body: bytes) -> list[bytes]:
    """Split concatenated digests; the body of a keep frame."""
    return [body[start : start + DIGEST_BYTES] for start in range(0, len(body), DIGEST_BYTES)]


def read_call(body: bytes) -> PackedMessage:
    """Inverse of `call_frame`, without its first byte."""
    node_id, id_length, count = _CALL_HEAD.unpack_from(body)
    digests_at = _CALL_HEAD.size + id_length
    rest_at = digests_at + count * DIGEST_BYTES
    return PackedMessage(
        message_id=body[_CALL_HEAD.size : digests_at].decode(),
        node_id=node_id,
        rest=body[rest_at:],
        digests=tuple(read_digests(body[digests_at:rest_at])),
    )
