"""Proposals: what a client asks the endorsers to execute.

A proposal is Fabric's `protos.Proposal`: the two headers and a payload (arguments, transient data).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from fedpact.wire.errors import WireCode, WireError, check_size, read
from fedpact.wire.headers import HasHeaders, Headers, read_headers, transaction_id

NONCE_BYTES = 24
NO_TRANSIENT: Mapping[str, bytes] = MappingProxyType({})
_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal ready for signing.

    Attributes
    ----------
    transaction_id : hex(sha256(nonce || creator)).
    proposal_bytes : serialised `protos.Proposal`; this is what the creator signs.
    """

    transaction_id: str
    proposal_bytes: bytes


@dataclass(frozen=True, slots=True)
class ParsedProposal(HasHeaders):
    """A proposal as an endorser reads it; syntax and transaction id are checked, the signature is not.

    Attributes
    ----------
    headers : the parsed headers.
    args : the call's arguments, the first one names the transaction.
    transient : data for the endorsers only; it never reaches the ledger.
    payload_visible : serialised `ChaincodeProposalPayload` without transient data, as it goes into the
        envelope and into the proposal hash.
    """

    headers: Headers
    args: tuple[bytes, ...]
    transient: Mapping[str, bytes]
    payload_visible: bytes


def proposal_hash(channel_header: bytes, signature_header: bytes, payload_visible: bytes) -> bytes:
    """Return sha256 over both headers and the visible payload: what an endorsement refers to."""
    digest = hashlib.sha256(channel_header)
    digest.update(signature_header)
    digest.update(payload_visible)
    return digest.digest()


def build_proposal(  # noqa: PLR0913 (the fields of the message, each named at the call)
    creator: bytes,
    *,
    channel_id: str,
    chaincode: str,
    args: Sequence[bytes],
    timestamp_ns: int,
    transient: Mapping[str, bytes] = NO_TRANSIENT,
    nonce: bytes | None = None,
) -> Proposal:
    """Build a proposal.

    Parameters
    ----------
    creator : serialised identity of the client.
    channel_id, chaincode : where it is to be executed.
    args : `contract:transaction`, then the message.
    timestamp_ns : the client's time, nanoseconds since 1970, not negative.
    transient : data for the endorsers only.
    nonce : 24 random bytes; drawn from the operating system unless given.
    """
    nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
    tx_id = transaction_id(nonce, creator)
    chaincode_id = chaincode_pb2.ChaincodeID(name=chaincode)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        tx_id=tx_id,
        channel_id=channel_id,
        extension=proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode_id).SerializeToString(),
    )
    channel_header.timestamp.seconds, channel_header.timestamp.nanos = divmod(timestamp_ns, _S)
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
    )
    spec = chaincode_pb2.ChaincodeInvocationSpec(
        chaincode_spec=chaincode_pb2.ChaincodeSpec(
            chaincode_id=chaincode_id, input=chaincode_pb2.ChaincodeInput(args=args)
        )
    )
    payload = proposal_pb2.ChaincodeProposalPayload(input=spec.SerializeToString(), TransientMap=transient)
    proposal = proposal_pb2.Proposal(
        header=header.SerializeToString(), payload=payload.SerializeToString(deterministic=True)
    )
    return Proposal(tx_id, proposal.SerializeToString())


def parse_proposal(proposal_bytes: bytes) -> ParsedProposal:
    """Parse a proposal and check everything about it that needs no state and no key.

    Raises
    ------
    WireError
        TOO_LARGE, BAD_PROPOSAL, or a code of `read_headers`.
    """
    check_size(proposal_bytes, "proposal")
    proposal = read(proposal_pb2.Proposal, proposal_bytes, WireCode.BAD_PROPOSAL)
    headers = read_headers(read(common_pb2.Header, proposal.header, WireCode.BAD_COMMON_HEADER))
    visible, payload = visible_payload(proposal.payload)
    args = read_arguments(payload.input, headers.chaincode, WireCode.BAD_PROPOSAL)
    return ParsedProposal(headers, args, dict(payload.TransientMap), visible)


def visible_payload(data: bytes) -> tuple[bytes, proposal_pb2.ChaincodeProposalPayload]:
    """Return a proposal's payload as it goes into the envelope, without transient data; and the whole of it.

    Raises
    ------
    WireError
        BAD_PROPOSAL.
    """
    payload = read(proposal_pb2.ChaincodeProposalPayload, data, WireCode.BAD_PROPOSAL)
    if not payload.TransientMap:
        return data, payload
    visible: bytes = proposal_pb2.ChaincodeProposalPayload(input=payload.input).SerializeToString()
    return visible, payload


def read_arguments(invocation: bytes, chaincode: str, code: WireCode) -> tuple[bytes, ...]:
    """Return the arguments of a serialised `ChaincodeInvocationSpec`.

    Raises
    ------
    WireError
        `code`, if it is malformed or names another chaincode than the header.
    """
    spec = read(chaincode_pb2.ChaincodeInvocationSpec, invocation, code).chaincode_spec
    if spec.chaincode_id.name != chaincode:
        raise WireError(code, "header and invocation name different chaincodes")
    return tuple(spec.input.args)
