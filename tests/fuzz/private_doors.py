"""Doors for private data, definitions of chaincodes, and write sets that peers endorse although no contract
makes them.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from google.protobuf.message import DecodeError
from tests.fuzz.choices import Choices
from tests.fuzz.defects import Defect, place_of
from tests.fuzz.forged_messages import (
    ENVELOPE_LAYERS,
    PROPOSAL_LAYERS,
    Call,
    Damage,
    endorsed_envelope,
    field_bytes,
    signed_proposal,
    transaction_id,
)
from tests.fuzz.forged_writes import (
    COLLECTIONS,
    STRANGE_NAMES,
    definition_envelope,
    forged_results,
    private_writes,
)
from tests.fuzz.wire_mutations import TEXTS, mutate

from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.rwsets import PrivateRwset, encode_private
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.peering.dissemination import take

if TYPE_CHECKING:
    from tests.fuzz.target import Target

CHANNEL = b"consortium"
GIFT_LAYERS = ("data", "data", "channel header", "signature header", "payload", "signature", "envelope", "")


def written_forgeries(target: Target, choices: Choices) -> None:
    """Submit write sets into collections, definitions and policies of keys; their private content first."""
    damage = Damage(choices, choices.one_of(("rwset", "rwset", "rwset", *ENVELOPE_LAYERS, "")))
    if choices.maybe(20):
        tx_id, signed = definition_envelope(target, damage, "mycc")
    else:
        private = private_writes(choices)
        name, version = "probe", target.chaincodes["probe"].version
        if choices.maybe(10):
            name = choices.one_of(STRANGE_NAMES)
        call = Call("consortium", name, (b"secrets:put", b"{}"), time.time_ns(), version=version)
        results = damage.at("rwset", forged_results(target, choices, private))
        peers = list(target.peers if choices.maybe(85) else target.peers[: choices.below(3)])
        creator = target.someone(choices)
        tx_id, signed = endorsed_envelope(call, creator, peers, results, damage)
        if choices.maybe(60):
            _give(target, _gift(target, choices, tx_id, private, Damage(choices)))
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, CHANNEL) + field_bytes(3, signed)
    target.submit(signed, tx_id, request, choices.one_of(("submit", "broadcast")))


def private_calls(target: Target, choices: Choices) -> None:
    """Call contracts that use private data, with transient maps; submit what is endorsed."""
    damage = Damage(choices, choices.one_of(("", "proposal payload", *PROPOSAL_LAYERS)))
    collection = choices.one_of((*COLLECTIONS, "none", "_implicit_org_NoMSP", "a$$hb"))
    place = f'"collection":"{collection}","key":"k{choices.below(6)}"'
    function = choices.one_of(
        ("put", "put", "remove", "purge", "copy", "publish", "protect", "read", "digest", "span")
    )
    if function == "protect":
        place += f',"policy":"{choices.some_bytes(30).hex()}"'
    if function == "span":
        place = f'"collection":"{collection}","start":"","end":""'
    value = choices.one_of((b"v", b"", b"x" * 100_000, *TEXTS))
    key = "value" if choices.maybe(90) else choices.one_of(TEXTS).decode("utf-8", "replace")
    args = (f"secrets:{function}".encode(), f"{{{place}}}".encode())
    call = Call("consortium", "probe", args, time.time_ns(), transient=((key, value),))
    _endorse_and_submit(target, choices, call, damage)


def lifecycle_calls(target: Target, choices: Choices) -> None:
    """Call `_lifecycle`, with damaged arguments; submit what is endorsed."""
    terms = {"name": "mycc", "sequence": choices.one_of((1, 1, 1, 2, 0, -1, 2**62)), "version": "1"}
    messages = {
        "ApproveChaincodeDefinitionForMyOrg": lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(**terms),
        "CommitChaincodeDefinition": lifecycle_pb2.CommitChaincodeDefinitionArgs(**terms),
        "CheckCommitReadiness": lifecycle_pb2.CheckCommitReadinessArgs(**terms),
        "QueryChaincodeDefinition": lifecycle_pb2.QueryChaincodeDefinitionArgs(name="probe"),
        "QueryChaincodeDefinitions": lifecycle_pb2.QueryChaincodeDefinitionsArgs(),
        "QueryApprovedChaincodeDefinition": lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(
            name="mycc", sequence=1
        ),
    }
    function = choices.one_of((*list(messages)[:2], *messages))
    message = messages[function]
    if "DefinitionForMyOrg" in function or "Commit" in function:
        message.collections.config.add().static_collection_config.name = choices.one_of(COLLECTIONS[:3])
    data = message.SerializeToString()
    if choices.maybe(70):
        data = mutate(data, choices)
    args = (function.encode(), data) if choices.maybe(95) else (function.encode(), data, data)
    damage = Damage(choices, choices.one_of(("", "", *PROPOSAL_LAYERS)))
    _endorse_and_submit(target, choices, Call("consortium", LIFECYCLE, args, time.time_ns()), damage)


def private_gifts(target: Target, choices: Choices) -> None:
    """Hand over private data as an endorsing peer does, damaged and signed again."""
    damage = Damage(choices, choices.one_of(GIFT_LAYERS))
    tx_id = os.urandom(32).hex() if choices.maybe(70) else choices.one_of(TEXTS).decode("utf-8", "replace")
    _give(target, _gift(target, choices, tx_id, private_writes(choices), damage))


def _give(target: Target, request: bytes) -> None:
    height = target.ledger.height()
    target.executions += 1
    try:
        take(target.ledger.node, request)
    except Refusal as refusal:
        target.statuses[f"take {refusal.code}"] += 1
        if refusal.code is RefusalCode.STOPPED:
            raise Defect(place_of(refusal.__cause__ or refusal), f"take: {refusal}") from refusal
    except Exception as error:
        raise Defect(place_of(error), f"take raised {error!r}") from error
    else:
        target.statuses["take OK"] += 1
    target.explained("take", height)


def _gift(target: Target, choices: Choices, tx_id: str, private: PrivateRwset, damage: Damage) -> bytes:
    peer = choices.one_of(target.peers) if choices.maybe(90) else target.someone(choices)
    channel = common_pb2.ChannelHeader(type=common_pb2.MESSAGE, channel_id="consortium", tx_id=tx_id)
    channel.timestamp.GetCurrentTime()
    creator = common_pb2.SignatureHeader(creator=peer.creator).SerializeToString()
    header = common_pb2.Header(
        channel_header=damage.at("channel header", channel.SerializeToString()),
        signature_header=damage.at("signature header", creator),
    )
    data = damage.at("data", encode_private([private]))
    payload = damage.at("payload", common_pb2.Payload(header=header, data=data).SerializeToString())
    signature = damage.at("signature", peer.sign(payload))
    whole = common_pb2.Envelope(payload=payload, signature=signature).SerializeToString()
    return damage.at("envelope", whole)


def _endorse_and_submit(target: Target, choices: Choices, call: Call, damage: Damage) -> None:
    creator = target.someone(choices)
    tx_id, signed = signed_proposal(call, creator, damage)
    request = field_bytes(1, tx_id.encode()) + field_bytes(2, CHANNEL) + field_bytes(3, signed)
    for organisation in choices.one_of(((), (), (b"Org1MSP",), (b"Org1MSP", b"Org2MSP"))):
        request += field_bytes(4, organisation)
    method = choices.one_of(("endorse", "endorse", "evaluate", "process_proposal"))
    outcome = target.ask_unchanged(method, signed if method == "process_proposal" else request, timeout_s=2.0)
    if method != "endorse" or outcome.status != "OK":
        return
    try:
        prepared = gateway_pb2.EndorseResponse.FromString(outcome.reply).prepared_transaction
        payload = common_pb2.Payload.FromString(prepared.payload)
    except DecodeError as error:
        raise Defect("endorse", "its answer cannot be read") from error
    prepared.signature = creator.sign(prepared.payload)
    tx_id = transaction_id(payload.header.signature_header)
    target.submit(prepared.SerializeToString(), tx_id)
