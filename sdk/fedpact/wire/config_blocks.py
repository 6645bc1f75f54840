"""Configuration blocks: one envelope that holds a channel's configuration; the first has number 0."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, TypeVar

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import Message

from fedpact.wire.blocks import build_block, data_hash
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.proposals import NONCE_BYTES

__all__ = ["ConfigBlock", "genesis_block", "open_config_block", "open_config_envelope", "value_of"]

M = TypeVar("M", bound=Message)

_VERSION = 1


class ConfigBlock(NamedTuple):
    """What a configuration block holds."""

    channel_id: str
    envelope: configtx_pb2.ConfigEnvelope


def genesis_block(channel_id: str, group: configtx_pb2.ConfigGroup) -> common_pb2.Block:
    """Put a configuration into block 0; the same configuration always gives the same bytes.

    Fabric draws the envelope's nonce and stamps it with the time. Here the nonce follows from the
    content and there is no time, so that all who agree on a configuration make the same block.
    """
    config = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=group))
    data = config.SerializeToString(deterministic=True)
    nonce = hashlib.sha256(channel_id.encode() + b"\0" + data).digest()[:NONCE_BYTES]
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG,
        version=_VERSION,
        channel_id=channel_id,
        tx_id=hashlib.sha256(nonce).hexdigest(),  # there is no creator
    )
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
    )
    payload = common_pb2.Payload(header=header, data=data).SerializeToString()
    return build_block(0, b"", [common_pb2.Envelope(payload=payload).SerializeToString()])


def open_config_block(block: common_pb2.Block) -> ConfigBlock:
    """Return a configuration block's content; signatures are not checked.

    Raises
    ------
    WireError
        BAD_BLOCK when the block's data does not have its hash, or is not one configuration.
    """
    envelopes = list(block.data.data)
    if len(envelopes) != 1:
        raise WireError(WireCode.BAD_BLOCK, "a configuration block holds one envelope")
    if block.header.data_hash != data_hash(envelopes):
        raise WireError(WireCode.BAD_BLOCK, "the block's data does not have the hash in its header")
    if not block.header.number and block.header.previous_hash:
        raise WireError(WireCode.BAD_BLOCK, "a genesis block follows nothing")
    return open_config_envelope(envelopes[0])


def open_config_envelope(data: bytes) -> ConfigBlock:
    """Return what a CONFIG envelope holds; its signature is not checked.

    Raises
    ------
    WireError
        BAD_BLOCK.
    """
    envelope = read(common_pb2.Envelope, data, WireCode.BAD_BLOCK)
    payload = read(common_pb2.Payload, envelope.payload, WireCode.BAD_BLOCK)
    header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_BLOCK)
    if header.type != common_pb2.CONFIG:
        raise WireError(WireCode.BAD_BLOCK, f"an envelope of type {header.type} holds no configuration")
    content = read(configtx_pb2.ConfigEnvelope, payload.data, WireCode.BAD_BLOCK)
    if not content.config.HasField("channel_group"):
        raise WireError(WireCode.BAD_BLOCK, "the configuration is empty")
    return ConfigBlock(header.channel_id, content)


def value_of(group: configtx_pb2.ConfigGroup, key: str, message_type: type[M]) -> M:
    """Read a value of a group; one that is not there reads as an empty message.

    Raises
    ------
    WireError
        BAD_BLOCK when it cannot be read.
    """
    content = group.values[key].value if key in group.values else b""
    return read(message_type, content, WireCode.BAD_BLOCK)
