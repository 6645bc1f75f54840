"""Executes proposals against the committed state and signs the results that contracts accept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from fabric_protos.common import common_pb2

from fedpact.gateway.transport import ErrorDetail
from fedpact.identity import Identity, IdentityError
from fedpact.validation import ChannelRules
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.envelopes import (
    Endorsement,
    Response,
    assemble,
    endorse_message,
    response_payload,
)
from fedpact.wire.errors import MAX_MESSAGE_BYTES, WireError
from fedpact.wire.membership import Member
from fedpact.wire.policies import Policy, choose_for
from fedpact.wire.proposals import ParsedProposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, PrivateRwset, encode
from fedpact.wire.simulation import Simulation
from fedpact_network.embedded.access import AccessControl
from fedpact_network.embedded.agreed_code import AgreedCode, Executed, Terms
from fedpact_network.embedded.assembled import Assembled, made_here
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.endorsement_needs import needed_policies
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.remote_endorsers import RemoteCall, RemoteEndorsers, ask
from fedpact_network.embedded.snapshots import Snapshot, Snapshots

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000
TIME_WINDOW_MS = 60_000
"""How far a proposal's time may be off the node's clock; a Fabric peer's is 15 minutes."""

Keep = Callable[[str, Sequence[PrivateRwset], int], None]
"""Puts private write sets on the disk: transaction id, write sets, number of blocks there are."""


