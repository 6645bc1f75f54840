"""Executes proposals against the committed state and signs the results that contracts accept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from fabric_protos.common import common_pb2

from fedpact.gateway.transport import ErrorDetail
from fedpact.identity import Identity, IdentityError
from fedpact.wire.envelopes import Endorsement, Response, assemble, endorse_message, response_payload
from fedpact.wire.errors import WireError
from fedpact.wire.membership import Member
from fedpact.wire.proposals import ParsedProposal, parse_proposal
from fedpact.wire.rwsets import encode
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.chaincode import Response as Answer
from fedpact_chaincode.stub import Stub
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.snapshots import Snapshot, Snapshots

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000
TIME_TOLERANCE_MS = 60_000
_REFUSED_STATUS = 400


class Executable(Protocol):
    """What can be called under a name; a `fedpact_chaincode.Chaincode` is one."""

    @property
    def version(self) -> str:
        """Part of every endorsement."""

    def invoke(self, stub: Stub, /) -> Answer:
        """Execute the call in `stub.args`; a status of 400 or more is a refusal."""


class Endorser:
    """Plays one peer of each organisation it has an identity of.

    Parameters
    ----------
    channel : whose rules hold.
    peers : MSP identifier -> the peer's identity.
    chaincodes : what can be called, by name.
    snapshots : the committed state.
    own : remembers the signatures made here.
    clock_ns : the node's clock.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        peers: Mapping[str, Identity],
        chaincodes: Mapping[str, Executable],
        snapshots: Snapshots,
        own: OwnSignatures,
        clock_ns: Callable[[], int],
    ) -> None:
        self._channel = channel
        self._peers = dict(sorted(peers.items()))
        self._chaincodes = chaincodes
        self._snapshots = snapshots
        self._own = own
        self._clock_ns = clock_ns
        self._chosen: dict[str, list[str]] = {}
        channel.on_renewal(lambda _: self._chosen.clear())

    def evaluate(self, proposal_bytes: bytes, signature: bytes) -> Response:
        """Execute a proposal and forget what it wrote.

        Raises
        ------
        Refusal
            MALFORMED, UNKNOWN_CHANNEL, ACCESS_DENIED, CLOCK_OFF, UNKNOWN_CHAINCODE, CONTRACT_REFUSED.
        """
        proposal, _ = self._admit(proposal_bytes, signature)
        with self._snapshots.view() as snapshot:
            return self._execute(snapshot, proposal)[1]

    def endorse(
        self, proposal_bytes: bytes, signature: bytes, organisations: Collection[str] = ()
    ) -> common_pb2.Envelope:
        """Execute a proposal and sign the result for the organisations that the policy needs.

        Parameters
        ----------
        proposal_bytes : serialised `protos.Proposal`.
        signature : its creator's.
        organisations : those to endorse for; empty: the smallest set, the creator's own first.

        Returns
        -------
        Envelope
            Unsigned; its creator signs `payload`.

        Raises
        ------
        Refusal
            As `evaluate`, and DUPLICATE, NO_ENDORSERS, TOO_LARGE.
        """
        proposal, member = self._admit(proposal_bytes, signature)
        peers = self._choose(member, organisations)
        with self._snapshots.view() as snapshot:
            if snapshot.place(proposal.transaction_id) is not None:
                text = f"duplicate transaction found [{proposal.transaction_id}]"
                raise Refusal(RefusalCode.DUPLICATE, text, self.answers(text))
            simulation, response = self._execute(snapshot, proposal)
            rwset = simulation.rwset()
        try:
            results = encode([rwset])
        except WireError as error:
            raise Refusal(RefusalCode.MALFORMED, str(error)) from error
        version = self._chaincodes[proposal.chaincode].version
        prp = response_payload(proposal, results, response, event=simulation.event, version=version)
        envelope = assemble(proposal, prp, [self._sign(peer, prp) for peer in peers])
        limit = self._channel.bundle.batch.absolute_max_bytes
        if envelope.ByteSize() > limit:
            text = f"the transaction is larger than {limit} bytes"
            raise Refusal(RefusalCode.TOO_LARGE, text, self.answers(text))
        return envelope

    def _admit(self, proposal_bytes: bytes, signature: bytes) -> tuple[ParsedProposal, Member]:
        """Check everything about a proposal that needs no state."""
        rules = self._channel.rules
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
        if off_ms > TIME_TOLERANCE_MS:
            text = f"the proposal's time is off by {off_ms} ms, at most {TIME_TOLERANCE_MS} are allowed"
            raise Refusal(RefusalCode.CLOCK_OFF, text, self.answers(text))
        if proposal.chaincode not in self._chaincodes:
            text = f"chaincode {proposal.chaincode[:128]} not found"
            raise Refusal(RefusalCode.UNKNOWN_CHAINCODE, text, self.answers(text))
        return proposal, member

    def _execute(self, snapshot: Snapshot, proposal: ParsedProposal) -> tuple[Simulation, Response]:
        simulation = Simulation(snapshot, proposal, proposal.transient)
        answer = self._chaincodes[proposal.chaincode].invoke(simulation)
        response = Response(answer.status, answer.message, answer.payload)
        if response.status >= _REFUSED_STATUS:
            text = f"chaincode response {response.status}, {response.message}"
            raise Refusal(RefusalCode.CONTRACT_REFUSED, text, self.answers(text))
        return simulation, response

    def _choose(self, member: Member, organisations: Collection[str]) -> list[Identity]:
        if organisations:
            chosen = sorted(set(organisations))
            missing = [mspid for mspid in chosen if mspid not in self._peers]
        else:
            chosen = self._smallest(member.mspid)
            missing = [] if chosen else ["enough organisations"]
        if missing:
            raise Refusal(RefusalCode.NO_ENDORSERS, f"this node has no peers of {', '.join(missing)[:200]}")
        return [self._peers[mspid] for mspid in chosen]

    def _smallest(self, first: str) -> list[str]:
        """Return the smallest set of served organisations that satisfies the policy, `first` if possible."""
        chosen = self._chosen.get(first)
        if chosen is None:
            preferred = sorted(self._peers, key=lambda mspid: (mspid != first, mspid))
            chosen = self._chosen[first] = list(self._channel.rules.endorsement.choose(preferred) or ())
        return chosen

    def _sign(self, peer: Identity, prp: bytes) -> Endorsement:
        message = endorse_message(prp, peer.creator)
        signature = peer.sign(message)
        self._own.remember(peer.creator, message, signature)
        return Endorsement(peer.creator, signature)

    def answers(self, text: str) -> tuple[ErrorDetail, ...]:
        """Give a refusal as the answer of the first peer."""
        mspid, peer = next(iter(self._peers.items()))
        return (ErrorDetail(peer.name, mspid, text),)
