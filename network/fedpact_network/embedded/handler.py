"""Fabric's Gateway service over serialised messages: what a transport calls, whatever carries it.

Statuses are a Fabric peer's: ABORTED for a failed endorsement and UNKNOWN for a failed query, each with
the peer's answer in an `ErrorDetail`; FAILED_PRECONDITION for an unknown chaincode, NOT_FOUND for another
channel.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TypeVar

from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_response_pb2
from google.protobuf.message import DecodeError, Message

from fedpact.gateway.transport import Status, TransportError
from fedpact.identity import IdentityError
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.events import chaincode_events
from fedpact_network.embedded.node import EmbeddedNode
from fedpact_network.embedded.notifier import Outcome

log = logging.getLogger(__name__)
M = TypeVar("M", bound=Message)

STATUSES: Mapping[RefusalCode, Status] = MappingProxyType(
    {
        RefusalCode.MALFORMED: Status.INVALID_ARGUMENT,
        RefusalCode.UNKNOWN_CHANNEL: Status.NOT_FOUND,
        RefusalCode.UNKNOWN_CHAINCODE: Status.FAILED_PRECONDITION,
        RefusalCode.ACCESS_DENIED: Status.PERMISSION_DENIED,
        RefusalCode.CLOCK_OFF: Status.INVALID_ARGUMENT,
        RefusalCode.DUPLICATE: Status.ALREADY_EXISTS,
        RefusalCode.TOO_LARGE: Status.INVALID_ARGUMENT,
        RefusalCode.NO_ENDORSERS: Status.FAILED_PRECONDITION,
        RefusalCode.CONTRACT_REFUSED: Status.UNKNOWN,
        RefusalCode.NOT_COMMITTED_YET: Status.DEADLINE_EXCEEDED,
        RefusalCode.OVERLOADED: Status.RESOURCE_EXHAUSTED,
        RefusalCode.STOPPED: Status.UNAVAILABLE,
    }
)
"""What each refusal is called in gRPC."""

_FAILED = (Status.ABORTED, "failed to endorse transaction, see attached details for more info")
_ENDORSING: Mapping[RefusalCode, tuple[Status, str]] = MappingProxyType(
    {
        RefusalCode.CONTRACT_REFUSED: _FAILED,
        RefusalCode.DUPLICATE: _FAILED,
        RefusalCode.TOO_LARGE: _FAILED,
    }
)
_EVALUATING: Mapping[RefusalCode, tuple[Status, str]] = MappingProxyType({})
_MAX_REQUEST_BYTES = 100 << 20


class GatewayHandler:
    """A `fedpact.gateway.Transport` straight into a node.

    Parameters
    ----------
    node : who answers. It outlives its handlers.
    """

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`EvaluateRequest` -> `EvaluateResponse`. The call ends when the contract does."""
        with answering(_EVALUATING):
            message = _read(gateway_pb2.EvaluateRequest, request)
            self._check_channel(message.channel_id)
            signed = message.proposed_transaction
            try:
                result = self._node.endorser.evaluate(signed.proposal_bytes, signed.signature)
            except Refusal as refusal:
                if refusal.code is RefusalCode.CONTRACT_REFUSED:
                    text = f"evaluate call to endorser returned error: {refusal.message}"
                    raise Refusal(refusal.code, text, refusal.answers) from refusal
                raise
            response = proposal_response_pb2.Response(
                status=result.status, message=result.message, payload=result.payload
            )
            reply: bytes = gateway_pb2.EvaluateResponse(result=response).SerializeToString()
            return reply

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`EndorseRequest` -> `EndorseResponse` with the unsigned envelope."""
        with answering(_ENDORSING):
            message = _read(gateway_pb2.EndorseRequest, request)
            self._check_channel(message.channel_id)
            signed = message.proposed_transaction
            envelope = self._node.endorser.endorse(
                signed.proposal_bytes, signed.signature, tuple(message.endorsing_organizations)
            )
            reply: bytes = gateway_pb2.EndorseResponse(prepared_transaction=envelope).SerializeToString()
            return reply

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`SubmitRequest` -> `SubmitResponse`; it is ordered, its outcome is asked for by `commit_status`."""
        with answering():
            message = _read(gateway_pb2.SubmitRequest, request)
            self._check_channel(message.channel_id)
            if not message.prepared_transaction.signature:
                raise Refusal(RefusalCode.MALFORMED, "the prepared transaction must be signed")
            self._node.submit(message.prepared_transaction.SerializeToString())
            return b""

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        """`SignedCommitStatusRequest` -> `CommitStatusResponse`, as soon as the block is committed."""
        with answering():
            return commit_reply(self._node.outcome(self.asked_commit(request), timeout_s))

    def asked_commit(self, request: bytes) -> str:
        """Return the transaction id that a `SignedCommitStatusRequest` asks for, once its signature is checked.

        Raises
        ------
        Refusal
            MALFORMED, UNKNOWN_CHANNEL, ACCESS_DENIED.
        """
        signed = _read(gateway_pb2.SignedCommitStatusRequest, request)
        message = _read(gateway_pb2.CommitStatusRequest, signed.request)
        self._check_channel(message.channel_id)
        self._authenticate(message.identity, signed.request, signed.signature)
        return str(message.transaction_id)

    def chaincode_events(self, request: bytes, /) -> Iterator[bytes]:
        """`SignedChaincodeEventsRequest` -> a stream of `ChaincodeEventsResponse`, until the node stops.

        The place to start is fixed by the call, not by the first `next`.
        """
        with answering():
            signed = _read(gateway_pb2.SignedChaincodeEventsRequest, request)
            message = _read(gateway_pb2.ChaincodeEventsRequest, signed.request)
            self._check_channel(message.channel_id)
            self._authenticate(message.identity, signed.request, signed.signature)
            stream = chaincode_events(self._node, message)
        return _streaming(stream)

    def close(self) -> None:
        """Do nothing: the node belongs to the ledger."""

    def _check_channel(self, channel_id: str) -> None:
        if channel_id != self._node.config.channel_id:
            raise Refusal(RefusalCode.UNKNOWN_CHANNEL, f"no channel {channel_id[:128]!r} here")

    def _authenticate(self, creator: bytes, message: bytes, signature: bytes) -> None:
        try:
            self._node.membership.verify(creator, message, signature, self._node.now_s)
        except IdentityError as error:
            raise Refusal(RefusalCode.ACCESS_DENIED, str(error)) from error


