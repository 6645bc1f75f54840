"""Proposals: what a client asks the endorsers to execute.

A proposal is Fabric's `protos.Proposal`: a header (channel header with transaction id, time, channel and
chaincode; signature header with creator and nonce) and a payload (arguments, transient data). The
transaction id is the hash of nonce and creator, so nobody can claim another's.
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

NONCE_BYTES = 24
NO_TRANSIENT: Mapping[str, bytes] = MappingProxyType({})
_S = 1_000_000_000
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the end of protobuf's Timestamp


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
class Headers:
    """The headers that a proposal and its envelope share.

    Attributes
    ----------
    channel_header, signature_header : serialised, exactly as hashed and signed.
    channel_id, transaction_id, chaincode : names.
    timestamp_ns : the client's time, nanoseconds since 1970.
    creator : serialised `msp.SerializedIdentity` of the client.
    nonce : random bytes behind the transaction id.
    """

    channel_header: bytes
    signature_header: bytes
    channel_id: str
    transaction_id: str
    chaincode: str
    timestamp_ns: int
    creator: bytes
    nonce: bytes


class HasHeaders:
    """Short names for what the headers of a proposal or a transaction say."""

    __slots__ = ()
    headers: Headers

    @property
    def channel_id(self) -> str:
        """The channel it is for."""
        return self.headers.channel_id

    @property
    def transaction_id(self) -> str:
        """The transaction's id, hex."""
        return self.headers.transaction_id

    @property
    def timestamp_ns(self) -> int:
        """The client's time, nanoseconds since 1970."""
        return self.headers.timestamp_ns

    @property
    def creator(self) -> bytes:
        """Serialised identity of the client."""
        return self.headers.creator

    @property
    def nonce(self) -> bytes:
        """Random bytes behind the transaction id."""
        return self.headers.nonce

    @property
    def chaincode(self) -> str:
        """Name of the chaincode that is called."""
        return self.headers.chaincode


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


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """Return hex(sha256(nonce || creator))."""
    return hashlib.sha256(nonce + creator).hexdigest()


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
        TOO_LARGE, BAD_PROPOSAL, or a header code of `read_headers`.
    """
    check_size(proposal_bytes, "proposal")
    proposal = read(proposal_pb2.Proposal, proposal_bytes, WireCode.BAD_PROPOSAL)
    headers = read_headers(read(common_pb2.Header, proposal.header, WireCode.BAD_COMMON_HEADER))
    raw: bytes = proposal.payload
    payload = read(proposal_pb2.ChaincodeProposalPayload, raw, WireCode.BAD_PROPOSAL)
    transient = dict(payload.TransientMap)
    visible: bytes = (
        proposal_pb2.ChaincodeProposalPayload(input=payload.input).SerializeToString() if transient else raw
    )
    args = read_arguments(payload.input, headers.chaincode, WireCode.BAD_PROPOSAL)
    return ParsedProposal(headers, args, transient, visible)


def read_headers(header: common_pb2.Header) -> Headers:
    """Check the two headers of a proposal or an envelope.

    Raises
    ------
    WireError
        BAD_COMMON_HEADER, BAD_CHANNEL_HEADER, BAD_HEADER_EXTENSION, BAD_PROPOSAL_TXID; UNKNOWN_TX_TYPE for
        anything but an endorser transaction.
    """
    channel = read(common_pb2.ChannelHeader, header.channel_header, WireCode.BAD_CHANNEL_HEADER)
    signature = read(common_pb2.SignatureHeader, header.signature_header, WireCode.BAD_COMMON_HEADER)
    if channel.type != common_pb2.ENDORSER_TRANSACTION:
        raise WireError(WireCode.UNKNOWN_TX_TYPE, f"header type {channel.type}")
    if channel.epoch or not channel.channel_id:
        raise WireError(WireCode.BAD_CHANNEL_HEADER, "no channel, or an epoch")
    if not signature.creator or not signature.nonce:
        raise WireError(WireCode.BAD_COMMON_HEADER, "no creator or no nonce")
    tx_id = channel.tx_id
    if tx_id != transaction_id(signature.nonce, signature.creator):
        raise WireError(WireCode.BAD_PROPOSAL_TXID, "the transaction id is not the hash of nonce and creator")
    extension = read(proposal_pb2.ChaincodeHeaderExtension, channel.extension, WireCode.BAD_HEADER_EXTENSION)
    chaincode = extension.chaincode_id.name
    if not chaincode:
        raise WireError(WireCode.BAD_HEADER_EXTENSION, "no chaincode is named")
    return Headers(
        header.channel_header,
        header.signature_header,
        channel.channel_id,
        tx_id,
        chaincode,
        _timestamp_ns(channel),
        signature.creator,
        signature.nonce,
    )


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


def _timestamp_ns(channel: common_pb2.ChannelHeader) -> int:
    seconds: int = channel.timestamp.seconds
    nanos: int = channel.timestamp.nanos
    if not channel.HasField("timestamp") or not 0 <= seconds <= _LAST_SECOND or not 0 <= nanos < _S:
        raise WireError(WireCode.BAD_CHANNEL_HEADER, "no timestamp, or not one between 1970 and 9999")
    return seconds * _S + nanos
