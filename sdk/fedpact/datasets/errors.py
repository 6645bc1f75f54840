"""Why a dataset cannot be had.

DataError                    a dataset is missing, damaged or too small; carries a stable code
"""

from __future__ import annotations

from enum import StrEnum


class DataCode(StrEnum):
    """Stable reasons; never renamed."""

    UNKNOWN_DATASET = "UNKNOWN_DATASET"
    EXTRA_MISSING = "EXTRA_MISSING"
    FOLDER_UNSET = "FOLDER_UNSET"
    FILE_MISSING = "FILE_MISSING"
    MALFORMED = "MALFORMED"
    TOO_FEW_ROWS = "TOO_FEW_ROWS"
    UNREACHABLE = "UNREACHABLE"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"


class DataError(Exception):
    """A dataset is missing, damaged or too small; the text says what to do.

    Attributes
    ----------
    code : the stable reason.
    retryable : whether the same call may succeed later by itself.
    """

    transaction_id: str | None = None

    def __init__(self, code: DataCode, detail: str) -> None:
        self.code = code
        self.detail = detail
        self.retryable = code is DataCode.UNREACHABLE
        super().__init__(f"{code}: {detail}")
