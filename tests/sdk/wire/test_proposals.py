"""Proposals: exact construction and every check of the parser."""

import hashlib

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from fedpact.wire.errors import MAX_MESSAGE_BYTES, WireCode, WireError
from fedpact.wire.proposals import build_proposal, parse_proposal, proposal_hash

CREATOR = b"\x0a\x07Org1MSP\x12\x04cert"
NONCE = bytes(range(24))
TIME_NS = 1_700_000_000_123_456_789


def built(**changes):
    call = {
        "channel_id": "consortium",
        "chaincode": "fedpact",
        "args": [b"tasks:create", b"{}"],
        "timestamp_ns": TIME_NS,
        "nonce": NONCE,
    }
    return build_proposal(CREATOR, **(call | changes))


def by_hand(*, header_changes=None, **changes):
    """The same proposal put together message by message, with one thing changed."""
    given = {"creator": CREATOR, "nonce": NONCE, "name": "fedpact", "extension": "fedpact"} | changes
    channel = common_pb2.ChannelHeader(
        type=3, tx_id=hashlib.sha256(NONCE + CREATOR).hexdigest(), channel_id="consortium"
    )
    channel.timestamp.seconds, channel.timestamp.nanos = 1_700_000_000, 123_456_789
    channel.extension = proposal_pb2.ChaincodeHeaderExtension(
        chaincode_id=chaincode_pb2.ChaincodeID(name=given["extension"])
    ).SerializeToString()
    if header_changes:
        header_changes(channel)
    signature = common_pb2.SignatureHeader(creator=given["creator"], nonce=given["nonce"])
    spec = chaincode_pb2.ChaincodeInvocationSpec()
    spec.chaincode_spec.chaincode_id.name = given["name"]
    spec.chaincode_spec.input.args.extend([b"tasks:create", b"{}"])
    header = common_pb2.Header(
        channel_header=channel.SerializeToString(), signature_header=signature.SerializeToString()
    )
    payload = proposal_pb2.ChaincodeProposalPayload(input=spec.SerializeToString())
    return proposal_pb2.Proposal(
        header=header.SerializeToString(), payload=payload.SerializeToString()
    ).SerializeToString()


def test_built_bytes_are_those_of_the_messages_put_together_by_hand():
    assert built().proposal_bytes == by_hand()


def test_transaction_id_is_the_hash_of_nonce_and_creator():
    proposal = built()
    assert proposal.transaction_id == hashlib.sha256(NONCE + CREATOR).hexdigest()
    assert built(nonce=None).transaction_id != built(nonce=None).transaction_id


def test_parse_returns_what_was_built():
    parsed = parse_proposal(built(transient={"key": b"secret"}).proposal_bytes)
    assert parsed.channel_id == "consortium"
    assert parsed.chaincode == "fedpact"
    assert parsed.timestamp_ns == TIME_NS
    assert parsed.creator == CREATOR
    assert parsed.nonce == NONCE
    assert parsed.args == (b"tasks:create", b"{}")
    assert parsed.transient == {"key": b"secret"}
    assert parsed.transaction_id == built().transaction_id


def test_transient_data_is_neither_visible_nor_hashed():
    plain = parse_proposal(built().proposal_bytes)
    private = parse_proposal(built(transient={"key": b"secret"}).proposal_bytes)
    assert private.payload_visible == plain.payload_visible
    assert b"secret" not in private.payload_visible


def test_proposal_with_transient_data_is_deterministic():
    transient = {f"k{i}": bytes([i]) for i in range(20)}
    backwards = dict(reversed(transient.items()))
    assert built(transient=transient) == built(transient=backwards)


def test_proposal_hash_covers_headers_and_visible_payload():
    parsed = parse_proposal(by_hand())
    outer = proposal_pb2.Proposal.FromString(by_hand())
    header = common_pb2.Header.FromString(outer.header)
    expected = hashlib.sha256(header.channel_header + header.signature_header + outer.payload).digest()
    headers = parsed.headers
    assert proposal_hash(headers.channel_header, headers.signature_header, parsed.payload_visible) == expected


def _set(**values):
    def change(channel):
        for name, value in values.items():
            setattr(channel, name, value)

    return change


def _time(seconds, nanos):
    def change(channel):
        channel.timestamp.seconds, channel.timestamp.nanos = seconds, nanos

    return change


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (by_hand(header_changes=_set(type=1)), WireCode.UNKNOWN_TX_TYPE),
        (by_hand(header_changes=_set(epoch=1)), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(header_changes=_set(channel_id="")), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(header_changes=_set(tx_id="00" * 32)), WireCode.BAD_PROPOSAL_TXID),
        (by_hand(header_changes=_set(extension=b"\xff")), WireCode.BAD_HEADER_EXTENSION),
        (by_hand(header_changes=_set(extension=b"")), WireCode.BAD_HEADER_EXTENSION),
        (
            by_hand(header_changes=lambda channel: channel.ClearField("timestamp")),
            WireCode.BAD_CHANNEL_HEADER,
        ),
        (by_hand(header_changes=_time(-1, 0)), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(header_changes=_time(0, -1)), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(header_changes=_time(0, 10**9)), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(header_changes=_time(253_402_300_800, 0)), WireCode.BAD_CHANNEL_HEADER),
        (by_hand(creator=b"somebody else"), WireCode.BAD_PROPOSAL_TXID),
        (by_hand(nonce=b""), WireCode.BAD_COMMON_HEADER),
        (by_hand(creator=b""), WireCode.BAD_COMMON_HEADER),
        (by_hand(name="other"), WireCode.BAD_PROPOSAL),
        (b"\xff", WireCode.BAD_PROPOSAL),
        (b"", WireCode.UNKNOWN_TX_TYPE),
        (bytes(MAX_MESSAGE_BYTES + 1), WireCode.TOO_LARGE),
    ],
)
def test_malformed_proposals_are_refused_with_their_code(data, code):
    with pytest.raises(WireError) as caught:
        parse_proposal(data)
    assert caught.value.code is code
