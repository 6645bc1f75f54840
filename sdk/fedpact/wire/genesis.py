"""The first block of a channel: one unsigned envelope that holds the configuration."""

from __future__ import annotations

import hashlib

from fabric_protos.common import common_pb2, configtx_pb2

from fedpact.wire.blocks import build_block, data_hash
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.proposals import NONCE_BYTES

__all__ = ["open_genesis_block", "seal_genesis_block"]

_VERSION = 1


def seal_genesis_block(channel_id: str, group: configtx_pb2.ConfigGroup) -> common_pb2.Block:
    """Put a configuration into block 0; the same configuration always gives the same bytes.

    Fabric draws the envelope's nonce and stamps it with the time. Here the nonce follows from the
    content and there is no time, so that all who agree on a configuration make the same block.
    """
    config = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=group))
    data = config.SerializeToString(deterministic=True)
    nonce = _nonce(channel_id, data)
    header = common_pb2.Header(
        channel_header=_channel_header(channel_id, nonce).SerializeToString(),
        signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=data).SerializeToString()
    return build_block(0, b"", [common_pb2.Envelope(payload=payload).SerializeToString()])


def open_genesis_block(block: common_pb2.Block) -> tuple[str, configtx_pb2.ConfigGroup]:
    """Return the channel's name and its configuration.

    Raises
    ------
    WireError
        BAD_BLOCK when this is no genesis block as `seal_genesis_block` makes it: its hashes, its
        headers, or the transaction id do not fit the content.
    """
    envelopes = list(block.data.data)
    if block.header.number != 0 or block.header.previous_hash or len(envelopes) != 1:
        raise WireError(
            WireCode.BAD_BLOCK, "a genesis block is number 0, follows nothing, and holds one envelope"
        )
    if block.header.data_hash != data_hash(envelopes):
        raise WireError(WireCode.BAD_BLOCK, "the genesis block's data does not have the hash in its header")
    envelope = read(common_pb2.Envelope, envelopes[0], WireCode.BAD_BLOCK)
    payload = read(common_pb2.Payload, envelope.payload, WireCode.BAD_BLOCK)
    channel_header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_BLOCK)
    nonce = _nonce(channel_header.channel_id, payload.data)
    expected = _channel_header(channel_header.channel_id, nonce)
    signer = read(common_pb2.SignatureHeader, payload.header.signature_header, WireCode.BAD_BLOCK)
    if channel_header != expected or signer != common_pb2.SignatureHeader(nonce=nonce) or envelope.signature:
        raise WireError(WireCode.BAD_BLOCK, "the genesis block's headers do not fit its configuration")
    config = read(configtx_pb2.ConfigEnvelope, payload.data, WireCode.BAD_BLOCK)
    group = config.config.channel_group
    if config != configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=group)):
        raise WireError(
            WireCode.BAD_BLOCK, "a genesis block's configuration is the first one, changed by nobody"
        )
    return channel_header.channel_id, group


def _nonce(channel_id: str, data: bytes) -> bytes:
    return hashlib.sha256(channel_id.encode() + b"\0" + data).digest()[:NONCE_BYTES]


def _channel_header(channel_id: str, nonce: bytes) -> common_pb2.ChannelHeader:
    """Make the header; a genesis block has no creator, so its transaction id is the nonce's hash."""
    transaction_id = hashlib.sha256(nonce).hexdigest()
    return common_pb2.ChannelHeader(
        type=common_pb2.CONFIG, version=_VERSION, channel_id=channel_id, tx_id=transaction_id
    )
