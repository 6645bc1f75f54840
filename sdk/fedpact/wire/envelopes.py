"""Envelopes: an endorsed transaction as it is ordered, stored and audited.

    Envelope{payload, signature}                             the client signs payload
      Payload{header, data}
        Transaction{actions: exactly one}
          ChaincodeActionPayload{payload_visible, action}
            ChaincodeEndorsedAction{prp, endorsements}       each endorser signs prp || endorser
              ProposalResponsePayload{proposal_hash, extension}
                ChaincodeAction{results (read/write set), events, response, chaincode_id}

Nothing here checks a signature: `endorse_message` and `ParsedTransaction` give the exact bytes for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from fedpact.wire.errors import WireCode, WireError, check_size, read
from fedpact.wire.headers import HasHeaders, Headers, read_headers
from fedpact.wire.proposals import ParsedProposal, proposal_hash, read_arguments
from fedpact.wire.rwsets import NamespaceRwset, decode


class Response(NamedTuple):
    """What the chaincode answered: HTTP-like status (200 ok, >= 400 refused), message, payload."""

    status: int
    message: str = ""
    payload: bytes = b""


class Event(NamedTuple):
    """The transaction's one event."""

    name: str
    payload: bytes


class Endorsement(NamedTuple):
    """An endorser's serialised identity and its signature over `endorse_message(prp, endorser)`."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ParsedTransaction(HasHeaders):
    """An envelope, parsed once; well-formed, but no signature, policy or version is checked yet.

    Attributes
    ----------
    headers : channel, transaction id, time, creator, nonce.
    payload : serialised `common.Payload`: what the creator signed.
    signature : the creator's signature over `payload`.
    args : the call's arguments.
    proposal_hash_ok : whether the endorsements refer to exactly these headers and arguments.
    prp : serialised `ProposalResponsePayload`: what the endorsers signed (with their identity after it).
    endorsements : in the order of the envelope.
    rwset : reads and writes by namespace.
    response : what the chaincode answered.
    event : the event, if any.
    chaincode_version : the version the endorsers executed.
    """

    headers: Headers
    payload: bytes
    signature: bytes
    args: tuple[bytes, ...]
    proposal_hash_ok: bool
    prp: bytes
    endorsements: tuple[Endorsement, ...]
    rwset: tuple[NamespaceRwset, ...]
    response: Response
    event: Event | None
    chaincode_version: str


def response_payload(
    proposal: ParsedProposal,
    rwset: bytes,
    response: Response,
    *,
    event: Event | None = None,
    version: str = "1",
) -> bytes:
    """Build the `ProposalResponsePayload` (prp) that every endorser of a proposal signs.

    Parameters
    ----------
    proposal : what was executed.
    rwset : the encoded read/write set.
    response : what the chaincode answered.
    event : the event it published.
    version : version of the chaincode's definition.
    """
    action = proposal_pb2.ChaincodeAction(
        results=rwset,
        response=proposal_response_pb2.Response(
            status=response.status, message=response.message, payload=response.payload
        ),
        chaincode_id=chaincode_pb2.ChaincodeID(name=proposal.chaincode, version=version),
    )
    if event is not None:
        action.events = chaincode_event_pb2.ChaincodeEvent(
            chaincode_id=proposal.chaincode,
            tx_id=proposal.transaction_id,
            event_name=event.name,
            payload=event.payload,
        ).SerializeToString()
    headers = proposal.headers
    digest = proposal_hash(headers.channel_header, headers.signature_header, proposal.payload_visible)
    prp: bytes = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=digest, extension=action.SerializeToString()
    ).SerializeToString()
    return prp


def endorse_message(prp: bytes, endorser: bytes) -> bytes:
    """Return what an endorser signs: prp || its serialised identity."""
    return prp + endorser


def assemble(
    proposal: ParsedProposal, prp: bytes, endorsements: Iterable[Endorsement]
) -> common_pb2.Envelope:
    """Put an endorsed transaction together; the creator's signature is still to be set."""
    headers = proposal.headers
    action = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposal.payload_visible,
        action=transaction_pb2.ChaincodeEndorsedAction(
            proposal_response_payload=prp,
            endorsements=[
                proposal_response_pb2.Endorsement(endorser=endorser, signature=signature)
                for endorser, signature in endorsements
            ],
        ),
    )
    transaction = transaction_pb2.Transaction(
        actions=[
            transaction_pb2.TransactionAction(
                header=headers.signature_header, payload=action.SerializeToString()
            )
        ]
    )
    header = common_pb2.Header(
        channel_header=headers.channel_header, signature_header=headers.signature_header
    )
    payload = common_pb2.Payload(header=header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=payload.SerializeToString())