@contextmanager
def answering(
    special: Mapping[RefusalCode, tuple[Status, str]] = _EVALUATING,
) -> Iterator[None]:
    """Turn refusals, and whatever should not happen, into `TransportError`."""
    try:
        yield
    except Refusal as refusal:
        status, text = special.get(refusal.code, (STATUSES[refusal.code], refusal.message))
        raise TransportError(status, text, refusal.answers) from refusal
    except TransportError:
        raise
    except Exception as error:
        log.exception("a call failed inside the node")
        raise TransportError(Status.INTERNAL, f"the node failed: {type(error).__name__}") from error


def commit_reply(outcome: Outcome) -> bytes:
    """Return a serialised `CommitStatusResponse`."""
    reply: bytes = gateway_pb2.CommitStatusResponse(
        result=outcome.code, block_number=outcome.block
    ).SerializeToString()
    return reply


def _streaming(stream: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        with answering():
            reply = next(stream, None)
        if reply is None:
            return
        yield reply


def _read(message_type: type[M], data: bytes) -> M:
    if len(data) > _MAX_REQUEST_BYTES:
        raise Refusal(RefusalCode.MALFORMED, f"a request of {len(data)} bytes")
    try:
        message: M = message_type.FromString(data)
    except DecodeError as error:
        raise Refusal(RefusalCode.MALFORMED, f"not a {message_type.DESCRIPTOR.full_name}") from error
    return message
