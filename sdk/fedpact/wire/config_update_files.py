"""An update of a configuration on its way between administrators, as the files of Fabric's ``peer channel``.

The file is an unsigned ``common.Envelope`` of type CONFIG_UPDATE; each administrator's signature is added to
the update in it. Who submits it signs an envelope of his own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fabric_protos.common import common_pb2, configtx_pb2

from fedpact.wire.config_authorisation import ConfigUpdateCode, ConfigUpdateError, read_update
from fedpact.wire.errors import WireCode, WireError, check_size, read

__all__ = ["UpdateFile", "merged", "read_signature", "read_update_file", "write_update_file"]


class UpdateFile(NamedTuple):
    """An update and the signatures gathered so far.

    Attributes
    ----------
    update : serialised ``ConfigUpdate``.
    signatures : serialised ``ConfigSignature``s.
    """

    update: bytes
    signatures: tuple[bytes, ...] = ()


def write_update_file(content: UpdateFile) -> bytes:
    """Encode an update and its signatures.

    Raises
    ------
    ConfigUpdateError
        MALFORMED.
    """
    channel_id = read_update(content.update).channel_id
    envelope = configtx_pb2.ConfigUpdateEnvelope(
        config_update=content.update, signatures=map(read_signature, content.signatures)
    )
    header = common_pb2.ChannelHeader(type=common_pb2.CONFIG_UPDATE, channel_id=channel_id)
    payload = common_pb2.Payload(
        header=common_pb2.Header(channel_header=header.SerializeToString()),
        data=envelope.SerializeToString(),
    )
    data: bytes = common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString()
    return data


def read_update_file(data: bytes) -> UpdateFile:
    """Decode what `write_update_file`, or Fabric's tools, made.

    Raises
    ------
    ConfigUpdateError
        MALFORMED, TOO_LARGE.
    """
    try:
        check_size(data, "update")
        envelope = read(common_pb2.Envelope, data, WireCode.BAD_PAYLOAD)
        payload = read(common_pb2.Payload, envelope.payload, WireCode.BAD_PAYLOAD)
        header = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_CHANNEL_HEADER)
        if header.type != common_pb2.CONFIG_UPDATE:
            raise WireError(WireCode.UNKNOWN_TX_TYPE, "the file holds no update of a configuration")
        content = read(configtx_pb2.ConfigUpdateEnvelope, payload.data, WireCode.BAD_PAYLOAD)
    except WireError as error:
        code = ConfigUpdateCode.TOO_LARGE if error.code == WireCode.TOO_LARGE else ConfigUpdateCode.MALFORMED
        raise ConfigUpdateError(code, str(error)) from error
    read_update(content.config_update)
    return UpdateFile(content.config_update, tuple(item.SerializeToString() for item in content.signatures))


def merged(files: Iterable[UpdateFile]) -> UpdateFile:
    """Gather the signatures of copies of one update.

    Raises
    ------
    ConfigUpdateError
        MALFORMED when the files hold different updates, or there is none.
    """
    copies = tuple(files)
    updates = {copy.update for copy in copies}
    if len(updates) != 1:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, "the files do not hold one and the same update")
    signatures = dict.fromkeys(signature for copy in copies for signature in copy.signatures)
    return UpdateFile(updates.pop(), tuple(signatures))


def read_signature(data: bytes) -> configtx_pb2.ConfigSignature:
    """Parse a serialised ``ConfigSignature``; raises ConfigUpdateError MALFORMED."""
    try:
        return read(configtx_pb2.ConfigSignature, data, WireCode.BAD_PAYLOAD)
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error