def parse_envelope(data: bytes) -> ParsedTransaction:
    """Parse an endorser transaction; each message in it is parsed once.

    Parameters
    ----------
    data : serialised `common.Envelope`.

    Raises
    ------
    WireError
        With a `WireCode`; `ValidationCode.of` (wire.commits) names the validation code for it.
    """
    check_size(data, "envelope")
    if not data:
        raise WireError(WireCode.NIL_ENVELOPE, "no envelope")
    envelope = read(common_pb2.Envelope, data, WireCode.INVALID_ENDORSER_TRANSACTION)
    if envelope.SerializeToString() != data:  # two in one, of which the last one would count
        raise WireError(WireCode.INVALID_ENDORSER_TRANSACTION, "not exactly one envelope")
    payload_bytes: bytes = envelope.payload
    payload = read(common_pb2.Payload, payload_bytes, WireCode.BAD_PAYLOAD)
    headers = read_headers(payload.header)
    capsule = _only_action(payload.data, headers)
    visible: bytes = capsule.chaincode_proposal_payload
    invocation = read(proposal_pb2.ChaincodeProposalPayload, visible, WireCode.BAD_PAYLOAD).input
    args = read_arguments(invocation, headers.chaincode, WireCode.INVALID_CHAINCODE)
    endorsed = capsule.action
    prp_bytes: bytes = endorsed.proposal_response_payload
    prp = read(proposal_response_pb2.ProposalResponsePayload, prp_bytes, WireCode.BAD_RESPONSE_PAYLOAD)
    action = read(proposal_pb2.ChaincodeAction, prp.extension, WireCode.BAD_RESPONSE_PAYLOAD)
    if action.chaincode_id.name != headers.chaincode:
        raise WireError(WireCode.INVALID_CHAINCODE, "header and result name different chaincodes")
    response = action.response
    digest = proposal_hash(headers.channel_header, headers.signature_header, visible)
    return ParsedTransaction(
        headers,
        payload_bytes,
        envelope.signature,
        args,
        digest == prp.proposal_hash,
        prp_bytes,
        tuple([Endorsement(item.endorser, item.signature) for item in endorsed.endorsements]),
        decode(action.results),
        Response(response.status, response.message, response.payload),
        _read_event(action.events, headers),
        action.chaincode_id.version,
    )


def _only_action(data: bytes, headers: Headers) -> transaction_pb2.ChaincodeActionPayload:
    actions = read(transaction_pb2.Transaction, data, WireCode.BAD_PAYLOAD).actions
    if not actions:
        raise WireError(WireCode.NIL_TXACTION, "no action")
    if len(actions) > 1:
        raise WireError(WireCode.INVALID_ENDORSER_TRANSACTION, "more than one action")
    action = actions[0]
    if action.header != headers.signature_header:
        raise WireError(WireCode.INVALID_ENDORSER_TRANSACTION, "the action has another signature header")
    return read(transaction_pb2.ChaincodeActionPayload, action.payload, WireCode.BAD_PAYLOAD)


def _read_event(data: bytes, headers: Headers) -> Event | None:
    if not data:
        return None
    event = read(chaincode_event_pb2.ChaincodeEvent, data, WireCode.BAD_EVENT)
    if event.tx_id != headers.transaction_id or event.chaincode_id != headers.chaincode:
        raise WireError(WireCode.BAD_EVENT, "the event belongs to another transaction or chaincode")
    return Event(event.event_name, event.payload)
