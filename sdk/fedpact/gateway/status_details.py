"""The trailing metadata `grpc-status-details-bin`: a `google.rpc.Status` with one answer a peer.

`google.rpc.Status` is described here, in a pool of its own: no package is needed for it.
"""

from __future__ import annotations

from functools import cache

from fabric_protos.gateway import gateway_pb2
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message

from fedpact.gateway.transport import ErrorDetail

DETAILS_KEY = "grpc-status-details-bin"
"""Key of the metadata."""

_PREFIX = "type.googleapis.com/"


def encode_details(code: int, message: str, details: tuple[ErrorDetail, ...]) -> bytes:
    """Encode a `google.rpc.Status`.

    Parameters
    ----------
    code : gRPC's number of the status.
    message : one line for people.
    details : the answers of the peers that failed.
    """
    status = _status()(code=code, message=message)
    for detail in details:
        packed = gateway_pb2.ErrorDetail(
            address=detail.address, msp_id=detail.mspid, message=detail.message
        ).SerializeToString()
        type_url = _PREFIX + gateway_pb2.ErrorDetail.DESCRIPTOR.full_name
        status.details.add(type_url=type_url, value=packed)
    return bytes(status.SerializeToString())


def decode_details(data: bytes) -> tuple[ErrorDetail, ...]:
    """Return the peers' answers of a `google.rpc.Status`; what cannot be read is left out."""
    found = []
    try:
        for packed in _status().FromString(data).details:
            if packed.type_url.endswith(gateway_pb2.ErrorDetail.DESCRIPTOR.full_name):
                detail = gateway_pb2.ErrorDetail.FromString(packed.value)
                found.append(ErrorDetail(detail.address, detail.msp_id, detail.message))
    except DecodeError:
        pass
    return tuple(found)


@cache
def _status() -> type[Message]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="google/rpc/status.proto",
        package="google.rpc",
        syntax="proto3",
        dependency=[any_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="Status")
    message.field.add(name="code", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    message.field.add(name="message", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    message.field.add(
        name="details",
        number=3,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".google.protobuf.Any",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    status: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.rpc.Status"))
    return status
