"""Why an identity, a certificate or a signature was refused."""

from enum import StrEnum

__all__ = ["IdentityCode", "IdentityError"]


class IdentityCode(StrEnum):
    """Stable reasons. A code is never renamed and never given a second meaning."""

    UNKNOWN_MSP = "UNKNOWN_MSP"
    FOREIGN_CA = "FOREIGN_CA"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REVOKED = "REVOKED"
    MALFORMED = "MALFORMED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    HIGH_S = "HIGH_S"
    WRONG_CURVE = "WRONG_CURVE"
    CA_CERTIFICATE = "CA_CERTIFICATE"
    BAD_NAME = "BAD_NAME"
    BAD_NODE_OU = "BAD_NODE_OU"
    BAD_ROOT = "BAD_ROOT"
    BAD_REVOCATION_LIST = "BAD_REVOCATION_LIST"
    BAD_ROLE = "BAD_ROLE"
    BAD_VALIDITY = "BAD_VALIDITY"
    KEY_MISMATCH = "KEY_MISMATCH"
    KEY_LOCKED = "KEY_LOCKED"
    NOT_IN_WALLET = "NOT_IN_WALLET"


class IdentityError(ValueError):
    """An identity, a certificate or a signature was refused.

    Parameters
    ----------
    code
        The stable reason; compare with `IdentityCode` or with its text.
    detail
        One sentence for a person. It never contains key material.
    """

    def __init__(self, code: IdentityCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
