"""What a block's envelope can be: a transaction of a contract, a configuration, or nothing that counts."""

from __future__ import annotations

from dataclasses import dataclass

from fabric_protos.common import common_pb2

from fedpact.wire.envelopes import ParsedTransaction, parse_envelope
from fedpact.wire.errors import WireCode, WireError, read

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ConfigTransaction:
    """An envelope that changes the channel's configuration; its content is not looked at yet.

    Attributes
    ----------
    envelope : serialised `common.Envelope` of type CONFIG.
    timestamp_ns : when its maker says that it was made, nanoseconds since 1970; not checked.
    """

    envelope: bytes
    timestamp_ns: int


Parsed = ParsedTransaction | ConfigTransaction | WireError
"""An envelope, parsed once; the error of one that is malformed."""


def parse(envelope: bytes) -> Parsed:
    """Parse a serialised `common.Envelope`; raises nothing."""
    try:
        return parse_envelope(envelope)
    except WireError as error:
        if error.code is WireCode.UNKNOWN_TX_TYPE:
            return _configuration(envelope) or error
        return error


def _configuration(envelope: bytes) -> ConfigTransaction | None:
    try:
        payload = read(
            common_pb2.Payload,
            read(common_pb2.Envelope, envelope, WireCode.BAD_PAYLOAD).payload,
            WireCode.BAD_PAYLOAD,
        )
        header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    except WireError:
        return None
    if header.type != common_pb2.CONFIG:
        return None
    return ConfigTransaction(envelope, header.timestamp.seconds * _NS + header.timestamp.nanos)
