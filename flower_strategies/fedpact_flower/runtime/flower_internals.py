"""The one place that touches Flower's private modules.

Flower publishes `flwr.app`, `flwr.clientapp` and `flwr.serverapp`. A grid of one's own also needs the
identity of the running task, the protobuf forms of messages and the numbers of error codes; those live
in private modules which move between releases (checked with 1.41).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flwr.app import ArrayRecord, Error, Message, RecordDict
from flwr.app.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID as SERVER_NODE_ID
from flwr.common.constant import ErrorCode
from flwr.common.serde import (
    array_record_from_proto,
    message_from_proto,
    message_to_proto,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.recorddict_pb2 import ArrayRecord as ProtoArrayRecord
from flwr.supercore.run import Run as FlowerRun
from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "CLIENT_APP_CRASHED",
    "CLIENT_APP_RAISED",
    "SERVER_NODE_ID",
    "FlowerRun",
    "acting_as",
    "adopt_server_identity",
    "decode_arrays",
    "decode_message",
    "empty_run",
    "encode_arrays",
    "encode_message",
    "error_reply",
    "join_message",
    "reply_id",
    "split_message",
    "stamp",
]

CLIENT_APP_RAISED: int = ErrorCode.CLIENT_APP_RAISED_EXCEPTION
CLIENT_APP_CRASHED: int = ErrorCode.CLIENT_APP_CRASHED

_LOCAL_RUN_ID = 1
_LOCAL_TASK_ID = 1


def adopt_server_identity() -> int:
    """Give this process the server's task identity where it has none; return the run's identifier.

    `Message(...)` refuses to work without one. An identity that is already set (inside a deployed Flower
    process) is left alone.
    """
    try:
        return int(TaskIdentity.run_id)
    except RuntimeError:
        TaskIdentity.run_id = _LOCAL_RUN_ID
        TaskIdentity.node_id = SERVER_NODE_ID
        TaskIdentity.task_id = _LOCAL_TASK_ID
        return _LOCAL_RUN_ID


@contextmanager
def acting_as(node_id: int) -> Iterator[None]:
    """Run the body under the task identity of one node."""
    before = TaskIdentity.node_id
    TaskIdentity.node_id = node_id
    try:
        yield
    finally:
        TaskIdentity.node_id = before


def empty_run(run_id: int) -> FlowerRun:
    """Flower's description of a run that has no Flower app bundle behind it."""
    return FlowerRun.create_empty(run_id)


def stamp(message: Message, message_id: str) -> None:
    """Set a message's identifier in place, as Flower's own grids do when they send it."""
    message.metadata.__dict__["_message_id"] = message_id


def encode_message(message: Message) -> bytes:
    """Protobuf bytes of a whole message."""
    return bytes(message_to_proto(message).SerializeToString())


def decode_message(data: bytes) -> Message:
    """Inverse of `encode_message`."""
    return message_from_proto(ProtoMessage.FromString(data))


def encode_arrays(record: ArrayRecord) -> bytes:
    """Protobuf bytes of one array record.

    Flower's own function nests finished protobufs, which copies the data at each level; filling them in
    place copies it once.
    """
    proto = ProtoArrayRecord()
    for name, array in record.items():
        item = proto.items.add(key=name)
        item.value.dtype = array.dtype
        item.value.shape.extend(array.shape)
        item.value.stype = array.stype
        item.value.data = array.data
    return bytes(proto.SerializeToString())


def decode_arrays(data: bytes) -> ArrayRecord:
    """Inverse of `encode_arrays`."""
    return array_record_from_proto(ProtoArrayRecord.FromString(data))


def split_message(message: Message) -> tuple[bytes, list[ArrayRecord]]:
    """Separate a message from its array records.

    Returns
    -------
    tuple[bytes, list[ArrayRecord]]
        The message's protobuf bytes with every array record emptied, and those records in the order of
        the message's content.
    """
    if not message.has_content():
        return encode_message(message), []
    records: list[ArrayRecord] = []
    rest = RecordDict()
    for key, record in message.content.items():
        if isinstance(record, ArrayRecord):
            records.append(record)
            rest[key] = ArrayRecord()
        else:
            rest[key] = record
    return encode_message(make_message(metadata=message.metadata, content=rest)), records


def join_message(rest: bytes, records: Sequence[ArrayRecord]) -> Message:
    """Inverse of `split_message`: put the array records back in their order.

    Raises
    ------
    ValueError
        If the number of records differs from the number of places left for them.
    """
    message = decode_message(rest)
    content = message.content if message.has_content() else {}
    places = [key for key, record in content.items() if isinstance(record, ArrayRecord)]
    for key, record in zip(places, records, strict=True):
        message.content[key] = record
    return message


def error_reply(message: Message, code: int, reason: str) -> Message:
    """Build the reply that tells the server why a node has no answer."""
    reply = Message(Error(code=code, reason=reason), reply_to=message)
    stamp(reply, reply_id(message.metadata.message_id))
    return reply


def reply_id(message_id: str) -> str:
    """Identifier of the one reply to a message."""
    return f"{message_id}.reply"
