"""Changes of the channel's configuration on their way into a block: the orderer's part.

A CONFIG_UPDATE is checked when it comes, and once more when its turn comes if the configuration has moved on
meanwhile. It stands alone in its block, within the CONFIG envelope that the orderer signs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedpact.identity import Identity, IdentityError
from fedpact.wire.bundle import Bundle
from fedpact.wire.config_update import ConfigUpdateError, config_envelope, next_bundle
from fedpact.wire.errors import WireError
from fedpact.wire.policy_tree import CHANNEL
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.submission import Submission
from fedpact_network.embedded.update_envelopes import is_update, open_update, signature_header, update_id

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000


class Reconfiguration:
    """Makes configuration transactions of updates.

    Parameters
    ----------
    channel : whose configuration.
    signer : the orderer; None where updates are ordered elsewhere, and checked once more there.
    clock_ns : the node's clock.
    window_ms : how far an update's time may be off the clock.
    """

    def __init__(
        self, channel: Channel, signer: Identity | None, *, clock_ns: Callable[[], int], window_ms: int
    ) -> None:
        self._channel = channel
        self._signer = signer
        self._clock_ns = clock_ns
        self._window_ms = window_ms

    def identify(self, submission: Submission) -> str:
        """Return an update's transaction id; refuse (MALFORMED) everything else."""
        if not is_update(submission.envelope):
            reason = submission.error or "only an orderer makes configuration transactions"
            raise Refusal(RefusalCode.MALFORMED, str(reason))
        try:
            return update_id(submission.envelope)
        except WireError as error:
            raise Refusal(RefusalCode.MALFORMED, str(error)) from error

    def take(self, update: bytes) -> Submission:
        """Return the transaction that an update becomes.

        Parameters
        ----------
        update : serialised `common.Envelope` of type CONFIG_UPDATE.

        Raises
        ------
        Refusal
            MALFORMED, UNKNOWN_CHANNEL, ACCESS_DENIED (no member who may write to the channel), CLOCK_OFF,
            CONFIG_REFUSED.
        """
        self._check_submitter(update)
        return self._ordered(update)

    def confirmed(self, batch: Sequence[Submission]) -> Sequence[Submission]:
        """Return a batch as it can be committed now.

        Raises
        ------
        Refusal
            CONFIG_REFUSED: the configuration has moved on and the batch's update does not fit any more.
        """
        submission = batch[0]
        if not submission.update or submission.sequence == self._channel.bundle.sequence:
            return batch
        return [self._ordered(submission.update)]

    def _check_submitter(self, update: bytes) -> None:
        rules, now_ns = self._channel.rules, self._clock_ns()
        try:
            envelope, payload, header = open_update(update)
            creator = signature_header(payload).creator
        except WireError as error:
            raise Refusal(RefusalCode.MALFORMED, str(error)) from error
        if header.channel_id != self._channel.id:
            raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {header.channel_id[:128]!r} here")
        try:
            member = rules.membership.verify(creator, envelope.payload, envelope.signature, now_ns / _NS)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
        writers = f"{CHANNEL}/Writers"
        if not (rules.bundle.has_policy(writers) and rules.bundle.policy(writers).satisfied_by([member])):
            raise Refusal(RefusalCode.ACCESS_DENIED, f"{member.id} may not write to the channel")
        made_ns = header.timestamp.seconds * _NS + header.timestamp.nanos
        off_ms = abs(made_ns - now_ns) // _NS_PER_MS
        if off_ms > self._window_ms:
            text = f"the update's time is off by {off_ms} ms, at most {self._window_ms} are allowed"
            raise Refusal(RefusalCode.CLOCK_OFF, text)

    def _ordered(self, update: bytes) -> Submission:
        bundle = self._channel.bundle
        try:
            config = bundle.updated(update)
            if self._signer is None:
                submission = Submission.read(update)
                submission.tx_id = update_id(update)
                return submission
            made = config_envelope(config, update, self._signer, timestamp_ns=self._clock_ns())
            self._check_orders(self._signer, next_bundle(bundle, made, bundle.block_number + 1))
        except ConfigUpdateError as error:
            text = f"error applying config update to existing channel '{bundle.channel_id}': {error}"
            raise Refusal(RefusalCode.CONFIG_REFUSED, text) from error
        submission = Submission.read(made)
        submission.update, submission.sequence = update, bundle.sequence
        return submission

    def _check_orders(self, signer: Identity, successor: Bundle) -> None:
        """Refuse what would leave the channel without this orderer: it could never be changed again."""
        try:
            member = successor.membership().identify(signer.creator, self._clock_ns() / _NS)
        except IdentityError as error:
            raise Refusal(RefusalCode.CONFIG_REFUSED, f"this orderer could sign no more: {error}") from error
        if not successor.block_policy.satisfied_by([member]):
            raise Refusal(RefusalCode.CONFIG_REFUSED, "this orderer's blocks would not be valid any more")
