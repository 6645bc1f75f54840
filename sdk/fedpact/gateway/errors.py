"""What can go wrong between a client and a ledger.

    GatewayError                 anything below; has transaction_id, retryable, advice, status, details
      EvaluateError              a query could not be executed
      EndorseError               the endorsers did not execute or did not agree; nothing was submitted
      SubmitError                the orderer was not reached or refused
      CommitStatusError          the verdict could not be learned; the transaction may be committed
      CommitError                the ledger found the transaction invalid; it changed nothing
      OutcomeUnknown             it was submitted, and whether it is committed could not be learned
      EventsError                a stream of events was refused, or broke and could not be resumed

A refusal by the contract itself is none of these: it is `fedpact_chaincode.errors.Rejected`, raised again on
this side with its code, its fields and the transaction's id.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fedpact.gateway.transport import ErrorDetail, Status, TransportError

if TYPE_CHECKING:
    from fedpact.wire.commits import ValidationCode
    from fedpact_chaincode.errors import Rejected

TRANSIENT = frozenset(
    {Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.RESOURCE_EXHAUSTED, Status.CANCELLED}
)
_UNDECIDED = TRANSIENT | {Status.UNKNOWN, Status.INTERNAL, Status.DATA_LOSS}
_CONFLICTS = frozenset({"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"})
_RESPONSE = re.compile(r"chaincode response \d+, ")


class GatewayError(Exception):
    """A transaction failed.

    Attributes
    ----------
    transaction_id : which one; empty for events.
    retryable : whether doing the same again may succeed.
    advice : what to do, one sentence.
    status : the gRPC status behind it, if a call failed.
    details : what single peers answered.
    """

    advice = "Read the message; the same call will fail again."

    def __init__(self, transaction_id: str, message: str, cause: TransportError | None = None) -> None:
        super().__init__(f"transaction {transaction_id}: {message}" if transaction_id else message)
        self.transaction_id = transaction_id
        self.status: Status | None = cause.status if cause else None
        self.details: tuple[ErrorDetail, ...] = cause.details if cause else ()

    @property
    def retryable(self) -> bool:
        """Whether doing the same again may succeed."""
        return self.status in TRANSIENT


class EvaluateError(GatewayError):
    """A query could not be executed."""

    advice = "Nothing was changed. Query again if it is retryable."


class EndorseError(GatewayError):
    """The endorsers did not execute the proposal or did not agree on its result."""

    advice = "Nothing was submitted. Make a new proposal if it is retryable."


class SubmitError(GatewayError):
    """The orderer was not reached or refused the transaction."""

    advice = "If undecided, look the transaction up or send the same envelope again, never a new proposal."

    @property
    def undecided(self) -> bool:
        """Whether the orderer may have taken the transaction all the same."""
        return self.status in _UNDECIDED


class CommitStatusError(GatewayError):
    """The transaction was submitted, but its verdict could not be learned."""

    advice = "The transaction may be committed. Look it up again, never submit a new proposal."

    @property
    def undecided(self) -> bool:
        """Whether looking again may bring the verdict."""
        return self.status in _UNDECIDED


class CommitError(GatewayError):
    """The ledger found the transaction invalid; it is in a block and changed nothing.

    Attributes
    ----------
    code : the verdict.
    block_number : the block it is in.
    """

    def __init__(self, transaction_id: str, code: ValidationCode, block_number: int) -> None:
        super().__init__(transaction_id, f"invalid in block {block_number}: {code.name}")
        self.code = code
        self.block_number = block_number
        self.advice = (
            "What it read had changed: a new proposal may succeed."
            if self.conflict
            else "The same call will be found invalid again."
        )

    @property
    def conflict(self) -> bool:
        """Whether the transaction only read what another one changed meanwhile."""
        return self.code.name in _CONFLICTS

    @property
    def retryable(self) -> bool:
        """Whether a new proposal may succeed."""
        return self.conflict


class OutcomeUnknown(GatewayError):  # noqa: N818 (an outcome, neither success nor failure)
    """The transaction was submitted, and whether it is committed could not be learned.

    Attributes
    ----------
    transaction : the signed transaction's bytes, for `Gateway.resume`.
    """

    advice = (
        "Give its `transaction` to `Gateway.resume` later; never submit a new proposal for the same purpose."
    )

    def __init__(self, transaction_id: str, transaction: bytes, cause: GatewayError) -> None:
        super().__init__(transaction_id, f"outcome unknown after: {cause}")
        self.transaction = transaction
        self.status = cause.status
        self.details = cause.details

    @property
    def retryable(self) -> bool:
        """Never: a new proposal could do the same thing twice."""
        return False


class EventsError(GatewayError):
    """A stream of events was refused, or broke and could not be resumed."""

    advice = "Ask again, from the last checkpoint, if it is retryable."

    def __init__(self, message: str, cause: TransportError) -> None:
        super().__init__("", f"{message}, {cause}", cause)


def rejection_in(error: TransportError, transaction_id: str) -> Rejected | None:
    """Return the contract's refusal that a failed call carries, if it is one of ours."""
    from fedpact_chaincode.errors import Rejected

    for answer in (*(detail.message for detail in error.details), error.message):
        found = _RESPONSE.search(answer)
        rejected = Rejected.from_json(answer[found.end() :] if found else answer)
        if rejected is not None:
            rejected.transaction_id = transaction_id
            return rejected
    return None
