"""Fabric's services over serialised messages: what a transport calls, whatever carries it.

Statuses and texts are those of a Fabric peer's gateway; see `statuses`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2
from google.protobuf.message import DecodeError, Message

from fedpact.gateway.transport import DeliverKind
from fedpact.identity import IdentityError
from fedpact_network.embedded.access import CHAINCODE_EVENTS, COMMIT_STATUS
from fedpact_network.embedded.deliver import Delivery, PrivateData, no_private_data
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.events import ChaincodeEvents
from fedpact_network.embedded.feeds import FeedStream
from fedpact_network.embedded.node import EmbeddedNode
from fedpact_network.embedded.notifier import Outcome
from fedpact_network.embedded.proposal_answers import proposal_response, refused_proposal
from fedpact_network.embedded.statuses import (
    ENDORSE,
    ENDORSE_NAMED,
    EVALUATE,
    FOLLOW,
    SUBMIT,
    VERDICT,
    answering,
)

M = TypeVar("M", bound=Message)
R = TypeVar("R")
Told = Callable[[bytes, float, Refusal | None], None]

_MAX_REQUEST_BYTES = 100 << 20
_DENIED = frozenset({RefusalCode.ACCESS_DENIED, RefusalCode.CLOCK_OFF})


class GatewayHandler:
    """A `fedpact.gateway.Transport` straight into a node.

    Parameters
    ----------
    node : who answers. It outlives its handlers.
    private_data : what private data requests for blocks may see.

    Attributes
    ----------
    private_data : the same.
    told : hears of every proposal that was answered: its bytes, when it came, and why it failed.
    """

    def __init__(self, node: EmbeddedNode, private_data: PrivateData = no_private_data) -> None:
        self._node = node
        self.private_data = private_data
        self.told: Told = _ignore

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`EvaluateRequest` -> `EvaluateResponse`. The call ends when the contract does."""
        with answering(EVALUATE):
            signed = _read(gateway_pb2.EvaluateRequest, request).proposed_transaction
            endorser = self._node.endorser
            result = self._asked(signed, lambda: endorser.evaluate(signed.proposal_bytes, signed.signature))
            response = proposal_response_pb2.Response(
                status=result.status, message=result.message, payload=result.payload
            )
            reply: bytes = gateway_pb2.EvaluateResponse(result=response).SerializeToString()
            return reply

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`EndorseRequest` -> `EndorseResponse` with the unsigned envelope."""
        with answering():
            message = _read(gateway_pb2.EndorseRequest, request)
        organisations = tuple(message.endorsing_organizations)
        with answering(ENDORSE_NAMED if organisations else ENDORSE):
            envelope = self._endorsed(message.proposed_transaction, organisations)
            reply: bytes = gateway_pb2.EndorseResponse(prepared_transaction=envelope).SerializeToString()
            return reply

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`SubmitRequest` -> `SubmitResponse`; it is ordered, its outcome is asked for by `commit_status`."""
        self.submitted(request)
        return b""

    def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`SubmitRequest` -> `CommitStatusResponse`: whoever has signed the envelope may know its verdict."""
        tx_id = self.submitted(request)
        with answering(VERDICT):
            return commit_reply(self._node.outcome(tx_id, timeout_s))

    def submitted(self, request: bytes) -> str:
        """Hand the envelope of a `SubmitRequest` to the orderer; return its transaction id.

        Raises
        ------
        TransportError
            As `submit`.
        """
        with answering():
            message = _read(gateway_pb2.SubmitRequest, request)
            if not message.HasField("prepared_transaction"):
                raise Refusal(RefusalCode.MALFORMED, "a prepared transaction is required")
            if not message.prepared_transaction.signature:
                raise Refusal(RefusalCode.MALFORMED, "prepared transaction must be signed")
        with answering(SUBMIT):
            self._check_channel(message.channel_id)
            return self._node.submit(message.prepared_transaction.SerializeToString())

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`SignedCommitStatusRequest` -> `CommitStatusResponse`, as soon as the block is committed."""
        tx_id = self.asked_commit(request)
        with answering():
            return commit_reply(self._node.outcome(tx_id, timeout_s))

    def verdict(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`CommitStatusRequest` -> `CommitStatusResponse`, without a signature: for callers in this process.

        They have the node itself; a signature would tell it nothing. No server offers this to others.
        """
        with answering(FOLLOW):
            message = _read(gateway_pb2.CommitStatusRequest, request)
            self._check_channel(message.channel_id)
        with answering():
            return commit_reply(self._node.outcome(message.transaction_id, timeout_s))

    def asked_commit(self, request: bytes) -> str:
        """Return the transaction id of a `SignedCommitStatusRequest`, once its signature is checked.

        Raises
        ------
        TransportError
            INVALID_ARGUMENT, PERMISSION_DENIED.
        """
        with answering(FOLLOW):
            signed = _read(gateway_pb2.SignedCommitStatusRequest, request)
            if not signed.request:
                raise Refusal(RefusalCode.MALFORMED, "a commit status request is required")
            message = _read(gateway_pb2.CommitStatusRequest, signed.request)
            self._check_channel(message.channel_id)
            self._authenticate(COMMIT_STATUS, message.identity, signed.request, signed.signature)
            return str(message.transaction_id)

    def chaincode_events(self, request: bytes, /) -> FeedStream:
        """`SignedChaincodeEventsRequest` -> a stream of `ChaincodeEventsResponse`, until the node stops.

        The place to start is fixed by the call, not by the first `next`.
        """
        return FeedStream(self.events_feed(request), self._node.notifier)

    def deliver(self, kind: DeliverKind, envelope: bytes, /) -> FeedStream:
        """A signed `common.Envelope` with `SeekInfo` -> `DeliverResponse`s, the last one a status."""
        with answering():
            return FeedStream(self.delivery(kind, envelope), self._node.notifier)

    def events_feed(self, request: bytes) -> ChaincodeEvents:
        """Return the feed behind `chaincode_events`.

        Raises
        ------
        TransportError
            INVALID_ARGUMENT, PERMISSION_DENIED, UNAVAILABLE.
        """
        with answering(FOLLOW):
            signed = _read(gateway_pb2.SignedChaincodeEventsRequest, request)
            if not signed.request:
                raise Refusal(RefusalCode.MALFORMED, "a chaincode events request is required")
            message = _read(gateway_pb2.ChaincodeEventsRequest, signed.request)
            self._check_channel(message.channel_id)
            self._authenticate(CHAINCODE_EVENTS, message.identity, signed.request, signed.signature)
            return ChaincodeEvents(self._node, message)

    def delivery(
        self, kind: DeliverKind | None, envelope: bytes, certificate_hash: bytes | None = None
    ) -> Delivery:
        """Return the feed behind `deliver`; kind None is an orderer's delivery."""
        return Delivery(
            self._node,
            kind,
            envelope,
            private_data=self.private_data,
            certificate_hash=certificate_hash,
        )

    def process_proposal(self, request: bytes, /, mspid: str) -> bytes:
        """`SignedProposal` -> `ProposalResponse`, the answer of one organisation's peer.

        Raises
        ------
        TransportError
            UNKNOWN for a proposal that is malformed, forged, a duplicate or not allowed; UNAVAILABLE; what
            the contract or the peer refuses is told by the response's status.
        """
        try:
            with answering():
                signed = _read(proposal_pb2.SignedProposal, request)
            return proposal_response(self._endorsed(signed, (mspid,)))
        except Refusal as refusal:
            return refused_proposal(self._told_by_a_peer(refusal))

    def broadcast(self, envelope: bytes, /) -> None:
        """Hand an envelope to the orderer, as `submit` does.

        Raises
        ------
        Refusal
            As `EmbeddedNode.submit`.
        """
        self._node.submit(envelope)

    def close(self) -> None:
        """Do nothing: the node belongs to the ledger."""

    def _endorsed(
        self, signed: proposal_pb2.SignedProposal, organisations: tuple[str, ...]
    ) -> common_pb2.Envelope:
        endorse = self._node.endorser.endorse
        return self._asked(signed, lambda: endorse(signed.proposal_bytes, signed.signature, organisations))

    def _asked(self, signed: proposal_pb2.SignedProposal, ask: Callable[[], R]) -> R:
        """Have a proposal executed and tell of it; refuse in a peer's words."""
        begun_s = time.perf_counter()
        try:
            self._node.notifier.check()  # whoever cannot commit may not know what is committed
            answer = ask()
        except Refusal as refusal:
            self.told(signed.proposal_bytes, begun_s, refusal)
            raise self._told_by_a_peer(refusal) from refusal
        self.told(signed.proposal_bytes, begun_s, None)
        return answer

    def _told_by_a_peer(self, refusal: Refusal) -> Refusal:
        """Word the refusal of a caller as a peer does."""
        if refusal.code not in _DENIED:
            return refusal
        denied = "access denied: " if refusal.code is RefusalCode.ACCESS_DENIED else ""
        text = f"error validating proposal: {denied}{refusal.message}"
        answers = refusal.answers or self._node.endorser.answers(text)
        return Refusal(refusal.code, text, tuple(replace(answer, message=text) for answer in answers))

    def _check_channel(self, channel_id: str) -> None:
        if channel_id != self._node.channel.id:
            raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {channel_id[:128]!r} here")

    def _authenticate(self, resource: str, creator: bytes, message: bytes, signature: bytes) -> None:
        try:
            member = self._node.membership.verify(creator, message, signature, self._node.now_s)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error
        self._node.access.check(resource, member)


def _ignore(proposal: bytes, begun_s: float, refusal: Refusal | None) -> None:
    """Nobody counts."""


def commit_reply(outcome: Outcome) -> bytes:
    """Return a serialised `CommitStatusResponse`."""
    reply: bytes = gateway_pb2.CommitStatusResponse(
        result=outcome.code, block_number=outcome.block
    ).SerializeToString()
    return reply


def _read(message_type: type[M], data: bytes) -> M:
    if len(data) > _MAX_REQUEST_BYTES:
        raise Refusal(RefusalCode.MALFORMED, f"a request of {len(data)} bytes")
    try:
        message: M = message_type.FromString(data)
    except DecodeError as error:
        raise Refusal(RefusalCode.MALFORMED, f"not a {message_type.DESCRIPTOR.full_name}") from error
    return message
