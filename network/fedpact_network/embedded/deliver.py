"""Delivery of blocks as Fabric's peers and orderers do it: whole, filtered, or with private data.

A request is a signed envelope with `orderer.SeekInfo`. Every reply is a block or, as the last one, a status:
SUCCESS after the last block that was asked for; BAD_REQUEST, NOT_FOUND, FORBIDDEN in place of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.message import DecodeError

from fedpact.gateway.transport import DeliverKind
from fedpact.identity import IdentityError
from fedpact.wire.blocks import COMMIT_HASH, TRANSACTIONS_FILTER
from fedpact.wire.protobuf_fields import length_delimited
from fedpact_network.embedded.access import BLOCKS, FILTERED_BLOCKS, ORDERER_READERS
from fedpact_network.embedded.errors import Refusal
from fedpact_network.embedded.filtered_blocks import filtered

if TYPE_CHECKING:
    from fedpact.wire.membership import Member
    from fedpact_network.embedded.node import EmbeddedNode

TIME_WINDOW_S = 15 * 60
"""How far a request's timestamp may be off the node's clock, as Fabric's peers have it."""

PrivateData = Callable[[int, "Member"], Mapping[int, bytes]]
"""(block, who asks) -> position of a transaction -> serialised `rwset.TxPvtReadWriteSet`, of those
collections only whose policy counts them among its members."""


class _Asked(NamedTuple):
    member: Member
    creator: bytes
    seek: ab_pb2.SeekInfo


class _Refused(Exception):  # noqa: N818 (an answer, not a fault)
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def no_private_data(block: int, member: Member) -> Mapping[int, bytes]:
    """Private data of a node that keeps none."""
    return {}


