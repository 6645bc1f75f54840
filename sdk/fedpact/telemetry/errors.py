"""What is wrong with a reading or a batch.

TelemetryError               a reading or a batch was refused; carries a stable code
"""

from __future__ import annotations

from enum import StrEnum


class TelemetryCode(StrEnum):
    """Stable reasons; never renamed."""

    MALFORMED = "MALFORMED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    WRONG_UNIT = "WRONG_UNIT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    OUT_OF_ORDER = "OUT_OF_ORDER"
    MIXED_DEVICES = "MIXED_DEVICES"
    EMPTY = "EMPTY"
    TOO_LARGE = "TOO_LARGE"
    HASH_MISMATCH = "HASH_MISMATCH"


class TelemetryError(ValueError):
    """A reading or a batch was refused.

    Attributes
    ----------
    code : the stable reason.
    index : position of the refused reading in its batch, or None if the whole batch is meant.
    """

    retryable = False
    transaction_id: str | None = None

    def __init__(self, code: TelemetryCode, detail: str, *, index: int | None = None) -> None:
        self.code = code
        self.detail = detail
        self.index = index
        place = "" if index is None else f" (reading {index})"
        super().__init__(f"{code}: {detail}{place}")

    def at(self, index: int) -> TelemetryError:
        """Return the same error with the position of the reading in its batch."""
        return TelemetryError(self.code, self.detail, index=index)
