"""Frames of the local transport and of batched calls: what client and server say to each other.

frame    length of the body (4 bytes, big-endian) || body, at most MAX_FRAME_BYTES
request  length of the name (1 byte) || timeout in ms (4 bytes) || method's name || gateway message
reply    00 || gateway message      or      01 || JSON {status, message, details}

Over a socket one frame follows the other. A message of the gRPC method CALLS_METHOD, in both directions, is a
concatenation of calls; replies come in any order and carry their request's id, which the client gives:

call     length of the body (4 bytes, big-endian) || id (8 bytes) || body: a request or a reply
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

import msgspec

from fedpact.gateway.transport import ErrorDetail, Status, TransportError
from fedpact.wire.errors import MAX_MESSAGE_BYTES

METHODS = frozenset({"evaluate", "endorse", "submit", "commit_status", "submit_and_wait"})
MAX_FRAME_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
MAX_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux."""
CALLS_METHOD = "/fedpact.Node/Calls"
"""gRPC method of batched calls: a stream of messages in each direction."""

_LENGTH = struct.Struct("!I")
_REQUEST = struct.Struct("!BI")
_CALL = struct.Struct("!IQ")
_LONGEST_MS = 2**32 - 1
_OK, _FAILED = b"\x00", b"\x01"


class FrameError(Exception):
    """The other side sent no frame: too long, cut off or malformed."""


class Request(NamedTuple):
    """One call."""

    method: str
    timeout_s: float
    message: bytes


class _Failure(msgspec.Struct):
    status: Status
    message: str
    details: list[ErrorDetail] = []


def encode_request(request: Request) -> bytes:
    """Encode a call."""
    name = request.method.encode()
    timeout_ms = round(min(max(request.timeout_s * 1000, 0), _LONGEST_MS))
    return _REQUEST.pack(len(name), timeout_ms) + name + request.message


def decode_request(body: bytes) -> Request:
    """Decode a call; raise FrameError for a malformed one or an unknown method."""
    if len(body) < _REQUEST.size:
        raise FrameError("a request without header")
    size, timeout_ms = _REQUEST.unpack_from(body)
    name = body[_REQUEST.size : _REQUEST.size + size].decode("ascii", "replace")
    if name not in METHODS:
        raise FrameError("a request for an unknown method")
    return Request(name, timeout_ms / 1000, body[_REQUEST.size + size :])


def encode_reply(reply: bytes) -> bytes:
    """Encode an answer."""
    return _OK + reply


def encode_failure(error: TransportError) -> bytes:
    """Encode a failure."""
    return _FAILED + msgspec.json.encode(_Failure(error.status, error.message, list(error.details)))


def decode_reply(body: bytes) -> bytes:
    """Return an answer.

    Raises
    ------
    TransportError
        What the server's handler raised.
    FrameError
        For a malformed reply.
    """
    kind, content = body[:1], body[1:]
    if kind == _OK:
        return content
    if kind != _FAILED:
        raise FrameError("a reply of no known kind")
    try:
        failure = msgspec.json.decode(content, type=_Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FrameError("a malformed failure") from error
    raise TransportError(failure.status, failure.message, tuple(failure.details))


def encode_call(number: int, body: bytes) -> bytes:
    """Encode one call of a batch; a batch is the concatenation of its calls.

    Raises
    ------
    FrameError
        If it is too long.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a call of {len(body)} bytes, at most {MAX_FRAME_BYTES}")
    return _CALL.pack(len(body), number) + body


def decode_calls(batch: bytes) -> list[tuple[int, bytes]]:
    """Return the ids and bodies of a batch of calls.

    Raises
    ------
    FrameError
        If it is malformed.
    """
    calls = []
    at = 0
    while at < len(batch):
        if len(batch) - at < _CALL.size:
            raise FrameError("a call was cut off")
        size, number = _CALL.unpack_from(batch, at)
        at += _CALL.size
        if size > MAX_FRAME_BYTES or len(batch) - at < size:
            raise FrameError("a call is too long or was cut off")
        calls.append((number, batch[at : at + size]))
        at += size
    return calls


def send_frame(stream: socket.socket, body: bytes) -> None:
    """Send one frame.

    Raises
    ------
    FrameError
        If it is too long; nothing is sent.
    OSError
        If the connection is broken or its timeout is over.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes, at most {MAX_FRAME_BYTES}")
    stream.sendall(_LENGTH.pack(len(body)) + body)


def receive_frame(stream: socket.socket, *, deadline: float | None = None) -> bytes | None:
    """Receive one frame; None where the other side has closed the connection between frames.

    Parameters
    ----------
    deadline : `time.monotonic()` at which to give up; None waits for ever.

    Raises
    ------
    FrameError
        If the frame is too long or cut off.
    TimeoutError
        If it is not complete by the deadline.
    OSError
        If the connection is broken.
    """
    head = _receive(stream, _LENGTH.size, deadline)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise FrameError("a frame was cut off")
    (size,) = _LENGTH.unpack(head)
    if size > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {size} bytes, at most {MAX_FRAME_BYTES}")
    body = _receive(stream, size, deadline)
    if len(body) < size:
        raise FrameError("a frame was cut off")
    return body


def set_timeout(stream: socket.socket, deadline: float | None) -> None:
    """Let the stream's next operation end at a deadline.

    Raises
    ------
    TimeoutError
        If it is over.
    """
    if deadline is None:
        return
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("the deadline is over")
    stream.settimeout(min(left_s, _LONGEST_MS / 1000))


def _receive(stream: socket.socket, size: int, deadline: float | None) -> bytes:
    """Receive `size` bytes, fewer only where the stream ends."""
    chunks = []
    while size:
        set_timeout(stream, deadline)
        chunk = stream.recv(min(size, 2**20))
        if not chunk:
            break
        chunks.append(chunk)
        size -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
