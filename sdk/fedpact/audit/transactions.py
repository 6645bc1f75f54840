"""What the committer should have decided about a transaction, derived anew."""

from __future__ import annotations

from collections.abc import Container

from fedpact.audit.replayed_state import ReplayedState
from fedpact.identity.errors import IdentityError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import ChannelConfig
from fedpact.wire.envelopes import ParsedTransaction, endorse_message
from fedpact.wire.membership import Member, Membership
from fedpact.wire.policies import Policy

PEER_OU = "peer"
REFUSED_STATUS = 400
MAX_ENDORSEMENTS = 256


class Judge:
    """Applies a channel's configuration to transactions, in the order in which they were committed.

    Parameters
    ----------
    config : of the channel, from its genesis block.
    """

    def __init__(self, config: ChannelConfig) -> None:
        self._channel_id = config.channel_id
        self._membership = Membership({org.mspid: org.root_certificates for org in config.organisations})
        self._policy = Policy.parse(config.endorsement, [org.mspid for org in config.organisations])
        self._seen: set[str] = set()

    def identify_orderer(self, signer: bytes, message: bytes, signature: bytes, at_s: float) -> str:
        """Return what is wrong with a block's signature; empty if nothing."""
        try:
            member = self._membership.verify(signer, message, signature, at_s)
        except IdentityError as error:
            return str(error)
        return "" if "orderer" in member.ou else f"{member.id} is no orderer"

    def verdict(
        self, transaction: ParsedTransaction, state: ReplayedState, touched: Container[tuple[str, str]]
    ) -> ValidationCode:
        """Return the validation code that the transaction deserves.

        Parameters
        ----------
        state : as the transactions before it left it.
        touched : (namespace, key) of everything that its block has written so far.
        """
        headers = transaction.headers
        at_s = headers.timestamp_ns / 1e9
        try:
            self._membership.verify(headers.creator, transaction.payload, transaction.signature, at_s)
        except IdentityError:
            return ValidationCode.BAD_CREATOR_SIGNATURE
        if headers.transaction_id in self._seen:
            return ValidationCode.DUPLICATE_TXID
        self._seen.add(headers.transaction_id)
        fault = self._fault(transaction)
        if fault is not ValidationCode.VALID:
            return fault
        if state.stale(transaction.rwset, touched):
            return ValidationCode.MVCC_READ_CONFLICT
        if state.phantom(transaction.rwset):
            return ValidationCode.PHANTOM_READ_CONFLICT
        return ValidationCode.VALID

    def _fault(self, transaction: ParsedTransaction) -> ValidationCode:
        if transaction.channel_id != self._channel_id:
            return ValidationCode.TARGET_CHAIN_NOT_FOUND
        if not transaction.proposal_hash_ok:
            return ValidationCode.INVALID_ENDORSER_TRANSACTION
        if not 0 < transaction.response.status < REFUSED_STATUS:
            return ValidationCode.BAD_RESPONSE_PAYLOAD
        if any(rwset.namespace != transaction.headers.chaincode for rwset in transaction.rwset):
            return ValidationCode.ILLEGAL_WRITESET
        endorsed = self._endorsed(transaction)
        return ValidationCode.VALID if endorsed else ValidationCode.ENDORSEMENT_POLICY_FAILURE

    def _endorsed(self, transaction: ParsedTransaction) -> bool:
        if len(transaction.endorsements) > MAX_ENDORSEMENTS:
            return False
        at_s = transaction.timestamp_ns / 1e9
        signers: list[Member] = []
        for endorser, signature in transaction.endorsements:
            message = endorse_message(transaction.prp, endorser)
            try:
                member = self._membership.verify(endorser, message, signature, at_s)
            except IdentityError:
                continue
            if PEER_OU in member.ou:
                signers.append(member)
        return self._policy.satisfied_by(signers)
