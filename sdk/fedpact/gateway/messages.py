"""Requests and replies of Fabric's gateway service as pure functions over bytes: no socket, clock or key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2
from google.protobuf.message import DecodeError, Message

from fedpact.gateway.transport import Status, TransportError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.errors import WireError
from fedpact.wire.prepared import PreparedTransaction, read_answer

M = TypeVar("M", bound=Message)

REFUSED = 400
"""Chaincode response statuses from here on are refusals."""


@dataclass(frozen=True, slots=True)
class SignedProposal:
    """A proposal and its creator's signature.

    Attributes
    ----------
    transaction_id : its id.
    channel_id : the channel it is for.
    proposal_bytes : what is signed.
    signature : by the creator.
    organisations : MSP ids of the organisations that must execute it; empty leaves the choice to the gateway.
    """

    transaction_id: str
    channel_id: str
    proposal_bytes: bytes
    signature: bytes = b""
    organisations: tuple[str, ...] = ()

    def message(self) -> proposal_pb2.SignedProposal:
        """Return Fabric's message."""
        return proposal_pb2.SignedProposal(proposal_bytes=self.proposal_bytes, signature=self.signature)


class CommitStatus(NamedTuple):
    """The ledger's verdict on a transaction and the block it is in."""

    code: ValidationCode
    block_number: int

    @property
    def valid(self) -> bool:
        """Whether its writes are in the state."""
        return self.code is ValidationCode.VALID


def evaluate_request(proposal: SignedProposal) -> bytes:
    """Encode an `EvaluateRequest`."""
    request: bytes = gateway_pb2.EvaluateRequest(
        transaction_id=proposal.transaction_id,
        channel_id=proposal.channel_id,
        proposed_transaction=proposal.message(),
        target_organizations=proposal.organisations,
    ).SerializeToString()
    return request


def evaluate_reply(reply: bytes) -> bytes:
    """Return the payload of an `EvaluateResponse`.

    Raises
    ------
    TransportError
        UNKNOWN for a refusal, INTERNAL for a malformed reply.
    """
    result = read_reply(gateway_pb2.EvaluateResponse, reply).result
    if result.status >= REFUSED:
        raise TransportError(Status.UNKNOWN, result.message)
    payload: bytes = result.payload
    return payload


def endorse_request(proposal: SignedProposal) -> bytes:
    """Encode an `EndorseRequest`."""
    request: bytes = gateway_pb2.EndorseRequest(
        transaction_id=proposal.transaction_id,
        channel_id=proposal.channel_id,
        proposed_transaction=proposal.message(),
        endorsing_organizations=proposal.organisations,
    ).SerializeToString()
    return request


def endorse_reply(reply: bytes, proposal: SignedProposal) -> PreparedTransaction:
    """Return the prepared transaction of an `EndorseResponse`, once it is certain to be that of the proposal.

    Raises
    ------
    TransportError
        INTERNAL for a malformed reply or another transaction, UNKNOWN for a result with a refusing status.
    """
    payload: bytes = read_reply(gateway_pb2.EndorseResponse, reply).prepared_transaction.payload
    try:
        response = read_answer(payload, proposal.proposal_bytes)
    except WireError as error:
        raise TransportError(Status.INTERNAL, f"the gateway prepared no transaction: {error}") from error
    if response.status >= REFUSED:
        raise TransportError(Status.UNKNOWN, response.message)
    return PreparedTransaction(proposal.transaction_id, proposal.channel_id, payload, response)


def submit_request(transaction: PreparedTransaction, signature: bytes) -> bytes:
    """Encode a `SubmitRequest`."""
    request: bytes = gateway_pb2.SubmitRequest(
        transaction_id=transaction.transaction_id,
        channel_id=transaction.channel_id,
        prepared_transaction=common_pb2.Envelope(payload=transaction.payload, signature=signature),
    ).SerializeToString()
    return request


def submit_reply(reply: bytes) -> None:
    """Check a `SubmitResponse`."""
    read_reply(gateway_pb2.SubmitResponse, reply)


def commit_status_request(transaction_id: str, channel_id: str, identity: bytes) -> bytes:
    """Encode the `CommitStatusRequest` that the client signs."""
    request: bytes = gateway_pb2.CommitStatusRequest(
        transaction_id=transaction_id, channel_id=channel_id, identity=identity
    ).SerializeToString()
    return request


def signed_commit_status_request(request: bytes, signature: bytes) -> bytes:
    """Encode a `SignedCommitStatusRequest`."""
    signed: bytes = gateway_pb2.SignedCommitStatusRequest(
        request=request, signature=signature
    ).SerializeToString()
    return signed


def commit_status_reply(reply: bytes) -> CommitStatus:
    """Parse a `CommitStatusResponse`; raise `TransportError` INTERNAL for a malformed one."""
    status = read_reply(gateway_pb2.CommitStatusResponse, reply)
    try:
        return CommitStatus(ValidationCode(status.result), status.block_number)
    except ValueError as error:
        raise TransportError(Status.INTERNAL, f"unknown validation code {status.result}") from error


def read_reply(message_type: type[M], reply: bytes) -> M:
    """Parse a reply; raise `TransportError` INTERNAL for a malformed one."""
    try:
        message: M = message_type.FromString(reply)
    except DecodeError as error:
        name = message_type.DESCRIPTOR.full_name
        raise TransportError(Status.INTERNAL, f"not a {name}") from error
    return message