class Endorser:
    """Plays one peer of each organisation it has an identity of.

    Parameters
    ----------
    channel : whose rules hold.
    peers : MSP identifier -> the peer's identity.
    code : what can be called.
    snapshots : the committed state.
    own : remembers the signatures made here.
    assembled : remembers the transactions put together here.
    clock_ns : the node's clock.
    keep : puts private write sets on the disk, before the endorsement leaves.
    window_ms : how far a proposal's time may be off the clock.
    remote : asks peers of organisations that this node does not play; None: there are none.

    Attributes
    ----------
    address : where clients reach this node, `host:port`, for the details of refusals.
    """

    address = ""

    def __init__(  # noqa: PLR0913 (its parts, each named at the call)
        self,
        channel: Channel,
        *,
        peers: Mapping[str, Identity],
        code: AgreedCode,
        snapshots: Snapshots,
        own: OwnSignatures,
        assembled: Assembled,
        clock_ns: Callable[[], int],
        keep: Keep,
        window_ms: int = TIME_WINDOW_MS,
        remote: RemoteEndorsers | None = None,
    ) -> None:
        self._channel = channel
        self._access = AccessControl(channel)
        self._peers = dict(sorted(peers.items()))
        self._code = code
        self._snapshots = snapshots
        self._own = own
        self._assembled = assembled
        self._clock_ns = clock_ns
        self._keep = keep
        self._window_ms = window_ms
        self._remote = remote

    def evaluate(self, proposal_bytes: bytes, signature: bytes) -> Response:
        """Execute a proposal and forget what it wrote.

        Raises
        ------
        Refusal
            MALFORMED, UNKNOWN_CHANNEL, ACCESS_DENIED, CLOCK_OFF, POLICY_UNSATISFIED, UNKNOWN_CHAINCODE,
            NOT_DEFINED, OTHER_CODE_AGREED, CONTRACT_REFUSED, STOPPED.
        """
        rules = self._channel.rules
        proposal, member = self._admit(rules, proposal_bytes, signature)
        with self._snapshots.view() as snapshot:
            return self._execute(rules, snapshot, proposal, member, (self._first(member),)).response

    def endorse(
        self, proposal_bytes: bytes, signature: bytes, organisations: Collection[str] = ()
    ) -> common_pb2.Envelope:
        """Execute a proposal and sign the result for the organisations that its policies need.

        Parameters
        ----------
        proposal_bytes : serialised `protos.Proposal`.
        signature : its creator's.
        organisations : those to endorse for; empty: the smallest set that satisfies the policies of all that
            the result writes, the creator's own organisation first.

        Returns
        -------
        Envelope
            Unsigned; its creator signs `payload`.

        Raises
        ------
        Refusal
            As `evaluate`, and DUPLICATE, NO_ENDORSERS, RESULTS_DIFFER, TOO_LARGE, OVERLOADED.
        """
        rules = self._channel.rules
        proposal, member = self._admit(rules, proposal_bytes, signature)
        named = tuple(sorted(set(organisations)))
        self._check_named(named)
        first, chosen = self._first(member), named
        policies: tuple[Policy, ...] = ()
        with self._snapshots.view() as snapshot:
            if snapshot.place(proposal.transaction_id) is not None:
                text = f"duplicate transaction found [{proposal.transaction_id}]"
                raise Refusal(RefusalCode.DUPLICATE, text, self.answers(text))
            acting = self._played(named) or (first,)
            executed = self._execute(rules, snapshot, proposal, member, acting)
            rwset = executed.simulation.rwset()
            if not named:
                policies, chosen = self._choose(rules, snapshot, executed.terms, rwset, first)
                if proposal.chaincode == LIFECYCLE and self._played(chosen) != acting:
                    # What is approved depends on who signs.
                    executed = self._execute(rules, snapshot, proposal, member, self._played(chosen))
                    rwset = executed.simulation.rwset()
            height = snapshot.height
        results = _encoded(rwset)
        prp = _response_payload(proposal, executed, results)
        self._keep_private(executed.simulation, height)
        played = self._played(chosen)
        endorsements = [self._sign(self._peers[mspid], prp) for mspid in played]
        missing = tuple([mspid for mspid in chosen if mspid not in self._peers])
        if missing:
            call = RemoteCall(proposal_bytes, signature, missing, policies, played, prp)
            endorsements += ask(self._remote, call)
        envelope = self._assemble(proposal, prp, endorsements)
        made = made_here(proposal, executed, prp, endorsements, rwset, results)
        self._assembled.remember(envelope.payload, partial(made, envelope.payload))
        return envelope

    def answers(self, text: str) -> tuple[ErrorDetail, ...]:
        """Give a refusal as the answer of the first peer, if there is one."""
        peers = [*self._peers.items()][:1]
        return tuple([ErrorDetail(self.address or peer.name, mspid, text) for mspid, peer in peers])

    def _admit(
        self, rules: ChannelRules, proposal_bytes: bytes, signature: bytes
    ) -> tuple[ParsedProposal, Member]:
        """Check everything about a proposal that needs no state."""
        try:
            proposal = parse_proposal(proposal_bytes)
        except WireError as error:
            raise Refusal(RefusalCode.MALFORMED, str(error)) from error
        if proposal.channel_id != self._channel.id:
            raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {proposal.channel_id[:128]!r} here")
        now_ns = self._clock_ns()
        try:
            membership = rules.membership
            member = membership.verify(proposal.creator, proposal_bytes, signature, now_ns / _NS)
            membership.identify(proposal.creator, proposal.timestamp_ns / _NS)  # what a block is judged by
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
        off_ms = abs(proposal.timestamp_ns - now_ns) // _NS_PER_MS
        if off_ms > self._window_ms:
            text = f"the proposal's time is off by {off_ms} ms, at most {self._window_ms} are allowed"
            raise Refusal(RefusalCode.CLOCK_OFF, text, self.answers(text))
        return proposal, member

    def _execute(
        self,
        rules: ChannelRules,
        snapshot: Snapshot,
        proposal: ParsedProposal,
        member: Member,
        acting: Sequence[str],
    ) -> Executed:
        try:
            self._access.check_proposal(proposal, member)
            return self._code.execute(rules, snapshot, proposal, acting, self._clock_ns() / _NS)
        except Refusal as refusal:
            raise Refusal(refusal.code, refusal.message, self.answers(refusal.message)) from refusal

    def _first(self, member: Member) -> str:
        """Return the organisation whose peer is asked first: the caller's own, if it is played here."""
        if not self._peers:
            raise Refusal(RefusalCode.NO_ENDORSERS, "this node plays no peer")
        return member.mspid if member.mspid in self._peers else next(iter(self._peers))

    def _played(self, organisations: Sequence[str]) -> tuple[str, ...]:
        return tuple([mspid for mspid in organisations if mspid in self._peers])

    def _check_named(self, organisations: Sequence[str]) -> None:
        missing = [mspid for mspid in organisations if mspid not in self._peers]
        if missing and self._remote is None:
            raise Refusal(RefusalCode.NO_ENDORSERS, f"this node has no peers of {', '.join(missing)[:200]}")

    def _choose(
        self, rules: ChannelRules, snapshot: Snapshot, terms: Terms, rwset: NamespaceRwset, first: str
    ) -> tuple[tuple[Policy, ...], tuple[str, ...]]:
        """Return what endorsements must satisfy, and the smallest set of organisations that does."""
        policies = needed_policies(rwset, terms.definition, rules.bundle, snapshot)
        usual = policies == (terms.definition.endorsement,)
        chosen = terms.chosen.get(first) if usual else None
        if chosen is None:
            known = [mspid for mspid in self._peers if rules.bundle.organisation(mspid) is not None]
            if self._remote is not None:
                known += [mspid for mspid in rules.bundle.mspids if mspid not in self._peers]
            preferred = sorted(known, key=lambda mspid: mspid != first)
            chosen = choose_for(policies, preferred)
            if chosen is None:
                wanted = " and ".join(policy.text for policy in policies)
                raise Refusal(RefusalCode.NO_ENDORSERS, f"this node has not enough peers for {wanted[:500]}")
            if usual:
                terms.chosen[first] = chosen
        return policies, chosen

    def _keep_private(self, simulation: Simulation, height: int) -> None:
        private = simulation.private_rwsets()
        if not private:
            return
        try:
            self._keep(simulation.tx_id, private, height)
        except WireError as error:
            raise Refusal(RefusalCode.MALFORMED, str(error)) from error

    def _assemble(
        self, proposal: ParsedProposal, prp: bytes, endorsements: Sequence[Endorsement]
    ) -> common_pb2.Envelope:
        envelope = assemble(proposal, prp, endorsements)
        limit = min(self._channel.bundle.batch.absolute_max_bytes, MAX_MESSAGE_BYTES)
        if envelope.ByteSize() > limit:
            text = f"the transaction is larger than {limit} bytes"
            raise Refusal(RefusalCode.TOO_LARGE, text, self.answers(text))
        return envelope

    def _sign(self, peer: Identity, prp: bytes) -> Endorsement:
        message = endorse_message(prp, peer.creator)
        signature = peer.sign(message)
        self._own.remember(peer.creator, message, signature)
        return Endorsement(peer.creator, signature)


def _encoded(rwset: NamespaceRwset) -> bytes:
    try:
        return encode([rwset])
    except WireError as error:
        raise Refusal(RefusalCode.MALFORMED, str(error)) from error


def _response_payload(proposal: ParsedProposal, executed: Executed, results: bytes) -> bytes:
    simulation, response, terms = executed
    return response_payload(proposal, results, response, event=simulation.event, version=terms.version)
