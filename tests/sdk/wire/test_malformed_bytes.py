"""Any bytes at all parse or raise a WireError with a known code, never another exception."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.wire.blocks import ParsedBlock, build_block, parse_block
from fedpact.wire.commits import seal
from fedpact.wire.envelopes import (
    Endorsement,
    Event,
    ParsedTransaction,
    Response,
    assemble,
    parse_envelope,
    response_payload,
)
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.proposals import ParsedProposal, build_proposal, parse_proposal
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write, decode, encode

RWSET = encode(
    [
        NamespaceRwset(
            "fedpact",
            (Read("absent", None), Read("present", Version(7, 2))),
            (RangeQuery("a", "b", True, (Read("aa", Version(1, 0)),)),),
            (Write("gone", None), Write("present", b"value")),
        )
    ]
)


class Orderer:
    creator = b"orderer"

    def sign(self, message):
        return b"signature"


def _samples():
    proposal = build_proposal(
        b"creator",
        channel_id="consortium",
        chaincode="fedpact",
        args=[b"tasks:create", b"{}"],
        timestamp_ns=1,
        transient={"k": b"v"},
        nonce=bytes(24),
    ).proposal_bytes
    parsed = parse_proposal(proposal)
    prp = response_payload(parsed, RWSET, Response(200), event=Event("created", b"1"))
    envelope = assemble(parsed, prp, [Endorsement(b"peer", b"signature")]).SerializeToString()
    block = build_block(7, b"previous", [envelope], signer=Orderer(), last_config=3, nonce=bytes(24))
    seal(block, b"\x00", b"hash")
    return {
        "proposal": (parse_proposal, ParsedProposal, proposal),
        "rwset": (decode, tuple, RWSET),
        "envelope": (parse_envelope, ParsedTransaction, envelope),
        "block": (parse_block, ParsedBlock, block.SerializeToString()),
    }


SAMPLES = _samples()


def damage(data, edits):
    """Replace, insert and cut bytes: each edit is (place 0..1, bytes removed, bytes inserted)."""
    result = bytearray(data)
    for place, removed, inserted in edits:
        at = int(place * len(result))
        result[at : at + removed] = inserted
    return bytes(result)


edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4)


def outcome(parse, data):
    try:
        return parse(data)
    except WireError as error:
        return error.code


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=400)
@given(edits)
def test_damaged_messages(name, edits):
    parse, parsed, sample = SAMPLES[name]
    assert isinstance(outcome(parse, damage(sample, edits)), (parsed, WireCode))


@pytest.mark.parametrize("name", SAMPLES)
@given(st.binary(max_size=200))
def test_arbitrary_bytes(name, data):
    parse, parsed, _ = SAMPLES[name]
    assert isinstance(outcome(parse, data), (parsed, WireCode))


@pytest.mark.parametrize("name", SAMPLES)
def test_undamaged_messages_parse(name):
    parse, parsed, sample = SAMPLES[name]
    assert isinstance(parse(sample), parsed)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation(name):
    parse, parsed, sample = SAMPLES[name]
    for size in range(len(sample)):
        assert isinstance(outcome(parse, sample[:size]), (parsed, WireCode))