class Delivery:
    """A feed of the replies to one request; those of a peer and an orderer are encoded alike.

    Parameters
    ----------
    node : whose blocks.
    kind : what of each block; None: as the orderer made it, without verdicts.
    envelope : serialised `common.Envelope`.
    private_data : finds what the requester may see.
    certificate_hash : SHA-256 of the requester's TLS certificate, which the channel header must name
        (empty: it showed none); None: nothing is compared.

    Attributes
    ----------
    status : the last reply's; SUCCESS as long as it is not refused.
    """

    def __init__(
        self,
        node: EmbeddedNode,
        kind: DeliverKind | None,
        envelope: bytes,
        *,
        private_data: PrivateData = no_private_data,
        certificate_hash: bytes | None = None,
    ) -> None:
        self._node = node
        self._kind = kind
        self._private_data = private_data
        self.finished = False
        self.status: int = common_pb2.SUCCESS
        self.number = 0
        self._last: int | None = None
        try:
            self._asked = _ask(node, _resource(kind), envelope, certificate_hash)
            self._place(self._asked.seek)
        except _Refused as refused:
            self.status = refused.status
            self._last = -1

    def waits(self, height: int) -> bool:
        """Whether the next block is still to come and the requester wants to wait for it."""
        return self._more() and self._patient and self.number >= height

    def read(self, height: int) -> bytes | None:
        """Return the next block or the status that ends the replies."""
        if not self._more():
            return self._end(self.status)
        if self.number >= height:
            return None if self._patient else self._end(common_pb2.NOT_FOUND)
        try:
            member = self._node.membership.identify(self._asked.creator, self._node.now_s)
            self._node.access.check(_resource(self._kind), member)
        except (IdentityError, Refusal):  # expired, revoked or shut out since
            return self._end(common_pb2.FORBIDDEN)
        with self._node.snapshots.view() as snapshot:
            data = snapshot.reader.block(self.number) or b""
        reply = self._reply(data)
        self.number += 1
        return reply

    @property
    def _patient(self) -> bool:
        return bool(self._asked.seek.behavior == ab_pb2.SeekInfo.BLOCK_UNTIL_READY)

    def _more(self) -> bool:
        return self._last is None or self.number <= self._last

    def _end(self, status: int) -> bytes:
        self.finished, self.status = True, status
        reply: bytes = ab_pb2.DeliverResponse(status=status).SerializeToString()
        return reply

    def _place(self, seek: ab_pb2.SeekInfo) -> None:
        """Find the first and the last block that are asked for."""
        if not seek.HasField("start") or not seek.HasField("stop"):
            raise _Refused(common_pb2.BAD_REQUEST)
        with self._node.snapshots.view() as snapshot:
            height = snapshot.height
        start = seek.start.WhichOneof("Type")
        places = {"oldest": 0, "newest": height - 1, "next_commit": height}
        self.number = places.get(str(start), int(seek.start.specified.number))
        if start is None or self.number > height:
            raise _Refused(common_pb2.NOT_FOUND)
        stop = seek.stop.WhichOneof("Type")
        if stop in (None, "next_commit"):
            raise _Refused(common_pb2.BAD_REQUEST)
        if stop == "specified":
            self._last = int(seek.stop.specified.number)
            if self._last < self.number:
                raise _Refused(common_pb2.BAD_REQUEST)
        else:
            self._last = self.number if stop in ("oldest", start) else max(height - 1, self.number)

    def _reply(self, data: bytes) -> bytes:
        if self._kind is DeliverKind.FILTERED:
            block = filtered(common_pb2.Block.FromString(data))
            return bytes(events_pb2.DeliverResponse(filtered_block=block).SerializeToString())
        if self._kind is DeliverKind.WITH_PRIVATE_DATA:
            found = self._private_data(self.number, self._asked.member)
            both = events_pb2.BlockAndPrivateData(block=common_pb2.Block.FromString(data))
            for position, content in found.items():
                both.private_data_map[position].CopyFrom(rwset_pb2.TxPvtReadWriteSet.FromString(content))
            return bytes(events_pb2.DeliverResponse(block_and_private_data=both).SerializeToString())
        headers_only = self._asked.seek.content_type == ab_pb2.SeekInfo.HEADER_WITH_SIG
        if self._kind is None or headers_only:
            block = common_pb2.Block.FromString(data)
            if self._kind is None:
                for slot in (TRANSACTIONS_FILTER, COMMIT_HASH):
                    block.metadata.metadata[slot] = b""
            if headers_only and not _is_configuration(block):
                block.ClearField("data")
            data = block.SerializeToString()
        return length_delimited(2, data)  # DeliverResponse.block, of peer and orderer alike


def _resource(kind: DeliverKind | None) -> str:
    if kind is None:
        return ORDERER_READERS
    return FILTERED_BLOCKS if kind is DeliverKind.FILTERED else BLOCKS


def _ask(node: EmbeddedNode, resource: str, envelope: bytes, certificate_hash: bytes | None) -> _Asked:
    """Check a request in Fabric's order; raise the status that refuses it."""
    try:
        signed = common_pb2.Envelope.FromString(envelope)
        payload = common_pb2.Payload.FromString(signed.payload)
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
        seek = ab_pb2.SeekInfo.FromString(payload.data)
    except DecodeError:
        raise _Refused(common_pb2.BAD_REQUEST) from None
    off_s = abs(channel.timestamp.seconds - node.now_s)
    if not payload.HasField("header") or not channel.HasField("timestamp") or off_s > TIME_WINDOW_S:
        raise _Refused(common_pb2.BAD_REQUEST)
    if certificate_hash is not None and (not certificate_hash or channel.tls_cert_hash != certificate_hash):
        raise _Refused(common_pb2.BAD_REQUEST)
    if channel.channel_id != node.channel.id:
        raise _Refused(common_pb2.NOT_FOUND)
    try:
        member = node.membership.verify(creator, signed.payload, signed.signature, node.now_s)
        node.access.check(resource, member)
    except (IdentityError, Refusal):
        raise _Refused(common_pb2.FORBIDDEN) from None
    return _Asked(member, creator, seek)


def _is_configuration(block: common_pb2.Block) -> bool:
    if len(block.data.data) != 1:
        return False
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    return bool(channel.type == common_pb2.CONFIG)
