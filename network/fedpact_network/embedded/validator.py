"""Verifying signatures: each one once in the life of a process, on two threads.

What a verdict is, `fedpact.validation` says. Here is only what saves work: a creator's signature is verified
where the envelope is submitted, an endorser's not at all where this process has just made it
(`own_signatures`). Both are facts about bytes; whether the signer's certificate counts is judged for every
block under its configuration, so that a new configuration finds nothing already decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from fedpact.identity import IdentityError
from fedpact.validation import ChannelRules, Examined, examine
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.membership import Member
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.submission import Submission

_NS = 1_000_000_000
_LARGE_BYTES = 64 << 10
"""What is smaller is parsed as soon as its signature is verified."""


class Validator:
    """Verifies what needs no state.

    Parameters
    ----------
    channel : whose rules hold.
    own : endorsements that need not be verified.
    """

    def __init__(self, channel: Channel, own: OwnSignatures) -> None:
        self._channel = channel
        self._own = own
        self._helper = ThreadPoolExecutor(1, thread_name_prefix="verifier")

    def examine(self, batch: Sequence[Submission], rules: ChannelRules) -> list[Examined]:
        """Examine every envelope of a block under these rules, in order."""
        middle = len(batch) // 2 if self._much_to_verify(batch) else 0
        first = self._helper.submit(self._examine_all, batch[:middle], rules) if middle else None
        second = self._examine_all(batch[middle:], rules)
        return second if first is None else first.result() + second

    def admit(self, envelope: bytes, at_s: float) -> None:
        """Refuse a large envelope of a stranger unparsed: parsing takes many times its memory.

        Raises
        ------
        Refusal
            ACCESS_DENIED.
        """
        if len(envelope) <= _LARGE_BYTES:
            return
        try:
            signed = common_pb2.Envelope.FromString(envelope)
            header = common_pb2.Payload.FromString(signed.payload).header
            creator = common_pb2.SignatureHeader.FromString(header.signature_header).creator
        except DecodeError:  # what is wrong is told by who parses it
            return
        try:
            self._channel.rules.membership.verify(creator, signed.payload, signed.signature, at_s)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error

    def authenticate(self, submission: Submission, at_s: float) -> Member:
        """Verify the creator's signature and remember that it holds.

        Parameters
        ----------
        submission : a well-formed one.
        at_s : the moment at which the certificate must be valid.

        Raises
        ------
        IdentityError
            As `Membership.verify`.
        """
        transaction = submission.transaction
        if not isinstance(transaction, ParsedTransaction):
            raise ValueError("only a transaction of a contract has a creator to verify here")
        member = self._channel.rules.membership.verify(
            transaction.creator, transaction.payload, transaction.signature, at_s
        )
        submission.authentic = True
        return member

    def close(self) -> None:
        """End the helper thread."""
        self._helper.shutdown()

    def _much_to_verify(self, batch: Sequence[Submission]) -> bool:
        return sum(not submission.authentic for submission in batch) > 1

    def _examine_all(self, batch: Sequence[Submission], rules: ChannelRules) -> list[Examined]:
        return [
            examine(submission.parsed, rules, authentic=submission.authentic, known=self._own)
            for submission in batch
        ]
