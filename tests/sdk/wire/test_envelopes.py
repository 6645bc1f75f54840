"""Envelopes: assembled as Fabric's clients do, parsed back whole."""

import hashlib
from types import SimpleNamespace

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import (
    Endorsement,
    Event,
    Response,
    assemble,
    endorse_message,
    parse_envelope,
    response_payload,
)
from fedpact.wire.errors import MAX_MESSAGE_BYTES, WireCode, WireError
from fedpact.wire.proposals import build_proposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, Read, Write, encode

CREATOR = b"\x0a\x07Org1MSP\x12\x04cert"
RWSET = (NamespaceRwset("fedpact", reads=(Read("k", None),), writes=(Write("k", b"v"),)),)
ENDORSEMENTS = (Endorsement(b"peer one", b"signature one"), Endorsement(b"peer two", b"signature two"))


def proposal():
    built = build_proposal(
        CREATOR,
        channel_id="consortium",
        chaincode="fedpact",
        args=[b"tasks:create", b"{}"],
        timestamp_ns=1_700_000_000_000_000_001,
        transient={"k": b"secret"},
        nonce=bytes(24),
    )
    return parse_proposal(built.proposal_bytes)


def envelope():
    prp = response_payload(
        proposal(), encode(RWSET), Response(200, "fine", b"ok"), event=Event("created", b"1"), version="3"
    )
    made = assemble(proposal(), prp, ENDORSEMENTS)
    made.signature = b"signature of the creator"
    return made


def rebuilt(change):
    """The envelope with one nested message changed; `data` and `extension` replace serialised messages."""
    made = envelope()
    parts = SimpleNamespace(data=None, extension=None)
    parts.payload = common_pb2.Payload.FromString(made.payload)
    parts.transaction = transaction_pb2.Transaction.FromString(parts.payload.data)
    [action] = parts.transaction.actions
    parts.capsule = transaction_pb2.ChaincodeActionPayload.FromString(action.payload)
    parts.prp = proposal_response_pb2.ProposalResponsePayload.FromString(
        parts.capsule.action.proposal_response_payload
    )
    parts.action = proposal_pb2.ChaincodeAction.FromString(parts.prp.extension)
    change(parts)
    parts.prp.extension = parts.extension or parts.action.SerializeToString()
    parts.capsule.action.proposal_response_payload = parts.prp.SerializeToString()
    if parts.transaction.actions:
        parts.transaction.actions[0].payload = parts.capsule.SerializeToString()
    parts.payload.data = parts.data or parts.transaction.SerializeToString()
    made.payload = parts.payload.SerializeToString()
    return made.SerializeToString()


def test_parse_returns_what_was_assembled():
    made = envelope()
    parsed = parse_envelope(made.SerializeToString())
    assert parsed.transaction_id == proposal().transaction_id
    assert parsed.channel_id == "consortium"
    assert parsed.chaincode == "fedpact"
    assert parsed.chaincode_version == "3"
    assert parsed.creator == CREATOR
    assert parsed.timestamp_ns == 1_700_000_000_000_000_001
    assert parsed.args == (b"tasks:create", b"{}")
    assert parsed.payload == made.payload
    assert parsed.signature == b"signature of the creator"
    assert parsed.endorsements == ENDORSEMENTS
    assert parsed.rwset == RWSET
    assert parsed.response == Response(200, "fine", b"ok")
    assert parsed.event == Event("created", b"1")
    assert parsed.proposal_hash_ok


def test_an_envelope_without_event_has_none():
    made = assemble(proposal(), response_payload(proposal(), encode(RWSET), Response(200)), ())
    parsed = parse_envelope(made.SerializeToString())
    assert parsed.event is None
    assert parsed.endorsements == ()


def test_transient_data_never_reaches_the_envelope():
    assert b"secret" not in envelope().SerializeToString()


