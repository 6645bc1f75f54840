"""First stage: a proposal, to be evaluated or endorsed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from fedpact.gateway import messages, offline
from fedpact.gateway.connection import Connection, Terms
from fedpact.gateway.errors import EndorseError, EvaluateError, rejection_in
from fedpact.gateway.flows import Call, Flow
from fedpact.gateway.transaction import Transaction
from fedpact.gateway.transport import TransportError
from fedpact.wire.prepared import PreparedTransaction


class ProposalStage:
    """A call that was not executed yet, and the flows that execute it.

    Parameters
    ----------
    terms : who acts, how patiently.
    proposal : what is proposed; without a signature, the terms' identity signs when it is first needed.
    """

    def __init__(self, terms: Terms, proposal: messages.SignedProposal) -> None:
        self._terms = terms
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

    def evaluating(self) -> Flow[bytes]:
        """Flow of `evaluate`."""
        self._sign()
        request = messages.evaluate_request(self._proposal)
        try:
            return messages.evaluate_reply(
                (yield Call("evaluate", request, self._terms.deadlines.evaluate_s))
            )
        except TransportError as error:
            raise rejection_in(error, self.transaction_id) or EvaluateError(
                self.transaction_id, f"not evaluated, {error}", error
            ) from error

    def endorsing(self) -> Flow[PreparedTransaction]:
        """Flow of `endorse`."""
        self._sign()
        request = messages.endorse_request(self._proposal)
        try:
            reply = yield Call("endorse", request, self._terms.deadlines.endorse_s)
            return messages.endorse_reply(reply, self._proposal)
        except TransportError as error:
            raise rejection_in(error, self.transaction_id) or EndorseError(
                self.transaction_id, f"not endorsed, {error}", error
            ) from error

    def _sign(self) -> None:
        if not self._proposal.signature:
            signature = self._terms.identity.sign(self.message)
            self._proposal = replace(self._proposal, signature=signature)


class Proposal(ProposalStage):
    """A call that was not executed yet.

    Parameters
    ----------
    connection : where it goes.
    proposal : what is proposed; without a signature, the connection's identity signs when it is first needed.
    """

    def __init__(self, connection: Connection, proposal: messages.SignedProposal) -> None:
        super().__init__(connection, proposal)
        self._connection = connection

    def evaluate(self) -> bytes:
        """Execute it without changing anything; return the contract's result.

        Raises
        ------
        Rejected
            The contract refused.
        EvaluateError
            It was not executed.
        """
        return self._connection.run(self.evaluating())

    def endorse(self) -> Transaction:
        """Have it executed and its result signed by the endorsers.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError
            It was not executed, or the result is not that of this proposal.
        """
        return Transaction(self._connection, self._connection.run(self.endorsing()))
