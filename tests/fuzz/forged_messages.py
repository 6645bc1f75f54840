"""Valid signed messages for every door of a node, each of which can be damaged in one chosen layer.

What lies outside the damaged layer is made anew from the damaged bytes: hashes, the transaction's id and the
signatures of real members and peers. A damage in the read/write set therefore arrives properly endorsed and
signed, and gets as far as the committer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer import transaction_pb2 as tx_pb2
from google.protobuf.message import DecodeError
from tests.fuzz.choices import Choices
from tests.fuzz.wire_mutations import mutate

from fedpact.identity import Identity
from fedpact.wire.rwsets import Version

PROPOSAL_LAYERS = (
    "argument",
    "spec",
    "proposal payload",
    "extension",
    "channel header",
    "signature header",
    "header",
    "proposal",
    "signature",
    "signed proposal",
    "request",
)
ENVELOPE_LAYERS = (
    "argument",
    "spec",
    "proposal payload",
    "extension",
    "channel header",
    "signature header",
    "kv rwset",
    "kv rwset",
    "kv rwset",
    "rwset",
    "event",
    "chaincode action",
    "proposal response",
    "endorsement",
    "endorsed action",
    "action payload",
    "transaction",
    "header",
    "payload",
    "signature",
    "envelope",
    "request",
)
SEEK_LAYERS = ("channel header", "signature header", "seek", "seek", "payload", "signature", "envelope")


@dataclass
class Damage:
    """Where a message is damaged: `at` is called with the bytes of every layer while the message is made."""

    choices: Choices
    layer: str = ""
    done: bool = False

    def at(self, layer: str, data: bytes) -> bytes:
        if layer != self.layer or self.done:
            return data
        self.done = True
        return mutate(data, self.choices)


@dataclass(frozen=True)
class Call:
    """What is called: the defaults are a transaction that the endorsing peer would accept."""

    channel: str
    chaincode: str
    args: tuple[bytes, ...]
    timestamp_ns: int
    version: str = "1"
    nonce: bytes = field(default_factory=lambda: os.urandom(24))
    transient: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Headers:
    """The parts that a proposal and its envelope share."""

    channel: bytes
    signature: bytes
    visible: bytes
    tx_id: str


def headers(call: Call, creator: Identity, damage: Damage) -> Headers:
    args = [damage.at("argument", arg) if arg.startswith(b"{") else arg for arg in call.args]
    chaincode = chaincode_pb2.ChaincodeID(name=call.chaincode)
    spec = chaincode_pb2.ChaincodeSpec(chaincode_id=chaincode, input=chaincode_pb2.ChaincodeInput(args=args))
    invocation = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=damage.at("spec", invocation), TransientMap=dict(call.transient)
    ).SerializeToString(deterministic=True)
    signature = damage.at(
        "signature header",
        common_pb2.SignatureHeader(creator=creator.creator, nonce=call.nonce).SerializeToString(),
    )
    tx_id = transaction_id(signature)
    extension = proposal_pb2.ChaincodeHeaderExtension(chaincode_id=chaincode).SerializeToString()
    channel = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        tx_id=tx_id,
        channel_id=call.channel,
        extension=damage.at("extension", extension),
    )
    channel.timestamp.seconds, channel.timestamp.nanos = divmod(call.timestamp_ns, 10**9)
    return Headers(
        damage.at("channel header", channel.SerializeToString()),
        signature,
        damage.at("proposal payload", payload),
        tx_id,
    )


def transaction_id(signature_header: bytes) -> str:
    """Return the id that belongs to a signature header, damaged or not."""
    try:
        parsed = common_pb2.SignatureHeader.FromString(signature_header)
    except DecodeError:
        return "0" * 64
    return hashlib.sha256(parsed.nonce + parsed.creator).hexdigest()


def signed_proposal(call: Call, creator: Identity, damage: Damage) -> tuple[str, bytes]:
    """Return a transaction's id and a serialised `SignedProposal`."""
    made = headers(call, creator, damage)
    header = common_pb2.Header(channel_header=made.channel, signature_header=made.signature)
    proposal = damage.at(
        "proposal",
        proposal_pb2.Proposal(
            header=damage.at("header", header.SerializeToString()), payload=made.visible
        ).SerializeToString(),
    )
    signature = damage.at("signature", creator.sign(proposal))
    signed = proposal_pb2.SignedProposal(proposal_bytes=proposal, signature=signature)
    return made.tx_id, damage.at("signed proposal", signed.SerializeToString())


def read_write_set(reads: dict[str, Version | None], writes: dict[str, bytes]) -> bytes:
    """Serialise a `KVRWSet` with a range query over what is read."""
    kv_reads = [
        kv_rwset_pb2.KVRead(
            key=key,
            version=None if at is None else kv_rwset_pb2.Version(block_num=at.block, tx_num=at.tx),
        )
        for key, at in reads.items()
    ]
    scan = kv_rwset_pb2.RangeQueryInfo(
        start_key="zz",
        end_key="zzz",
        itr_exhausted=True,
        raw_reads=kv_rwset_pb2.QueryReads(kv_reads=[]),
    )
    kv_writes = [kv_rwset_pb2.KVWrite(key=key, value=value) for key, value in writes.items()]
    message = kv_rwset_pb2.KVRWSet(reads=kv_reads, range_queries_info=[scan], writes=kv_writes)
    serialised: bytes = message.SerializeToString()
    return serialised


