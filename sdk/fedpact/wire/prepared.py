"""An endorsed transaction as its creator sees it, before signing: is it mine, and what was the answer?

A gateway is not trusted with the client's signature. What it prepared must have exactly the headers and the
payload of the proposal, transient data left out, and the endorsements must refer to exactly these. Read and
write set are the endorsers' matter: the client cannot judge them, and the committer parses them anyway.
"""

from __future__ import annotations

from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact.wire.envelopes import ParsedTransaction, Response
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.proposals import proposal_hash, visible_payload


class PreparedTransaction(NamedTuple):
    """A transaction to be signed and submitted.

    Attributes
    ----------
    transaction_id, channel_id : as proposed.
    payload : serialised `common.Payload`: what the creator signs.
    response : what the chaincode answered.
    signature : the creator's; empty before it is made.
    """

    transaction_id: str
    channel_id: str
    payload: bytes
    response: Response
    signature: bytes = b""

    @classmethod
    def of(cls, transaction: ParsedTransaction) -> PreparedTransaction:
        """Take what a creator needs from a completely parsed transaction."""
        return cls(
            transaction.transaction_id,
            transaction.channel_id,
            transaction.payload,
            transaction.response,
            transaction.signature,
        )


def read_answer(payload_bytes: bytes, proposal_bytes: bytes) -> Response:
    """Return the chaincode's answer to a proposal, once the prepared transaction is certain to be that of it.

    Parameters
    ----------
    payload_bytes : serialised `common.Payload` of the prepared envelope.
    proposal_bytes : serialised `protos.Proposal`, as it was sent.

    Raises
    ------
    WireError
        INVALID_ENDORSER_TRANSACTION for another transaction than was proposed; BAD_PAYLOAD, NIL_TXACTION and
        BAD_RESPONSE_PAYLOAD for malformed ones.
    """
    proposal = read(proposal_pb2.Proposal, proposal_bytes, WireCode.BAD_PROPOSAL)
    header = read(common_pb2.Header, proposal.header, WireCode.BAD_PROPOSAL)
    payload = read(common_pb2.Payload, payload_bytes, WireCode.BAD_PAYLOAD)
    actions = read(transaction_pb2.Transaction, payload.data, WireCode.BAD_PAYLOAD).actions
    if not actions:
        raise WireError(WireCode.NIL_TXACTION, "no action")
    capsule = read(transaction_pb2.ChaincodeActionPayload, actions[0].payload, WireCode.BAD_PAYLOAD)
    result = read(
        proposal_response_pb2.ProposalResponsePayload,
        capsule.action.proposal_response_payload,
        WireCode.BAD_RESPONSE_PAYLOAD,
    )
    visible, _ = visible_payload(proposal.payload)
    mine = (
        len(actions) == 1
        and payload.header == header
        and actions[0].header == header.signature_header
        and capsule.chaincode_proposal_payload == visible
        and result.proposal_hash == proposal_hash(header.channel_header, header.signature_header, visible)
    )
    if not mine:
        raise WireError(WireCode.INVALID_ENDORSER_TRANSACTION, "another transaction than was proposed")
    action = read(proposal_pb2.ChaincodeAction, result.extension, WireCode.BAD_RESPONSE_PAYLOAD)
    response = action.response
    return Response(response.status, response.message, response.payload)
