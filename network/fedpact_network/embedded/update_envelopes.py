"""Envelopes that change a configuration: which they are, and under which transaction id."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from fabric_protos.common import common_pb2, configtx_pb2
from google.protobuf.message import DecodeError

from fedpact.validation import ConfigTransaction, parse
from fedpact.wire.blocks import parse_block
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.headers import transaction_id

MAX_CONFIGURATIONS = 8
"""Configurations, from the newest back, among which an update is looked for."""


def is_update(envelope: bytes) -> bool:
    """Whether a serialised `common.Envelope` is of type CONFIG_UPDATE."""
    try:
        return bool(open_update(envelope)[2].type == common_pb2.CONFIG_UPDATE)
    except WireError:
        return False


def update_id(update: bytes) -> str:
    """Return the transaction id under which the outcome of a well-formed update is told.

    As of every transaction, the hash of its nonce and creator; `peer channel update` writes none into it.
    """
    header = signature_header(open_update(update)[1])
    return transaction_id(header.nonce, header.creator) if header.nonce else sha256(update).hexdigest()


def configuration_id(transaction: ConfigTransaction) -> str:
    """Return `update_id` of the update in a CONFIG envelope; empty where there is none."""
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(transaction.envelope).payload)
        content = read(configtx_pb2.ConfigEnvelope, payload.data, WireCode.BAD_PAYLOAD)
        return update_id(content.last_update.SerializeToString())
    except (WireError, DecodeError):
        return ""


def find_configuration(block: Callable[[int], bytes | None], newest: int, tx_id: str) -> int | None:
    """Return the configuration block that an update led to; None if none of the newest ones is of it.

    Parameters
    ----------
    block : reads a serialised block.
    newest : number of the configuration block in force.
    tx_id : `update_id` of the update.
    """
    number = newest
    for _ in range(MAX_CONFIGURATIONS):
        if number == 0:  # the genesis block changes nothing
            return None
        for envelope in parse_block(block(number) or b"").envelopes:
            transaction = parse(envelope)
            if isinstance(transaction, ConfigTransaction) and configuration_id(transaction) == tx_id:
                return number
        number = parse_block(block(number - 1) or b"").last_config
    return None


def open_update(
    envelope: bytes,
) -> tuple[common_pb2.Envelope, common_pb2.Payload, common_pb2.ChannelHeader]:
    """Return an envelope, its payload and its channel header.

    Raises
    ------
    WireError
        BAD_PAYLOAD, BAD_CHANNEL_HEADER.
    """
    opened = read(common_pb2.Envelope, envelope, WireCode.BAD_PAYLOAD)
    payload = read(common_pb2.Payload, opened.payload, WireCode.BAD_PAYLOAD)
    header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    return opened, payload, header


def signature_header(payload: common_pb2.Payload) -> common_pb2.SignatureHeader:
    """Return who made a payload; raises WireError BAD_COMMON_HEADER."""
    return read(common_pb2.SignatureHeader, payload.header.signature_header, WireCode.BAD_COMMON_HEADER)
