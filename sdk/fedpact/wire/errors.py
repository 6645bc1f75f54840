"""What is wrong with bytes that do not form a message.

WireError                    the bytes are malformed or contradict themselves
  .code -> WireCode          stable; where Fabric has a validation code, its name
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)

MAX_MESSAGE_BYTES = 16 * 2**20
"""The largest proposal, envelope or read/write set that is parsed at all."""


class WireCode(StrEnum):
    """Why a message was refused. Names are never changed or re-used.

    The first group carries the names of Fabric's `TxValidationCode`, so that a committer can mark
    the transaction as a Fabric peer would.
    """

    NIL_ENVELOPE = "NIL_ENVELOPE"
    BAD_PAYLOAD = "BAD_PAYLOAD"
    BAD_COMMON_HEADER = "BAD_COMMON_HEADER"
    BAD_CHANNEL_HEADER = "BAD_CHANNEL_HEADER"
    BAD_HEADER_EXTENSION = "BAD_HEADER_EXTENSION"
    UNKNOWN_TX_TYPE = "UNKNOWN_TX_TYPE"
    BAD_PROPOSAL_TXID = "BAD_PROPOSAL_TXID"
    NIL_TXACTION = "NIL_TXACTION"
    INVALID_ENDORSER_TRANSACTION = "INVALID_ENDORSER_TRANSACTION"
    BAD_RESPONSE_PAYLOAD = "BAD_RESPONSE_PAYLOAD"
    INVALID_CHAINCODE = "INVALID_CHAINCODE"
    BAD_RWSET = "BAD_RWSET"

    BAD_EVENT = "BAD_EVENT"
    BAD_PROPOSAL = "BAD_PROPOSAL"
    BAD_BLOCK = "BAD_BLOCK"
    BAD_STATUS_REQUEST = "BAD_STATUS_REQUEST"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_RWSET = "UNSUPPORTED_RWSET"


class WireError(ValueError):
    """Bytes are malformed or contradict themselves.

    Parameters
    ----------
    code : the stable reason.
    message : one line for people; holds no content of the refused bytes.
    """

    def __init__(self, code: WireCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class ConfigError(ValueError):
    """A channel cannot be configured like this; the text names the field and its bounds."""


def read(message_type: type[M], data: bytes, code: WireCode) -> M:
    """Parse one protobuf message.

    Raises
    ------
    WireError
        `code`, if the bytes are not such a message.
    """
    try:
        message: M = message_type.FromString(data)
    except DecodeError as error:
        raise WireError(code, f"not a {message_type.DESCRIPTOR.full_name}") from error
    return message


def check_size(data: bytes, what: str) -> None:
    """Refuse (TOO_LARGE) more than `MAX_MESSAGE_BYTES` bytes."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise WireError(WireCode.TOO_LARGE, f"{what} of {len(data)} bytes, at most {MAX_MESSAGE_BYTES}")
