"""An envelope on its way into a block: parsed once, with what is known about it so far."""

from __future__ import annotations

from dataclasses import dataclass

from fedpact.validation import Parsed, parse
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError


@dataclass(slots=True, eq=False)
class Submission:
    """One envelope. It lives from `submit` to the commit of its block and never changes its bytes.

    Attributes
    ----------
    envelope : serialised `common.Envelope`, as it goes into the block.
    parsed : its content, or why it is malformed: it may have been ordered all the same.
    tx_id : the transaction's id; empty where the envelope is none of a contract.
    authentic : the creator's signature over exactly this payload has been verified in this process.
    """

    envelope: bytes
    parsed: Parsed
    tx_id: str = ""
    authentic: bool = False

    @classmethod
    def read(cls, envelope: bytes) -> Submission:
        """Parse an envelope; raises nothing."""
        parsed = parse(envelope)
        return cls(envelope, parsed, parsed.transaction_id if isinstance(parsed, ParsedTransaction) else "")

    @property
    def transaction(self) -> ParsedTransaction | None:
        """The transaction of a contract that it is; None for anything else."""
        return self.parsed if isinstance(self.parsed, ParsedTransaction) else None

    @property
    def error(self) -> WireError | None:
        """Why it is malformed; None where it is not."""
        return self.parsed if isinstance(self.parsed, WireError) else None
