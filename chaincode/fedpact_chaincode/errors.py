"""What a contract answers when it refuses a call.

    Rejected                     a contract refused; carries a Code and the disputed values
      .code   -> Code            stable: number and name never change, never re-used
      .code.kind -> Kind         the coarse reason, the same for every contract

A contract module declares its codes beside its rules with `code(...)`; numbers are append-only
and blocks of one hundred belong to one contract (the golden file of the tests keeps them).
The message that leaves the contract is JSON, so that the other side can raise the same error again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

FieldValue = str | int | bool | Sequence[str | int] | None


class Kind(StrEnum):
    """The coarse reason of a rejection."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    INTERNAL = "INTERNAL"


STATUS: dict[Kind, int] = {
    Kind.INVALID_ARGUMENT: 400,
    Kind.BUDGET_EXHAUSTED: 402,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.FAILED_PRECONDITION: 412,
    Kind.INTERNAL: 500,
}
"""Chaincode response status of each kind; Fabric refuses to endorse 400 and above."""


@dataclass(frozen=True, slots=True)
class Code:
    """A stable error code.

    Attributes
    ----------
    number : unique over all contracts, never changed or used again.
    name : what programs compare.
    kind : coarse reason.
    text : one sentence for people.
    """

    number: int
    name: str
    kind: Kind
    text: str


CODES: dict[int, Code] = {}
"""Every code that has been declared, by number."""


def code(number: int, name: str, kind: Kind, text: str) -> Code:
    """Declare a code; a number or name used twice is a programming error.

    Raises
    ------
    ValueError
        If the number or the name is taken.
    """
    if number in CODES or any(known.name == name for known in CODES.values()):
        raise ValueError(f"error code {number} {name} is declared twice")
    declared = CODES[number] = Code(number, name, kind, text)
    return declared


class _Wire(msgspec.Struct, frozen=True):
    code: str
    number: int
    kind: Kind
    message: str
    fields: dict[str, FieldValue] = {}


class Rejected(Exception):  # noqa: N818 (the field says: a transaction is rejected)
    """A contract refused the call; the state is as before.

    Parameters
    ----------
    code : the stable reason.
    **fields : the disputed values, for people and programs.
    """

    def __init__(self, code: Code, **fields: FieldValue) -> None:
        self.code = code
        self.fields = fields
        self.transaction_id: str | None = None
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """One line: code, sentence and disputed values."""
        detail = ", ".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.code.name}: {self.code.text}" + (f" ({detail})" if detail else "")

    @property
    def status(self) -> int:
        """Chaincode response status (>= 400)."""
        return STATUS[self.code.kind]

    def to_json(self) -> str:
        """Encode for the chaincode response's message."""
        wire = _Wire(self.code.name, self.code.number, self.code.kind, self.message, self.fields)
        return msgspec.json.encode(wire).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Rejected | None:
        """Decode a response message; None if it is not one of ours."""
        try:
            wire = msgspec.json.decode(text, type=_Wire)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        sentence = wire.message.removeprefix(f"{wire.code}: ")
        known = CODES.get(wire.number)
        found = (
            known if known and known.name == wire.code else Code(wire.number, wire.code, wire.kind, sentence)
        )
        return cls(found, **wire.fields)


# 1-99: the framework itself
MALFORMED_MESSAGE = code(1, "MALFORMED_MESSAGE", Kind.INVALID_ARGUMENT, "the message does not fit the schema")
UNKNOWN_TRANSACTION = code(2, "UNKNOWN_TRANSACTION", Kind.NOT_FOUND, "no contract offers this transaction")
RECORD_NOT_FOUND = code(3, "RECORD_NOT_FOUND", Kind.NOT_FOUND, "there is no such record")
RECORD_EXISTS = code(4, "RECORD_EXISTS", Kind.CONFLICT, "there is such a record already")
ROLE_REQUIRED = code(5, "ROLE_REQUIRED", Kind.FORBIDDEN, "the caller's certificate lacks the role")
NOT_THE_OWNER = code(6, "NOT_THE_OWNER", Kind.FORBIDDEN, "the caller does not own the record")
MALFORMED_IDENTITY = code(7, "MALFORMED_IDENTITY", Kind.FORBIDDEN, "the creator is no usable certificate")
TIME_RUNS_BACKWARDS = code(
    8, "TIME_RUNS_BACKWARDS", Kind.FAILED_PRECONDITION, "the transaction's time is before what it follows"
)
MALFORMED_KEY = code(
    9, "MALFORMED_KEY", Kind.INVALID_ARGUMENT, "a key part is empty, too long or has control characters"
)
CONTRACT_FAILED = code(10, "CONTRACT_FAILED", Kind.INTERNAL, "the contract failed; its log says where")
COLLECTION_UNDEFINED = code(
    11, "COLLECTION_UNDEFINED", Kind.NOT_FOUND, "the chaincode's definition has no such collection"
)
COLLECTION_FORBIDDEN = code(
    12, "COLLECTION_FORBIDDEN", Kind.FORBIDDEN, "the collection is for callers of its members only"
)
PRIVATE_DATA_UNAVAILABLE = code(
    13,
    "PRIVATE_DATA_UNAVAILABLE",
    Kind.FAILED_PRECONDITION,
    "this node does not hold the private data of which the ledger holds the hash",
)
READS_WITHOUT_PROTECTION = code(
    14,
    "READS_WITHOUT_PROTECTION",
    Kind.FAILED_PRECONDITION,
    "pages and private ranges are for transactions that do not write",
)
