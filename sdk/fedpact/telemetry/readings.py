"""One reading of a device, and its canonical bytes.

A reading carries no float: the value is an integer of a thousandth of its unit, so that its bytes,
and with them the Merkle leaf, are the same on every machine.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Annotated

import msgspec

from fedpact.telemetry.errors import TelemetryCode, TelemetryError

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
MAX_READING_BYTES = 2_048


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a device measured, about a subject known by pseudonym only.

    Attributes
    ----------
    device : id of the device, "<mspid>/<name>".
    sequence : number of the reading on its device; grows, never used twice.
    time_ms : when it was measured, milliseconds since the epoch.
    subject : pseudonym of the patient, 64 hexadecimal digits.
    field : what was measured, a field of the dataset's schema.
    unit : unit of the value, as in the schema.
    value_milli : the value in thousandths of the unit.
    salt : 32 hexadecimal digits that nobody outside the organisation can guess, so that a neighbour's
        leaf hash in a Merkle proof does not let its value be tried out.
    """

    device: Name
    sequence: Count
    time_ms: Count
    subject: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    field: Name
    unit: Name
    value_milli: Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]
    salt: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]


def encode_reading(reading: Reading) -> bytes:
    """Return the canonical bytes: JSON in UTF-8, sorted keys, no blanks."""
    return msgspec.json.encode(reading, order="sorted")


def decode_reading(line: bytes) -> Reading:
    """Read canonical bytes back.

    Raises
    ------
    TelemetryError
        MALFORMED if the bytes are not the canonical form of a reading; TOO_LARGE over 2 KiB.
    """
    if len(line) > MAX_READING_BYTES:
        raise TelemetryError(TelemetryCode.TOO_LARGE, f"a reading of {len(line)} bytes")
    try:
        reading = msgspec.json.decode(line, type=Reading)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TelemetryError(TelemetryCode.MALFORMED, str(error)) from None
    if encode_reading(reading) != line:
        raise TelemetryError(TelemetryCode.MALFORMED, "not the canonical form")
    return reading


def to_milli(value: float | Decimal) -> int:
    """Round a value to thousandths, half to even on its decimal form (1.0005 becomes 1000).

    Raises
    ------
    TelemetryError
        MALFORMED if the value is not finite or 2**53 thousandths and more.
    """
    try:
        exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
        milli = int((exact * 1000).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    except (InvalidOperation, ValueError, OverflowError):
        raise TelemetryError(TelemetryCode.MALFORMED, f"{value} is no measured value") from None
    if abs(milli) >= 2**53:
        raise TelemetryError(TelemetryCode.MALFORMED, f"{value} is no measured value")
    return milli
