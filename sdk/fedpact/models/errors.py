"""Why a model cannot be had.

ModelError                   a stored model was refused or could not be reached; carries a stable code
"""

from __future__ import annotations

from enum import StrEnum


class ModelCode(StrEnum):
    """Stable reasons; never renamed."""

    UNAVAILABLE = "UNAVAILABLE"
    HASH_MISMATCH = "HASH_MISMATCH"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    NOT_A_RECIPIENT = "NOT_A_RECIPIENT"
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    EXTRA_MISSING = "EXTRA_MISSING"


ADVICE: dict[ModelCode, str] = {
    ModelCode.UNAVAILABLE: "try again later, or ask the owner to store it again",
    ModelCode.HASH_MISMATCH: "the stored bytes were altered: ask the owner to store the model again",
    ModelCode.BAD_SIGNATURE: "do not use it: its owner did not vouch for it",
    ModelCode.NOT_A_RECIPIENT: "ask the owner for a grant",
    ModelCode.MALFORMED: "ask the owner to store the model again",
    ModelCode.TOO_LARGE: "raise max_bytes if a model of this size is expected",
    ModelCode.EXTRA_MISSING: "install fedpact[models]",
}
"""What a person can do about each code."""


class ModelError(Exception):
    """A model was refused or could not be reached.

    Attributes
    ----------
    code : the stable reason.
    hash : which model, or "" where none is known.
    retryable : whether the same call may succeed later by itself.
    advice : what to do.
    """

    transaction_id: str | None = None

    def __init__(self, code: ModelCode, detail: str, *, hash: str = "") -> None:
        self.code = code
        self.detail = detail
        self.hash = hash
        self.retryable = code is ModelCode.UNAVAILABLE
        self.advice = ADVICE[code]
        super().__init__(f"{code}: {detail}" + (f" (model {hash[:12]})" if hash else ""))
