"""An envelope on its way into a block: parsed once, with what is known about it so far."""

from __future__ import annotations

from dataclasses import dataclass

from fedpact.validation import ConfigTransaction, Parsed, parse
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.errors import WireError
from fedpact_network.embedded.assembled import Assembled
from fedpact_network.embedded.update_envelopes import configuration_id


@dataclass(slots=True, eq=False)
class Submission:
    """One envelope. It lives from `submit` to the commit of its block and never changes its bytes.

    Attributes
    ----------
    envelope : serialised `common.Envelope`, as it goes into the block.
    parsed : its content, or why it is malformed: it may have been ordered all the same.
    tx_id : the transaction's id, of a configuration that of its update; empty where there is none.
    authentic : the creator's signature over exactly this payload has been verified in this process.
    update : the CONFIG_UPDATE envelope that it was made of, if it is a configuration made here.
    sequence : of the configuration by which the update was checked.
    """

    envelope: bytes
    parsed: Parsed
    tx_id: str = ""
    authentic: bool = False
    update: bytes = b""
    sequence: int = 0

    @classmethod
    def read(cls, envelope: bytes, assembled: Assembled | None = None) -> Submission:
        """Parse an envelope, unless it was assembled here; raises nothing."""
        parsed: Parsed | None = None if assembled is None else assembled.take(envelope)
        parsed = parsed or parse(envelope)
        if isinstance(parsed, ParsedTransaction):
            return cls(envelope, parsed, parsed.transaction_id)
        return cls(
            envelope, parsed, configuration_id(parsed) if isinstance(parsed, ConfigTransaction) else ""
        )

    @property
    def received(self) -> bytes:
        """The envelope as it came from outside."""
        return self.update or self.envelope

    @property
    def alone(self) -> bool:
        """Whether it must be the only one of its block."""
        return isinstance(self.parsed, ConfigTransaction)

    @property
    def transaction(self) -> ParsedTransaction | None:
        """The transaction of a contract that it is; None for anything else."""
        return self.parsed if isinstance(self.parsed, ParsedTransaction) else None

    @property
    def error(self) -> WireError | None:
        """Why it is malformed; None where it is not."""
        return self.parsed if isinstance(self.parsed, WireError) else None