def envelope(
    call: Call, creator: Identity, peers: list[Identity], rwset: bytes, damage: Damage
) -> tuple[str, bytes]:
    """Return a transaction's id and a serialised `Envelope`, endorsed by peers and signed by its creator."""
    results = rwset_pb2.TxReadWriteSet(
        data_model=rwset_pb2.TxReadWriteSet.KV,
        ns_rwset=[
            rwset_pb2.NsReadWriteSet(namespace=call.chaincode, rwset=damage.at("kv rwset", rwset)),
        ],
    )
    return endorsed_envelope(call, creator, peers, results.SerializeToString(), damage)


def endorsed_envelope(
    call: Call, creator: Identity, peers: list[Identity], results: bytes, damage: Damage
) -> tuple[str, bytes]:
    """As `envelope`, of a whole `TxReadWriteSet`."""
    made = headers(call, creator, damage)
    event = chaincode_event_pb2.ChaincodeEvent(
        chaincode_id=call.chaincode, tx_id=made.tx_id, event_name="Made", payload=b"[]"
    ).SerializeToString()
    action = proposal_pb2.ChaincodeAction(
        results=damage.at("rwset", results),
        events=damage.at("event", event),
        response=proposal_response_pb2.Response(status=200, payload=b"ok"),
        chaincode_id=chaincode_pb2.ChaincodeID(name=call.chaincode, version=call.version),
    ).SerializeToString()
    digest = hashlib.sha256(made.channel + made.signature + made.visible).digest()
    prp = damage.at(
        "proposal response",
        proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=digest, extension=damage.at("chaincode action", action)
        ).SerializeToString(),
    )
    endorsements = [
        proposal_response_pb2.Endorsement(endorser=peer.creator, signature=peer.sign(prp + peer.creator))
        for peer in peers
    ]
    endorsed = tx_pb2.ChaincodeEndorsedAction(proposal_response_payload=prp).SerializeToString()
    for made_endorsement in endorsements:
        data = damage.at("endorsement", made_endorsement.SerializeToString())
        endorsed += b"\x12" + _length(len(data)) + data
    endorsed = damage.at("endorsed action", endorsed)
    capsule = tx_pb2.ChaincodeActionPayload(chaincode_proposal_payload=made.visible).SerializeToString()
    capsule += b"\x12" + _length(len(endorsed)) + endorsed
    single = tx_pb2.TransactionAction(header=made.signature, payload=damage.at("action payload", capsule))
    transaction = tx_pb2.Transaction(actions=[single]).SerializeToString()
    header = common_pb2.Header(channel_header=made.channel, signature_header=made.signature)
    head = damage.at("header", header.SerializeToString())
    data = damage.at("transaction", transaction)
    payload = b"\x0a" + _length(len(head)) + head + b"\x12" + _length(len(data)) + data
    payload = damage.at("payload", payload)
    signature = damage.at("signature", creator.sign(payload))
    whole = common_pb2.Envelope(payload=payload, signature=signature).SerializeToString()
    return made.tx_id, damage.at("envelope", whole)


def status_request(channel: str, tx_id: str, creator: Identity, damage: Damage) -> bytes:
    """Serialise a `SignedCommitStatusRequest`."""
    request = gateway_pb2.CommitStatusRequest(
        transaction_id=tx_id, channel_id=channel, identity=creator.creator
    ).SerializeToString()
    return _signed(gateway_pb2.SignedCommitStatusRequest, request, creator, damage)


def events_request(
    channel: str, chaincode: str, start: ab_pb2.SeekPosition | None, creator: Identity, damage: Damage
) -> bytes:
    """Serialise a `SignedChaincodeEventsRequest`."""
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id=channel, chaincode_id=chaincode, identity=creator.creator, start_position=start
    ).SerializeToString()
    return _signed(gateway_pb2.SignedChaincodeEventsRequest, request, creator, damage)


def _signed(
    message_type: Callable[..., gateway_pb2.SignedCommitStatusRequest],
    request: bytes,
    creator: Identity,
    damage: Damage,
) -> bytes:
    request = damage.at("asked", request)
    signature = damage.at("signature", creator.sign(request))
    return damage.at("request", message_type(request=request, signature=signature).SerializeToString())


def seek_envelope(channel: str, seek: bytes, creator: Identity, damage: Damage) -> bytes:
    """Serialise the signed envelope with which blocks are asked for."""
    head = common_pb2.ChannelHeader(type=common_pb2.DELIVER_SEEK_INFO, channel_id=channel)
    head.timestamp.GetCurrentTime()
    header = common_pb2.Header(
        channel_header=damage.at("channel header", head.SerializeToString()),
        signature_header=damage.at(
            "signature header",
            common_pb2.SignatureHeader(creator=creator.creator, nonce=os.urandom(24)).SerializeToString(),
        ),
    )
    payload = common_pb2.Payload(header=header, data=damage.at("seek", seek)).SerializeToString()
    payload = damage.at("payload", payload)
    signature = damage.at("signature", creator.sign(payload))
    whole = common_pb2.Envelope(payload=payload, signature=signature).SerializeToString()
    return damage.at("envelope", whole)


def field_bytes(number: int, data: bytes) -> bytes:
    """Encode a field that holds bytes which need not be a message."""
    return _length(number << 3 | 2) + _length(len(data)) + data


def _length(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
