"""The gateway client: from a function and its message to a committed result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from fedpact.gateway import offline, settlement
from fedpact.gateway.commit import Commit, Result
from fedpact.gateway.connection import Actor, Connection, Deadlines, Retries
from fedpact.gateway.errors import CommitError
from fedpact.gateway.messages import SignedProposal
from fedpact.gateway.proposal import Proposal
from fedpact.gateway.transaction import Transaction
from fedpact.gateway.transport import Transport
from fedpact.wire.proposals import NO_TRANSIENT, build_proposal

log = logging.getLogger(__name__)


class Gateway:
    """A client of one chaincode on one channel, acting for one identity; may be used by many threads.

    Parameters
    ----------
    transport : a gateway: in-process, a local socket, gRPC. The caller closes it.
    identity : who signs.
    channel_id, chaincode : what is called.
    clock : time of the proposals, nanoseconds since 1970.
    deadlines : longest wait for each call.
    retries : how often conflicts and unknown outcomes are tried again.

    Examples
    --------
    >>> result = gateway.submit("catalog:publish", b'{"dataset": "..."}')  # doctest: +SKIP
    >>> result.block_number  # doctest: +SKIP
    7
    """

    def __init__(  # noqa: PLR0913 (independent settings, each named at the call)
        self,
        transport: Transport,
        identity: Actor,
        *,
        channel_id: str = "consortium",
        chaincode: str = "fedpact",
        clock: Callable[[], int] = time.time_ns,
        deadlines: Deadlines | None = None,
        retries: Retries | None = None,
    ) -> None:
        self.identity = identity
        self.chaincode = chaincode
        self.clock = clock
        self._connection = Connection(
            transport, identity, channel_id, deadlines or Deadlines(), retries or Retries()
        )

    @property
    def channel_id(self) -> str:
        """The channel that is called."""
        return self._connection.channel_id

    def evaluate(self, function: str, message: bytes = b"") -> bytes:
        """Execute a function without changing anything; return its result.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.

        Raises
        ------
        Rejected
            The contract refused.
        EvaluateError
            It was not executed.
        """
        return self.new_proposal(function, message).evaluate()

    def submit(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Result:
        """Execute a function and wait until it is committed.

        A conflict (MVCC, phantom) leads to a new proposal after a jittered wait, an unknown outcome to
        looking the transaction up and sending the same envelope again.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.
        transient : data for the endorsers only.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError, SubmitError
            Nothing was changed.
        CommitError
            The transaction is invalid, or still conflicted after all retries; nothing was changed.
        OutcomeUnknown
            It may be committed or not; see `resume`.
        """
        retries = self._connection.retries
        conflicts = 0
        while True:
            transaction = self.new_proposal(function, message, transient=transient).endorse()
            try:
                result = settlement.settle(self._connection, transaction)
            except CommitError as error:
                conflicts += 1
                if not error.conflict or conflicts > retries.conflicts:
                    raise
                log.info("transaction %s %s: %s, again", error.transaction_id, function, error.code.name)
                retries.pause(conflicts)
            else:
                log.info("transaction %s %s: block %d", result.transaction_id, function, result.block_number)
                return result

    def submit_async(
        self, function: str, message: bytes = b"", *, transient: Mapping[str, bytes] = NO_TRANSIENT
    ) -> Commit:
        """Execute a function and hand it to the orderer; do not wait for the verdict, retry no conflict.

        Raises
        ------
        Rejected
            The contract refused.
        EndorseError, SubmitError
            Nothing was changed.
        OutcomeUnknown
            It may have been submitted or not; see `resume`.
        """
        transaction = self.new_proposal(function, message, transient=transient).endorse()
        return settlement.submit(self._connection, transaction)

    def resume(self, transaction: bytes) -> Result:
        """Go on with a transaction whose outcome is unknown: look it up, else send the same envelope again.

        Parameters
        ----------
        transaction : `OutcomeUnknown.transaction`.

        Raises
        ------
        CommitError
            The transaction is invalid; nothing was changed.
        OutcomeUnknown
            Still unknown.
        WireError
            These are not a transaction's bytes.
        """
        prepared = offline.read_transaction(transaction)
        signed = Transaction(self._connection, prepared, signature=prepared.signature or None)
        return settlement.resume(self._connection, signed)

    def new_proposal(
        self,
        function: str,
        message: bytes = b"",
        *,
        transient: Mapping[str, bytes] = NO_TRANSIENT,
        organisations: Sequence[str] = (),
    ) -> Proposal:
        """Make the first stage: a proposal, to be evaluated or endorsed.

        Parameters
        ----------
        function : `contract:transaction`.
        message : its argument, JSON; empty for none.
        transient : data for the endorsers only.
        organisations : MSP ids of those who must execute it; empty leaves the choice to the gateway.
        """
        built = build_proposal(
            self.identity.creator,
            channel_id=self.channel_id,
            chaincode=self.chaincode,
            args=[function.encode(), message] if message else [function.encode()],
            timestamp_ns=self.clock(),
            transient=transient,
        )
        unsigned = SignedProposal(
            built.transaction_id, self.channel_id, built.proposal_bytes, organisations=tuple(organisations)
        )
        return Proposal(self._connection, unsigned)

    def signed_proposal(self, proposal: bytes, signature: bytes) -> Proposal:
        """Take up a proposal (`Proposal.to_bytes`) signed elsewhere; WireError if malformed."""
        return Proposal(self._connection, offline.read_proposal(proposal, signature))

    def signed_transaction(self, transaction: bytes, signature: bytes) -> Transaction:
        """Take up a transaction (`Transaction.to_bytes`) signed elsewhere; WireError if malformed."""
        return Transaction(self._connection, offline.read_transaction(transaction), signature=signature)

    def signed_commit(self, commit: bytes, signature: bytes) -> Commit:
        """Take up a status request (`Commit.to_bytes`) signed elsewhere; WireError if malformed."""
        return Commit(self._connection, offline.read_transaction_id(commit), signature=signature)
