"""Third stage: a submitted transaction, waiting for the ledger's verdict."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from fedpact.gateway import messages
from fedpact.gateway.connection import Connection, Terms
from fedpact.gateway.errors import CommitError, CommitStatusError
from fedpact.gateway.flows import Call, Flow
from fedpact.gateway.messages import CommitStatus
from fedpact.gateway.transport import TransportError


class Result(NamedTuple):
    """What a committed transaction returned.

    Attributes
    ----------
    transaction_id : its id.
    payload : the contract's result.
    block_number : the block it is in.
    """

    transaction_id: str
    payload: bytes
    block_number: int


class CommitStage:
    """A submitted transaction, and the flows that learn its outcome.

    Parameters
    ----------
    terms : who asks, how patiently.
    transaction_id : of the transaction.
    payload : the contract's result, as endorsed.
    signature : of the status request, made elsewhere; without one, the terms' identity signs.
    """

    def __init__(
        self,
        terms: Terms,
        transaction_id: str,
        payload: bytes = b"",
        *,
        signature: bytes | None = None,
    ) -> None:
        self.transaction_id = transaction_id
        self.payload = payload
        self.message = messages.commit_status_request(
            transaction_id, terms.channel_id, terms.identity.creator
        )
        self._terms = terms
        self._signature = signature

    @property
    def digest(self) -> bytes:
        """SHA-256 of what the client signs to ask for the status, for off-line signing."""
        return hashlib.sha256(self.message).digest()

    def to_bytes(self) -> bytes:
        """Return Fabric's `SignedCommitStatusRequest`, for `Gateway.signed_commit`."""
        return messages.signed_commit_status_request(self.message, self._signature or b"")

    def asking(self, timeout_s: float | None = None) -> Flow[CommitStatus]:
        """Flow of `status`; within the node's process it is asked for without a signature."""
        wait_s = self._terms.deadlines.commit_s if timeout_s is None else timeout_s
        try:
            if self._signature is None and self._terms.offers("verdict"):
                return messages.commit_status_reply((yield Call("verdict", self.message, wait_s)))
            if self._signature is None:
                self._signature = self._terms.identity.sign(self.message)
            request = messages.signed_commit_status_request(self.message, self._signature)
            return messages.commit_status_reply((yield Call("commit_status", request, wait_s)))
        except TransportError as error:
            raise CommitStatusError(self.transaction_id, f"no verdict, {error}", error) from error

    def concluding(self, timeout_s: float | None = None) -> Flow[Result]:
        """Flow of `result`."""
        return self.conclude((yield from self.asking(timeout_s)))

    def conclude(self, verdict: CommitStatus) -> Result:
        """Return the result if the transaction is valid; CommitError if not."""
        if not verdict.valid:
            raise CommitError(self.transaction_id, *verdict)
        return Result(self.transaction_id, self.payload, verdict.block_number)


class Commit(CommitStage):
    """A submitted transaction.

    Parameters
    ----------
    connection : where to ask.
    transaction_id : of the transaction.
    payload : the contract's result, as endorsed.
    signature : of the status request, made elsewhere; without one, the connection's identity signs.
    """

    def __init__(
        self,
        connection: Connection,
        transaction_id: str,
        payload: bytes = b"",
        *,
        signature: bytes | None = None,
    ) -> None:
        super().__init__(connection, transaction_id, payload, signature=signature)
        self._connection = connection

    def status(self, *, timeout_s: float | None = None) -> CommitStatus:
        """Wait for the verdict.

        Parameters
        ----------
        timeout_s : longest wait; the connection's `commit_s` unless given.

        Raises
        ------
        CommitStatusError
            It could not be learned in time; the transaction may be committed.
        """
        return self._connection.run(self.asking(timeout_s))

    def result(self, *, timeout_s: float | None = None) -> Result:
        """Wait for the verdict and return the result.

        Raises
        ------
        CommitError
            The transaction is invalid.
        CommitStatusError
            The verdict could not be learned in time.
        """
        return self._connection.run(self.concluding(timeout_s))
