"""Stages as bytes, to be kept, handed over and signed elsewhere: the official gateway's three messages."""

from __future__ import annotations

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2

from fedpact.gateway.messages import SignedProposal
from fedpact.wire.envelopes import Response, parse_envelope
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.headers import transaction_id
from fedpact.wire.prepared import PreparedTransaction
from fedpact.wire.proposals import parse_proposal


def write_proposal(proposal: SignedProposal) -> bytes:
    """Encode a `ProposedTransaction`."""
    data: bytes = gateway_pb2.ProposedTransaction(
        transaction_id=proposal.transaction_id,
        proposal=proposal.message(),
        endorsing_organizations=proposal.organisations,
    ).SerializeToString()
    return data


def read_proposal(data: bytes, signature: bytes) -> SignedProposal:
    """Parse a `ProposedTransaction` and put a signature on it.

    Raises
    ------
    WireError
        If it is malformed.
    """
    proposed = read(gateway_pb2.ProposedTransaction, data, WireCode.BAD_PROPOSAL)
    message: bytes = proposed.proposal.proposal_bytes
    parsed = parse_proposal(message)
    organisations = tuple(proposed.endorsing_organizations)
    return SignedProposal(parsed.transaction_id, parsed.channel_id, message, signature, organisations)


def write_transaction(transaction_id: str, payload: bytes, signature: bytes) -> bytes:
    """Encode a `PreparedTransaction`."""
    envelope = common_pb2.Envelope(payload=payload, signature=signature)
    data: bytes = gateway_pb2.PreparedTransaction(
        transaction_id=transaction_id, envelope=envelope
    ).SerializeToString()
    return data


def read_transaction(data: bytes) -> PreparedTransaction:
    """Parse a `PreparedTransaction`: of a contract, or the update of a configuration.

    Raises
    ------
    WireError
        If it is malformed.
    """
    prepared = read(gateway_pb2.PreparedTransaction, data, WireCode.INVALID_ENDORSER_TRANSACTION)
    envelope = prepared.envelope.SerializeToString()
    try:
        return prepared_update(envelope)
    except WireError:
        return PreparedTransaction.of(parse_envelope(envelope))


def prepared_update(envelope: bytes) -> PreparedTransaction:
    """Take what a creator needs from a CONFIG_UPDATE envelope; there is no answer of a chaincode.

    Raises
    ------
    WireError
        If it is malformed, or another envelope.
    """
    opened = read(common_pb2.Envelope, envelope, WireCode.BAD_PAYLOAD)
    payload = read(common_pb2.Payload, opened.payload, WireCode.BAD_PAYLOAD)
    channel = read(common_pb2.ChannelHeader, payload.header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    creator = read(common_pb2.SignatureHeader, payload.header.signature_header, WireCode.BAD_COMMON_HEADER)
    if channel.type != common_pb2.CONFIG_UPDATE:
        raise WireError(WireCode.UNKNOWN_TX_TYPE, f"header type {channel.type}")
    return PreparedTransaction(
        transaction_id(creator.nonce, creator.creator),
        channel.channel_id,
        opened.payload,
        Response(200),
        opened.signature,
    )


def read_transaction_id(data: bytes) -> str:
    """Return the transaction that a `SignedCommitStatusRequest` asks for.

    Raises
    ------
    WireError
        If it is malformed.
    """
    signed = read(gateway_pb2.SignedCommitStatusRequest, data, WireCode.BAD_STATUS_REQUEST)
    asked = read(gateway_pb2.CommitStatusRequest, signed.request, WireCode.BAD_STATUS_REQUEST)
    transaction_id: str = asked.transaction_id
    return transaction_id