def test_layout_is_fabrics():
    """The messages as the Fabric sources nest them, put together without the module under test."""
    asked = proposal()
    event = chaincode_event_pb2.ChaincodeEvent(
        chaincode_id="fedpact", tx_id=asked.transaction_id, event_name="created", payload=b"1"
    )
    action = proposal_pb2.ChaincodeAction(
        results=encode(RWSET),
        events=event.SerializeToString(),
        response=proposal_response_pb2.Response(status=200, message="fine", payload=b"ok"),
        chaincode_id=chaincode_pb2.ChaincodeID(name="fedpact", version="3"),
    )
    headers = asked.headers
    digest = hashlib.sha256(headers.channel_header + headers.signature_header + asked.payload_visible)
    prp = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=digest.digest(), extension=action.SerializeToString()
    )
    capsule = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=asked.payload_visible)
    capsule.action.proposal_response_payload = prp.SerializeToString()
    for endorser, signature in ENDORSEMENTS:
        capsule.action.endorsements.add(endorser=endorser, signature=signature)
    transaction = transaction_pb2.Transaction()
    transaction.actions.add(header=headers.signature_header, payload=capsule.SerializeToString())
    payload = common_pb2.Payload(data=transaction.SerializeToString())
    payload.header.channel_header = headers.channel_header
    payload.header.signature_header = headers.signature_header
    assert envelope().payload == payload.SerializeToString()


def test_an_endorser_signs_the_result_followed_by_its_identity():
    assert endorse_message(b"prp", b"endorser") == b"prpendorser"


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: setattr(parts.prp, "proposal_hash", bytes(32)),
        lambda parts: setattr(
            parts.capsule,
            "chaincode_proposal_payload",
            parts.capsule.chaincode_proposal_payload.replace(b"tasks:create", b"tasks:cancel"),
        ),
    ],
    ids=["another hash", "other arguments"],
)
def test_endorsements_of_another_proposal_show(change):
    assert not parse_envelope(rebuilt(change)).proposal_hash_ok


def _two_actions(parts):
    parts.transaction.actions.add()


def _no_action(parts):
    del parts.transaction.actions[:]


def _foreign_event(parts):
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id="fedpact", tx_id="other")
    parts.action.events = event.SerializeToString()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda parts: setattr(parts, "data", b"\xff"), WireCode.BAD_PAYLOAD),
        (
            lambda parts: setattr(parts.payload.header, "channel_header", b"\xff"),
            WireCode.BAD_CHANNEL_HEADER,
        ),
        (
            lambda parts: setattr(parts.payload.header, "signature_header", b"\xff"),
            WireCode.BAD_COMMON_HEADER,
        ),
        (lambda parts: parts.payload.ClearField("header"), WireCode.UNKNOWN_TX_TYPE),
        (_no_action, WireCode.NIL_TXACTION),
        (_two_actions, WireCode.INVALID_ENDORSER_TRANSACTION),
        (
            lambda parts: setattr(parts.transaction.actions[0], "header", b""),
            WireCode.INVALID_ENDORSER_TRANSACTION,
        ),
        (
            lambda parts: setattr(parts.capsule, "chaincode_proposal_payload", b"\xff"),
            WireCode.BAD_PAYLOAD,
        ),
        (
            lambda parts: setattr(parts.capsule, "chaincode_proposal_payload", b""),
            WireCode.INVALID_CHAINCODE,
        ),
        (lambda parts: setattr(parts, "extension", b"\xff"), WireCode.BAD_RESPONSE_PAYLOAD),
        (lambda parts: setattr(parts.action.chaincode_id, "name", "other"), WireCode.INVALID_CHAINCODE),
        (lambda parts: setattr(parts.action, "results", b"\xff"), WireCode.BAD_RWSET),
        (lambda parts: setattr(parts.action, "events", b"\xff"), WireCode.BAD_EVENT),
        (_foreign_event, WireCode.BAD_EVENT),
    ],
)
def test_malformed_envelopes_are_refused_with_their_code(change, code):
    with pytest.raises(WireError) as caught:
        parse_envelope(rebuilt(change))
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", WireCode.NIL_ENVELOPE),
        (b"\xff", WireCode.INVALID_ENDORSER_TRANSACTION),
        (common_pb2.Envelope(payload=b"\xff").SerializeToString(), WireCode.BAD_PAYLOAD),
        (bytes(MAX_MESSAGE_BYTES + 1), WireCode.TOO_LARGE),
    ],
)
def test_what_is_no_envelope_is_refused(data, code):
    with pytest.raises(WireError) as caught:
        parse_envelope(data)
    assert caught.value.code is code


@pytest.mark.parametrize("code", list(WireCode))
def test_every_wire_code_has_a_verdict(code):
    verdict = ValidationCode.of(WireError(code, "x"))
    if code.name in ValidationCode.__members__:
        assert verdict is ValidationCode[code.name]
    else:
        assert verdict is ValidationCode.INVALID_OTHER_REASON
