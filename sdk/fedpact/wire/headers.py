"""The two headers that a proposal and its envelope share.

Fabric's channel header (transaction id, time, channel, chaincode) and signature header (creator, nonce). The
transaction id is the hash of nonce and creator, so nobody can claim another's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2

from fedpact.wire.errors import WireCode, WireError, read

_S = 1_000_000_000
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the end of protobuf's Timestamp


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers that a proposal and its envelope share.

    Attributes
    ----------
    channel_header, signature_header : serialised, exactly as hashed and signed.
    channel_id, transaction_id, chaincode : names.
    timestamp_ns : the client's time, nanoseconds since 1970.
    creator : serialised `msp.SerializedIdentity` of the client.
    nonce : random bytes behind the transaction id.
    """

    channel_header: bytes
    signature_header: bytes
    channel_id: str
    transaction_id: str
    chaincode: str
    timestamp_ns: int
    creator: bytes
    nonce: bytes


class HasHeaders:
    """Short names for what the headers of a proposal or a transaction say."""

    __slots__ = ()
    headers: Headers

    @property
    def channel_id(self) -> str:
        """The channel it is for."""
        return self.headers.channel_id

    @property
    def transaction_id(self) -> str:
        """The transaction's id, hex."""
        return self.headers.transaction_id

    @property
    def timestamp_ns(self) -> int:
        """The client's time, nanoseconds since 1970."""
        return self.headers.timestamp_ns

    @property
    def creator(self) -> bytes:
        """Serialised identity of the client."""
        return self.headers.creator

    @property
    def nonce(self) -> bytes:
        """Random bytes behind the transaction id."""
        return self.headers.nonce

    @property
    def chaincode(self) -> str:
        """Name of the chaincode that is called."""
        return self.headers.chaincode


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """Return hex(sha256(nonce || creator))."""
    return hashlib.sha256(nonce + creator).hexdigest()


def read_headers(header: common_pb2.Header) -> Headers:
    """Check the two headers of a proposal or an envelope.

    Raises
    ------
    WireError
        BAD_COMMON_HEADER, BAD_CHANNEL_HEADER, BAD_HEADER_EXTENSION, BAD_PROPOSAL_TXID; UNKNOWN_TX_TYPE for
        anything but an endorser transaction.
    """
    channel = read(common_pb2.ChannelHeader, header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    signature = read(common_pb2.SignatureHeader, header.signature_header, WireCode.BAD_COMMON_HEADER)
    if channel.type != common_pb2.ENDORSER_TRANSACTION:
        raise WireError(WireCode.UNKNOWN_TX_TYPE, f"header type {channel.type}")
    if channel.epoch or not channel.channel_id:
        raise WireError(WireCode.BAD_CHANNEL_HEADER, "no channel, or an epoch")
    if not signature.creator or not signature.nonce:
        raise WireError(WireCode.BAD_COMMON_HEADER, "no creator or no nonce")
    tx_id = channel.tx_id
    if tx_id != transaction_id(signature.nonce, signature.creator):
        raise WireError(WireCode.BAD_PROPOSAL_TXID, "the transaction id is not the hash of nonce and creator")
    extension = read(proposal_pb2.ChaincodeHeaderExtension, channel.extension, WireCode.BAD_HEADER_EXTENSION)
    chaincode = extension.chaincode_id.name
    if not chaincode:
        raise WireError(WireCode.BAD_HEADER_EXTENSION, "no chaincode is named")
    return Headers(
        header.channel_header,
        header.signature_header,
        channel.channel_id,
        tx_id,
        chaincode,
        _timestamp_ns(channel),
        signature.creator,
        signature.nonce,
    )


def _timestamp_ns(channel: common_pb2.ChannelHeader) -> int:
    seconds: int = channel.timestamp.seconds
    nanos: int = channel.timestamp.nanos
    if not channel.HasField("timestamp") or not 0 <= seconds <= _LAST_SECOND or not 0 <= nanos < _S:
        raise WireError(WireCode.BAD_CHANNEL_HEADER, "no timestamp, or not one between 1970 and 9999")
    return seconds * _S + nanos
