"""Second stage: an endorsed transaction, to be submitted."""

from __future__ import annotations

import hashlib

from fedpact.gateway import messages, offline
from fedpact.gateway.commit import Commit, CommitStage, Result
from fedpact.gateway.connection import Connection, Terms
from fedpact.gateway.errors import SubmitError
from fedpact.gateway.flows import Call, Flow
from fedpact.gateway.transport import TransportError
from fedpact.wire.prepared import PreparedTransaction


class TransactionStage:
    """An endorsed transaction. It is signed once: submitting it again sends exactly the same envelope.

    Parameters
    ----------
    terms : who acts, how patiently.
    prepared : the transaction as the endorsers' gateway put it together.
    signature : made elsewhere; without one, the terms' identity signs when it is first needed.
    """

    def __init__(
        self, terms: Terms, prepared: PreparedTransaction, *, signature: bytes | None = None
    ) -> None:
        self._terms = terms
        self._prepared = prepared
        self._signature = signature

    @property
    def transaction_id(self) -> str:
        """The transaction's id."""
        return self._prepared.transaction_id

    @property
    def payload(self) -> bytes:
        """The contract's result, as endorsed; it counts only once the transaction is committed."""
        return self._prepared.response.payload

    @property
    def message(self) -> bytes:
        """Serialised `common.Payload`: what the creator signs."""
        return self._prepared.payload

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the creator signs, for off-line signing."""
        return hashlib.sha256(self.message).digest()

    def to_bytes(self) -> bytes:
        """Return Fabric's `PreparedTransaction`, for `Gateway.signed_transaction` and `Gateway.resume`."""
        return offline.write_transaction(self.transaction_id, self.message, self._signature or b"")

    def submitting(self) -> Flow[None]:
        """Flow of `submit`."""
        request = self._request()
        try:
            messages.submit_reply((yield Call("submit", request, self._terms.deadlines.submit_s)))
        except TransportError as error:
            raise SubmitError(self.transaction_id, f"not submitted, {error}", error) from error

    def committing(self) -> Flow[Result]:
        """Submit and wait for the verdict; in one call where the transport offers it."""
        commit = self.stage_of_commit()
        if not self._terms.offers("submit_and_wait"):
            yield from self.submitting()
            return (yield from commit.concluding())
        request = self._request()
        try:
            reply = yield Call("submit_and_wait", request, self._terms.deadlines.commit_s)
            verdict = messages.commit_status_reply(reply)
        except TransportError as error:
            raise SubmitError(self.transaction_id, f"not submitted, or no verdict, {error}", error) from error
        return commit.conclude(verdict)

    def stage_of_commit(self) -> CommitStage:
        """Return the third stage, for flows."""
        return CommitStage(self._terms, self.transaction_id, self.payload)

    def _request(self) -> bytes:
        if self._signature is None:
            self._signature = self._terms.identity.sign(self.message)
        return messages.submit_request(self._prepared, self._signature)


class Transaction(TransactionStage):
    """An endorsed transaction. It is signed once: submitting it again sends exactly the same envelope.

    Parameters
    ----------
    connection : where it goes.
    prepared : the transaction as the endorsers' gateway put it together.
    signature : made elsewhere; without one, the connection's identity signs when it is first needed.
    """

    def __init__(
        self, connection: Connection, prepared: PreparedTransaction, *, signature: bytes | None = None
    ) -> None:
        super().__init__(connection, prepared, signature=signature)
        self._connection = connection

    def submit(self) -> Commit:
        """Hand it to the orderer; return the third stage.

        Raises
        ------
        SubmitError
            The orderer was not reached (`undecided`) or refused.
        """
        self._connection.run(self.submitting())
        return self.commit()

    def commit(self) -> Commit:
        """Return the third stage without submitting: for looking the transaction up."""
        return Commit(self._connection, self.transaction_id, self.payload)
