"""What can be judged about a transaction without the state: form, signatures, endorsement policy.

The verdict is a function of the envelope and the channel's configuration only, so that every replica and
every auditor comes to the same one: certificates must be valid at the transaction's own time, which no
endorser lets stray from its clock. Each signature is verified once in the life of a process: a creator's
where the envelope is submitted, an endorser's not at all where this process has just made it
(`own_signatures`). Everything else, such as blocks from elsewhere, is verified here, on two threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fedpact.identity.errors import IdentityError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import Endorsement, ParsedTransaction, endorse_message
from fedpact.wire.membership import Member, Membership
from fedpact.wire.policies import Policy
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.submission import Submission

_NS = 1_000_000_000
_MAX_ENDORSEMENTS = 256
_REFUSED_STATUS = 400


class Validator:
    """Judges transactions for one channel.

    Parameters
    ----------
    channel_id : transactions of another channel are invalid.
    membership : who belongs to it.
    policy : whose endorsements a transaction needs.
    own : endorsements that need not be verified.
    """

    def __init__(self, channel_id: str, membership: Membership, policy: Policy, own: OwnSignatures) -> None:
        self._channel_id = channel_id
        self._membership = membership
        self._policy = policy
        self._own = own
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="verifier")

    def judge(self, batch: Sequence[Submission]) -> list[ValidationCode]:
        """Return one code a transaction, in order; VALID ones are still to be checked against the state.

        Sets `authentic` on each whose creator's signature holds.
        """
        middle = len(batch) // 2 if self._much_to_verify(batch) else 0
        first = self._helper.submit(self._judge_all, batch[:middle]) if middle else None
        second = self._judge_all(batch[middle:])
        return second if first is None else first.result() + second

    def authenticate(self, submission: Submission, *, at_s: float | None = None) -> Member:
        """Verify the creator's signature and remember that it holds.

        Parameters
        ----------
        submission : a well-formed one.
        at_s : the moment at which the certificate must be valid; the transaction's own time by default.

        Raises
        ------
        IdentityError
            As `Membership.verify`.
        """
        transaction = submission.transaction
        if transaction is None:
            raise ValueError("a malformed envelope has no creator")
        moment = transaction.timestamp_ns / _NS if at_s is None else at_s
        member = self._membership.verify(
            transaction.creator, transaction.payload, transaction.signature, moment
        )
        submission.authentic = True
        return member

    def close(self) -> None:
        """End the helper thread."""
        self._helper.shutdown()

    def _much_to_verify(self, batch: Sequence[Submission]) -> bool:
        return sum(not submission.authentic for submission in batch) > 1

    def _judge_all(self, batch: Sequence[Submission]) -> list[ValidationCode]:
        return [self._judge(submission) for submission in batch]

    def _judge(self, submission: Submission) -> ValidationCode:
        transaction = submission.transaction
        if transaction is None:
            return submission.malformed
        try:
            if submission.authentic:
                self._membership.identify(transaction.creator, transaction.timestamp_ns / _NS)
            else:
                self.authenticate(submission)
        except IdentityError:
            return ValidationCode.BAD_CREATOR_SIGNATURE
        fault = self._fault(transaction)
        if fault is not ValidationCode.VALID or self._endorsed(transaction):
            return fault
        return ValidationCode.ENDORSEMENT_POLICY_FAILURE

    def _fault(self, transaction: ParsedTransaction) -> ValidationCode:
        if transaction.channel_id != self._channel_id:
            return ValidationCode.TARGET_CHAIN_NOT_FOUND
        if not transaction.proposal_hash_ok:
            return ValidationCode.INVALID_ENDORSER_TRANSACTION
        if not 0 < transaction.response.status < _REFUSED_STATUS:
            return ValidationCode.BAD_RESPONSE_PAYLOAD
        if any(rwset.namespace != transaction.headers.chaincode for rwset in transaction.rwset):
            return ValidationCode.ILLEGAL_WRITESET
        return ValidationCode.VALID

    def _endorsed(self, transaction: ParsedTransaction) -> bool:
        if len(transaction.endorsements) > _MAX_ENDORSEMENTS:
            return False
        found = [self._endorser(transaction, endorsement) for endorsement in transaction.endorsements]
        return self._policy.satisfied_by([member for member in found if member is not None])

    def _endorser(self, transaction: ParsedTransaction, endorsement: Endorsement) -> Member | None:
        """Return who endorsed; None where the signature does not hold or no peer made it."""
        endorser, signature = endorsement
        message = endorse_message(transaction.prp, endorser)
        moment = transaction.timestamp_ns / _NS
        try:
            if self._own.take(endorser, message, signature):
                member = self._membership.identify(endorser, moment)
            else:
                member = self._membership.verify(endorser, message, signature, moment)
        except IdentityError:
            return None
        return member if "peer" in member.ou else None
