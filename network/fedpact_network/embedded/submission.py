"""An envelope on its way into a block: parsed once, with what is known about it so far."""

from __future__ import annotations

from dataclasses import dataclass

from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import ParsedTransaction, parse_envelope
from fedpact.wire.errors import WireError


@dataclass(slots=True, eq=False)
class Submission:
    """One envelope. It lives from `submit` to the commit of its block and never changes its bytes.

    Attributes
    ----------
    envelope : serialised `common.Envelope`, as it goes into the block.
    transaction : its content; None where it is malformed.
    error : why it is malformed.
    tx_id : the transaction's id; empty where the envelope is malformed.
    authentic : the creator's signature over exactly this payload has been verified in this process.
    """

    envelope: bytes
    transaction: ParsedTransaction | None
    error: WireError | None = None
    tx_id: str = ""
    authentic: bool = False

    @classmethod
    def read(cls, envelope: bytes) -> Submission:
        """Parse an envelope; a malformed one is kept, because it may have been ordered already."""
        try:
            transaction = parse_envelope(envelope)
            return cls(envelope, transaction, tx_id=transaction.transaction_id)
        except WireError as error:
            return cls(envelope, None, error)

    @property
    def malformed(self) -> ValidationCode:
        """The verdict on a malformed envelope; VALID for others."""
        return ValidationCode.VALID if self.error is None else ValidationCode.of(self.error)
