"""What can be judged about a transaction without the state: form and signatures.

A function of the envelope and the configuration alone: certificates must be valid at the transaction's own
time, which no endorser lets stray from its clock; revocation is as of the configuration.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from fedpact.identity.errors import IdentityError
from fedpact.validation.channel_rules import ChannelRules
from fedpact.validation.parsing import ConfigTransaction, Parsed
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import Endorsement, ParsedTransaction, endorse_message
from fedpact.wire.errors import WireError
from fedpact.wire.membership import Member

MAX_ENDORSEMENTS = 256
"""Endorsements that are looked at; a transaction with more has none."""

_NS = 1_000_000_000
_REFUSED_STATUS = 400
_RESERVED = "$$"  # stands between a namespace and its collection where hashes of private data are kept


class Known(Protocol):
    """Signatures that need no verification."""

    def take(self, endorser: bytes, message: bytes, signature: bytes, /) -> bool:
        """Whether exactly this signature was made here; asked once for each."""


class Examined(NamedTuple):
    """What is known about an envelope before its block's turn comes.

    Attributes
    ----------
    code : VALID where nothing speaks against it so far.
    tx_id : the id that its creator has signed; empty where nobody did.
    endorsers : peers whose signatures hold; empty unless the code is VALID.
    """

    code: ValidationCode
    tx_id: str = ""
    endorsers: tuple[Member, ...] = ()


def examine(
    parsed: Parsed, rules: ChannelRules, *, authentic: bool = False, known: Known | None = None
) -> Examined:
    """Judge one envelope.

    Parameters
    ----------
    parsed : the envelope.
    rules : of the configuration that the block is judged by.
    authentic : the creator's signature over exactly this payload was verified before. That says nothing about
        the creator's certificate, which is judged here anyway.
    known : endorsers' signatures that were made in this process.
    """
    if isinstance(parsed, WireError):
        return Examined(ValidationCode.of(parsed))
    if isinstance(parsed, ConfigTransaction):
        return Examined(ValidationCode.VALID)
    moment = parsed.timestamp_ns / _NS
    try:
        if authentic:
            rules.membership.identify(parsed.creator, moment)
        else:
            rules.membership.verify(parsed.creator, parsed.payload, parsed.signature, moment)
    except IdentityError:
        return Examined(ValidationCode.BAD_CREATOR_SIGNATURE)
    fault = _fault(parsed, rules.bundle.channel_id)
    if fault is not ValidationCode.VALID:
        return Examined(fault, parsed.transaction_id)
    return Examined(fault, parsed.transaction_id, endorsers(parsed, rules, known))


def endorsers(
    transaction: ParsedTransaction, rules: ChannelRules, known: Known | None = None
) -> tuple[Member, ...]:
    """Return the peers whose endorsements hold at the transaction's time."""
    if len(transaction.endorsements) > MAX_ENDORSEMENTS:
        return ()
    found = [_endorser(transaction, item, rules, known) for item in transaction.endorsements]
    return tuple([member for member in found if member is not None])


def _fault(transaction: ParsedTransaction, channel_id: str) -> ValidationCode:
    if transaction.channel_id != channel_id:
        return ValidationCode.TARGET_CHAIN_NOT_FOUND
    if not transaction.proposal_hash_ok:
        return ValidationCode.INVALID_ENDORSER_TRANSACTION
    if not 0 < transaction.response.status < _REFUSED_STATUS:
        return ValidationCode.BAD_RESPONSE_PAYLOAD
    called = transaction.headers.chaincode
    if _RESERVED in called or any(rwset.namespace != called for rwset in transaction.rwset):
        return ValidationCode.ILLEGAL_WRITESET
    return ValidationCode.VALID


def _endorser(
    transaction: ParsedTransaction, endorsement: Endorsement, rules: ChannelRules, known: Known | None
) -> Member | None:
    """Return who endorsed; None where the signature does not hold or no peer made it."""
    endorser, signature = endorsement
    message = endorse_message(transaction.prp, endorser)
    moment = transaction.timestamp_ns / _NS
    try:
        if known is not None and known.take(endorser, message, signature):
            member = rules.membership.identify(endorser, moment)
        else:
            member = rules.membership.verify(endorser, message, signature, moment)
    except IdentityError:
        return None
    return member if "peer" in member.roles else None
