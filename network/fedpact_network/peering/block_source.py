"""Blocks of another node: a client of `orderer.AtomicBroadcast/Deliver` and `protos.Deliver`.

Nothing is verified here: whoever takes a block judges it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.addresses import GrpcAddress
from fedpact.gateway.grpc_channel import DELIVER, failure
from fedpact.gateway.grpc_transport import GrpcStream
from fedpact.gateway.transport import DeliverKind, Status, TransportError
from fedpact.identity import Identity

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0

_ORDERERS = "/orderer.AtomicBroadcast/Deliver"
_PRIVATE = f"{DELIVER}{DeliverKind.WITH_PRIVATE_DATA}"
_LAST = 2**64 - 1
_NS = 1_000_000_000
_NOTHING: Mapping[int, bytes] = MappingProxyType({})
_REFUSALS = {
    common_pb2.NOT_FOUND: Status.NOT_FOUND,
    common_pb2.FORBIDDEN: Status.PERMISSION_DENIED,
    common_pb2.BAD_REQUEST: Status.INVALID_ARGUMENT,
}


class Delivered(NamedTuple):
    """A block as it came.

    Attributes
    ----------
    data : serialised `common.Block`.
    private : serialised `rwset.TxPvtReadWriteSet`s by the positions of their transactions.
    """

    data: bytes
    private: Mapping[int, bytes] = _NOTHING


class BlockSource:
    """Asks nodes of a channel for their blocks, one after the other where one does not answer.

    Parameters
    ----------
    nodes : their addresses, and how they are trusted.
    channel_id : the channel.
    signer : who asks.
    clock_ns : time of the requests.
    private : whether private data are asked for as well; only peers have them. A node that cannot deliver
        them is asked for its blocks alone.
    """

    def __init__(
        self,
        nodes: GrpcAddress,
        channel_id: str,
        signer: Identity,
        clock_ns: Callable[[], int],
        *,
        private: bool = False,
    ) -> None:
        self._nodes = nodes
        self._channel_id = channel_id
        self._signer = signer
        self._clock_ns = clock_ns
        self._private = private
        self._channels = [nodes.settings.open(address) for address in nodes.addresses]
        self._next = 0
        self._closed = threading.Event()
        self._stream: GrpcStream | None = None

    def blocks(self, number: int) -> Iterator[Delivered]:
        """Yield all blocks from a number on, for ever, until `close`.

        Where a node breaks off or refuses, the next address is asked, after a growing wait.
        """
        failures = 0
        while not self._closed.is_set():
            try:
                for delivered in self._ask(self._next, number, _LAST):
                    failures = 0
                    number += 1
                    yield delivered
                    if self._closed.is_set():
                        return
            except TransportError as error:
                if self._closed.is_set():
                    return
                level = logging.WARNING if not failures else logging.DEBUG
                log.log(level, "no block %d from %s: %s", number, self._nodes.addresses[self._next], error)
            self._next = (self._next + 1) % len(self._channels)
            self._closed.wait(min(FIRST_WAIT_S * 2 ** min(failures, 10), LONGEST_WAIT_S))
            failures += 1

    def block(self, number: int, timeout_s: float = 10.0) -> Delivered:
        """Fetch one block from the first node that has it.

        Raises
        ------
        TransportError
            What the last node answered.
        """
        refused = TransportError(Status.UNAVAILABLE, "the source is closed")
        for index in range(len(self._channels)):
            try:
                for delivered in self._ask(index, number, number, timeout_s=timeout_s):
                    return delivered
            except TransportError as error:
                refused = error
        raise refused

    def close(self) -> None:
        """End the stream, from any thread."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()
        for channel in self._channels:
            channel.close()

    def _ask(self, index: int, first: int, last: int, timeout_s: float | None = None) -> Iterator[Delivered]:
        if self._private:
            try:
                yield from self._read(index, _PRIVATE, first, last, timeout_s)
                return
            except TransportError as error:
                if error.status is not Status.UNIMPLEMENTED:
                    raise
        yield from self._read(index, _ORDERERS, first, last, timeout_s)

    def _read(
        self, index: int, method: str, first: int, last: int, timeout_s: float | None
    ) -> Iterator[Delivered]:
        address = self._nodes.addresses[index]
        request = seek(self._signer, self._channel_id, first, last, self._clock_ns(), self._certificate_hash)
        try:
            call = self._channels[index].stream_stream(method)(iter((request,)), timeout=timeout_s)
        except grpc.RpcError as error:
            raise failure(error, address, closed=self._closed.is_set()) from error
        except ValueError as error:
            raise TransportError(Status.CANCELLED, "the source is closed") from error
        stream = GrpcStream(call, address)
        if last == _LAST:
            self._stream = stream
            if self._closed.is_set():
                stream.close()
        try:
            for reply in stream:
                delivered = _delivered(reply, method == _PRIVATE)
                if delivered is None:
                    return
                yield delivered
        finally:
            stream.close()

    @property
    def _certificate_hash(self) -> bytes:
        return self._nodes.certificate_hash


def seek(
    signer: Identity, channel_id: str, first: int, last: int, now_ns: int, certificate_hash: bytes = b""
) -> bytes:
    """Return a signed request for blocks: serialised `common.Envelope` with `orderer.SeekInfo`."""
    asked = ab_pb2.SeekInfo(behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY)
    asked.start.specified.number, asked.stop.specified.number = first, last
    if first == last:
        asked.behavior = ab_pb2.SeekInfo.FAIL_IF_NOT_READY
    channel = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO, channel_id=channel_id, tls_cert_hash=certificate_hash
    )
    channel.timestamp.seconds, channel.timestamp.nanos = divmod(now_ns, _NS)
    header = common_pb2.Header(
        channel_header=channel.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=signer.creator).SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=asked.SerializeToString()).SerializeToString()
    envelope = common_pb2.Envelope(payload=payload, signature=signer.sign(payload))
    request: bytes = envelope.SerializeToString()
    return request


def _delivered(reply: bytes, private: bool) -> Delivered | None:
    """Read a reply; None after the last one.

    Raises
    ------
    TransportError
        A status in place of a block, or what cannot be read.
    """
    try:
        message = events_pb2.DeliverResponse.FromString(reply)  # of orderers: the same fields
        kind = message.WhichOneof("Type")
        if kind == "block":
            return Delivered(message.block.SerializeToString())
        if kind == "block_and_private_data" and private:
            both = message.block_and_private_data
            found = {place: item.SerializeToString() for place, item in both.private_data_map.items()}
            return Delivered(both.block.SerializeToString(), found)
    except DecodeError as error:
        raise TransportError(Status.INTERNAL, "a reply that is no DeliverResponse") from error
    if kind == "status" and message.status == common_pb2.SUCCESS:
        return None
    name = common_pb2.Status.Name(message.status) if message.status in common_pb2.Status.values() else "?"
    raise TransportError(_REFUSALS.get(message.status, Status.UNAVAILABLE), f"blocks are refused: {name}")
