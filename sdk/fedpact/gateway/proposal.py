"""First stage: a proposal, to be evaluated or endorsed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from fedpact.gateway import messages, offline
from fedpact.gateway.connection import Connection
from fedpact.gateway.errors import EndorseError, EvaluateError, rejection_in
from fedpact.gateway.transaction import Transaction
from fedpact.gateway.transport import TransportError


class Proposal:
    """A call that was not executed yet.

    Parameters
    ----------
    connection : where it goes.
    proposal : what is proposed; without a signature, the connection's identity signs when it is first needed.
    """

    def __init__(self, connection: Connection, proposal: messages.SignedProposal) -> None:
        self._connection = connection
        self._proposal = proposal

    @property
    def transaction_id(self) -> str:
        """The id its transaction will have."""
        return self._proposal.transaction_id

    @property
    def message(self) -> bytes:
        """Serialised `protos.Proposal`: what the creator signs."""
        return self._proposal.proposal_bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the creator signs, for off-line signing."""
        return hashlib.sha256(self.message).digest()

    def to_bytes(self) -> bytes:
        """Return Fabric's `ProposedTransaction`, for `Gateway.signed_proposal`."""
        return offline.write_proposal(self._proposal)

    def evaluate(self) -> bytes:
        """Execute it without changing anything; return the contract's result.

        Raises
        ------
        Rejected
            The contract refused.
        EvaluateError
            It was not executed.
        """
        self._sign()
        connection = self._connection
        try:
            request = messages.evaluate_request(self._proposal)
            reply = connection.transport.evaluate(request, timeout_s=connection.deadlines.evaluate_s)
            return messages.evaluate_reply(reply)
        except TransportError as error:
            raise rejection_in(error, self.transaction_id) or EvaluateError(
                self.transaction_id, f"not evaluated, {error}", error
            ) from error

    def endorse(self) -> Transaction:
        """Have it executed and its result signed by the endorsers.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError
            It was not executed, or the result is not that of this proposal.
        """
        self._sign()
        connection = self._connection
        try:
            request = messages.endorse_request(self._proposal)
            reply = connection.transport.endorse(request, timeout_s=connection.deadlines.endorse_s)
            prepared = messages.endorse_reply(reply, self._proposal)
        except TransportError as error:
            raise rejection_in(error, self.transaction_id) or EndorseError(
                self.transaction_id, f"not endorsed, {error}", error
            ) from error
        return Transaction(connection, prepared)

    def _sign(self) -> None:
        if not self._proposal.signature:
            signature = self._connection.identity.sign(self.message)
            self._proposal = replace(self._proposal, signature=signature)
