"""What a single peer answers to a proposal: `ProposalResponse`s."""

from __future__ import annotations

import re

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact.gateway.transport import Status, TransportError
from fedpact_network.embedded.errors import Refusal, RefusalCode

_PEER_FAILED = 500
_REFUSAL = re.compile(r"chaincode response (\d+), (.*)", re.DOTALL)
_NO_ANSWER = frozenset(
    {
        RefusalCode.ACCESS_DENIED,
        RefusalCode.CLOCK_OFF,
        RefusalCode.DUPLICATE,
        RefusalCode.MALFORMED,
        RefusalCode.POLICY_UNSATISFIED,
    }
)


def proposal_response(envelope: common_pb2.Envelope) -> bytes:
    """Take the one endorsement out of an envelope that was made of it."""
    data = common_pb2.Payload.FromString(envelope.payload).data
    action = transaction_pb2.Transaction.FromString(data).actions[0]
    endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
    prp = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
    reply: bytes = proposal_response_pb2.ProposalResponse(
        version=1,
        response=proposal_pb2.ChaincodeAction.FromString(prp.extension).response,
        payload=endorsed.proposal_response_payload,
        endorsement=endorsed.endorsements[0],
    ).SerializeToString()
    return reply


def refused_proposal(refusal: Refusal) -> bytes:
    """Answer as a peer whose contract, or who itself, refuses; raise what is no answer of a peer."""
    if refusal.code in _NO_ANSWER:
        raise TransportError(Status.UNKNOWN, refusal.message)
    if refusal.code is RefusalCode.STOPPED:
        raise TransportError(Status.UNAVAILABLE, refusal.message)
    status, text = _PEER_FAILED, refusal.message
    refused = _REFUSAL.fullmatch(refusal.message)
    if refusal.code is RefusalCode.CONTRACT_REFUSED and refused is not None:
        status, text = int(refused[1]), refused[2]
    response = proposal_response_pb2.Response(status=status, message=text)
    reply: bytes = proposal_response_pb2.ProposalResponse(response=response).SerializeToString()
    return reply
