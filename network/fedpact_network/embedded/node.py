"""The node: one channel's endorser, sequencer, block stage and notifier around one database.

    proposal -> Endorser (snapshot, contract, signatures) -> envelope, signed by its creator
    envelope -> submit -> Orderer -> Committer (validate, commit in one transaction) -> Notifier

A synchronous library: calls run in their caller's thread and may come from many; only the block stage has
a thread of its own, and a helper that verifies signatures.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from fedpact.identity import IdentityCode, IdentityError
from fedpact.validation import MAX_ENDORSEMENTS, BlockError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.errors import WireError
from fedpact.wire.membership import Membership
from fedpact.wire.rwsets import PrivateRwset
from fedpact_network.embedded.access import ORDERER_WRITERS, AccessControl
from fedpact_network.embedded.agreed_code import AgreedCode
from fedpact_network.embedded.assembled import Assembled
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.committed import find_outcome, holds
from fedpact_network.embedded.committer import Committer
from fedpact_network.embedded.endorser import Endorser
from fedpact_network.embedded.errors import Refusal, RefusalCode, check_process
from fedpact_network.embedded.keys import check_keys
from fedpact_network.embedded.node_settings import NodeSettings
from fedpact_network.embedded.notifier import Notifier, Outcome
from fedpact_network.embedded.orderer import Orderer, Sequencer
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.private_commit import PrivateData
from fedpact_network.embedded.private_supply import Missing, PrivateSupply
from fedpact_network.embedded.reconfiguration import Reconfiguration
from fedpact_network.embedded.snapshots import Snapshots
from fedpact_network.embedded.state_cache import StateCache
from fedpact_network.embedded.store import Store
from fedpact_network.embedded.submission import Submission
from fedpact_network.embedded.transient_store import TransientStore
from fedpact_network.embedded.validator import Validator

__all__ = ["EmbeddedNode", "NodeSettings"]

log = logging.getLogger(__name__)

_NS = 1_000_000_000
_STOPPED = "the node has stopped"
_DATABASE_FAILED = "the node's database failed; nothing more is committed"


class EmbeddedNode:
    """A running node.

    Parameters
    ----------
    store : a recovered database; closed with the node.
    settings : configuration, keys, contracts and clock.
    orderer : where the order comes from; the node's own sequencer by default.

    Attributes
    ----------
    channel : the rules in force.
    access : who may do what.
    endorser : executes proposals.
    notifier : tells what became of transactions.
    snapshots : the committed state.
    transient : private write sets that wait for their commit.
    organisations : MSP ids of the peers it plays.
    chaincodes : names of what can be called.
    block_took : told the seconds that every block took, in the block stage's thread.

    Raises
    ------
    ValueError
        If nobody orders, or a key of a node that orders is no valid peer or orderer of the channel. The keys
        of others may become valid with a block still to come.
    """

    def __init__(self, store: Store, settings: NodeSettings, *, orderer: Orderer | None = None) -> None:
        keys, own = settings.keys, OwnSignatures()
        self.channel = Channel(settings.bundle, lambda: self.now_s)
        self.access = AccessControl(self.channel)
        self._store = store
        self._clock_ns = settings.clock_ns
        self._process = os.getpid()
        self._closed = False
        if orderer is None:
            check_keys(keys, self.membership, self.now_s)
        self.snapshots = Snapshots(store, StateCache())
        self.notifier = Notifier(self.snapshots.height)
        self.transient = TransientStore(store.connection(), share=settings.share)
        self.notifier.add(self.transient)
        self._assembled = Assembled()
        self.endorser = Endorser(
            self.channel,
            peers=keys.peers,
            code=AgreedCode(settings.chaincodes, required=settings.require_definitions),
            snapshots=self.snapshots,
            own=own,
            assembled=self._assembled,
            clock_ns=settings.clock_ns,
            keep=self.transient.endorsed,
            window_ms=settings.window_ms,
            remote=settings.remote,
        )
        self._validator = Validator(self.channel, own)
        self._committer = Committer(
            store,
            self.snapshots,
            self.channel,
            self._validator,
            self.notifier,
            PrivateData(keys.peers, (self.transient.find, settings.private), self.transient.forget),
        )
        self.organisations = tuple(sorted(keys.peers))
        self.chaincodes = frozenset(settings.chaincodes)
        self.block_took: Callable[[float], None] = lambda _seconds: None
        self._signer = keys.orderer
        self._reconfiguration = Reconfiguration(
            self.channel, self._signer, clock_ns=settings.clock_ns, window_ms=settings.window_ms
        )
        self._writing = threading.Lock()
        self._supply = PrivateSupply(store, self.snapshots, self._writing)
        self._orderer = self._sequencer() if orderer is None else orderer
        self._orderer.start(self._deliver)
        store.when_lost(
            lambda: self.notifier.stop("another node may have the database; nothing is committed")
        )

    @property
    def membership(self) -> Membership:
        """Who belongs to the channel now."""
        return self.channel.rules.membership

    @property
    def now_s(self) -> float:
        """The node's time, seconds since 1970."""
        return self._clock_ns() / _NS

    def submit(self, envelope: bytes) -> str:
        """Hand a signed envelope to the orderer; return its transaction id.

        The same envelope may be submitted again: it is ordered once.

        Parameters
        ----------
        envelope : serialised `common.Envelope`: a contract's transaction, or the update of a configuration.

        Raises
        ------
        Refusal
            MALFORMED, TOO_LARGE, UNKNOWN_CHANNEL, ACCESS_DENIED, POLICY_UNSATISFIED, OVERLOADED, STOPPED;
            DUPLICATE for another envelope under a transaction id that is waiting or committed; CLOCK_OFF,
            CONFIG_REFUSED for an update.
        """
        check_process(self._process)
        self.notifier.check()
        if len(envelope) > self.channel.bundle.batch.absolute_max_bytes:
            raise Refusal(RefusalCode.TOO_LARGE, f"an envelope of {len(envelope)} bytes")
        self._validator.admit(envelope, self.now_s)
        submission = Submission.read(envelope, self._assembled)
        transaction = submission.transaction
        if transaction is None:
            return self._submit_update(submission)
        if transaction.channel_id != self.channel.id:
            raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {transaction.channel_id[:128]!r} here")
        self._authenticate(submission)
        committed = self.notifier.recent(submission.tx_id)
        if committed is None and self._signer is None:  # who orders elsewhere does not deliver it again
            committed = self._look_up(submission.tx_id)
        if committed is None:
            self._orderer.submit(submission)
        elif not holds(self.snapshots, envelope, committed.block):
            raise Refusal(RefusalCode.DUPLICATE, "another envelope with this transaction id is committed")
        return submission.tx_id

    def holds(self, tx_id: str) -> bool:
        """Whether a transaction was taken and its block is not committed yet."""
        return self._orderer.holds(tx_id)

    def decided(self, tx_id: str) -> Outcome | None:
        """Return a transaction's outcome if it is committed. Reads the database where memory has none.

        Raises
        ------
        Refusal
            STOPPED.
        """
        check_process(self._process)
        recent = self.notifier.recent(tx_id)
        if recent is None and not self._orderer.holds(tx_id):
            return self._look_up(tx_id)
        return recent

    def outcome(self, tx_id: str, timeout_s: float) -> Outcome:
        """Wait until a transaction is committed.

        Raises
        ------
        Refusal
            NOT_COMMITTED_YET, OVERLOADED, STOPPED.
        """
        check_process(self._process)
        on_its_way = self._orderer.holds(tx_id)
        return self.notifier.wait(tx_id, timeout_s, look_up=None if on_its_way else self._look_up)

    def missing_private(self, limit: int = 100) -> list[Missing]:
        """Return private write sets that this node should hold and does not, oldest first."""
        check_process(self._process)
        return self._supply.missing(limit)

    def supply_private(self, block: int, position: int, rwsets: Sequence[PrivateRwset]) -> int:
        """Store private data that were missing when their block was committed; see `PrivateSupply.supply`."""
        check_process(self._process)
        self.notifier.check()
        return self._supply.supply(block, position, rwsets)

    def close(self) -> None:
        """Commit what was accepted, end all threads, release the database; more than once is allowed."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        self._orderer.close()
        self.notifier.stop(_STOPPED)
        self._validator.close()
        self.snapshots.close()
        self.transient.close()
        self._store.close()

    def _sequencer(self) -> Sequencer:
        if self._signer is None:
            raise ValueError("this node has no orderer's identity: it follows another node")
        sequencer = Sequencer(self.channel.bundle.batch)
        self.channel.on_renewal(lambda bundle: sequencer.renew(bundle.batch))
        return sequencer

    def _submit_update(self, submission: Submission) -> str:
        tx_id = self._reconfiguration.identify(submission)
        if self.notifier.recent(tx_id) is None:
            self._orderer.submit(self._reconfiguration.take(submission.envelope))
        return tx_id

    def _deliver(self, block: Sequence[Submission] | bytes) -> None:
        begun_s = time.perf_counter()
        try:
            with self._writing:
                self._commit(block)
        except Refusal as refusal:
            if refusal.code is RefusalCode.STOPPED:
                self.notifier.stop(_DATABASE_FAILED)
            if refusal.code is RefusalCode.STOPPED or isinstance(block, bytes):
                raise
            self._drop(block[0].tx_id, refusal)
            return
        except (BlockError, WireError) as error:
            self.notifier.stop(f"a block that another node cut does not verify: {error}")
            raise
        except Exception:
            self.notifier.stop(_DATABASE_FAILED)
            raise
        self.block_took(time.perf_counter() - begun_s)

    def _drop(self, tx_id: str, refusal: Refusal) -> None:
        """Tell that an update was overtaken by that of the newest block, unless a block has it already."""
        log.warning("configuration update %s is dropped: %s", tx_id, refusal.message)
        if self.notifier.recent(tx_id) is None:
            outcome = Outcome(ValidationCode.INVALID_CONFIG_TRANSACTION, self.channel.bundle.block_number)
            self.notifier.publish(self.notifier.height, [(tx_id, outcome)])

    def _commit(self, block: Sequence[Submission] | bytes) -> None:
        if isinstance(block, bytes):
            self._committer.append(block)
        elif self._signer is not None:
            self._committer.commit(self._reconfiguration.confirmed(block), self._signer)

    def _authenticate(self, submission: Submission) -> None:
        """Refuse forged and expired creators, and expired endorsers, before they cost a block anything."""
        now_s = self.now_s
        try:
            member = self._validator.authenticate(submission, now_s)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
        self.access.check(ORDERER_WRITERS, member)
        transaction = submission.transaction
        for endorsement in () if transaction is None else transaction.endorsements[:MAX_ENDORSEMENTS]:
            try:
                self.membership.identify(endorsement.endorser, now_s)
            except IdentityError as error:
                if error.code is IdentityCode.EXPIRED:
                    raise Refusal(RefusalCode.ACCESS_DENIED, f"endorser: {error}") from error

    def _look_up(self, tx_id: str) -> Outcome | None:
        return find_outcome(self.snapshots, self.channel.bundle.block_number, tx_id)
