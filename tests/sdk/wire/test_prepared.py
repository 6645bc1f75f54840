"""What a client checks before it signs: the transaction must be exactly that of its proposal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from fedpact.wire.envelopes import Endorsement, Response, assemble, parse_envelope, response_payload
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.prepared import PreparedTransaction, read_answer
from fedpact.wire.proposals import build_proposal, parse_proposal, proposal_hash
from fedpact.wire.rwsets import NamespaceRwset, Write, encode

RWSET = encode([NamespaceRwset("fedpact", writes=(Write("k", b"v"),))])
ANSWER = Response(200, "done", b"result")


def proposed(
    *, transient: dict[str, bytes] | None = None, args: tuple[bytes, ...] = (b"a:b", b"{}")
) -> bytes:
    built = build_proposal(
        b"creator",
        channel_id="consortium",
        chaincode="fedpact",
        args=args,
        timestamp_ns=5,
        transient=transient or {},
        nonce=b"n" * 24,
    )
    return built.proposal_bytes


def prepared(proposal: bytes) -> bytes:
    parsed = parse_proposal(proposal)
    return bytes(assemble(parsed, response_payload(parsed, RWSET, ANSWER), [Endorsement(b"p", b"s")]).payload)


def altered(
    payload: bytes,
    *,
    header: Callable[[common_pb2.Header], None] = lambda _: None,
    transaction: Callable[[transaction_pb2.Transaction], None] = lambda _: None,
    capsule: Callable[[transaction_pb2.ChaincodeActionPayload], None] = lambda _: None,
) -> bytes:
    """Take a payload apart, change a level of it, and put it together again."""
    whole = common_pb2.Payload.FromString(payload)
    header(whole.header)
    inner = transaction_pb2.Transaction.FromString(whole.data)
    action = transaction_pb2.ChaincodeActionPayload.FromString(inner.actions[0].payload)
    capsule(action)
    inner.actions[0].payload = action.SerializeToString()
    transaction(inner)
    whole.data = inner.SerializeToString()
    return whole.SerializeToString()


def refused(payload: bytes, proposal: bytes) -> WireCode:
    with pytest.raises(WireError) as caught:
        read_answer(payload, proposal)
    return caught.value.code


def test_the_answer_is_read_from_ones_own_transaction() -> None:
    proposal = proposed()
    assert read_answer(prepared(proposal), proposal) == ANSWER
    assert read_answer(altered(prepared(proposal)), proposal) == ANSWER


def test_a_complete_reading_gives_the_same() -> None:
    proposal = proposed()
    payload = prepared(proposal)
    envelope = common_pb2.Envelope(payload=payload, signature=b"mine").SerializeToString()
    transaction = PreparedTransaction.of(parse_envelope(envelope))
    assert transaction == (
        parse_proposal(proposal).transaction_id,
        "consortium",
        payload,
        read_answer(payload, proposal),
        b"mine",
    )


def test_transient_data_must_be_left_out() -> None:
    proposal = proposed(transient={"key": b"secret"})
    payload = prepared(proposal)
    assert b"secret" not in payload
    assert read_answer(payload, proposal) == ANSWER
    whole = proposal_pb2.Proposal.FromString(proposal).payload
    headers = parse_proposal(proposal).headers

    def disclose(action: transaction_pb2.ChaincodeActionPayload) -> None:
        action.chaincode_proposal_payload = whole
        result = proposal_response_pb2.ProposalResponsePayload.FromString(
            action.action.proposal_response_payload
        )
        result.proposal_hash = proposal_hash(headers.channel_header, headers.signature_header, whole)
        action.action.proposal_response_payload = result.SerializeToString()

    disclosing = altered(payload, capsule=disclose)
    assert parse_envelope(common_pb2.Envelope(payload=disclosing).SerializeToString()).proposal_hash_ok
    assert refused(disclosing, proposal) is WireCode.INVALID_ENDORSER_TRANSACTION


def other_channel_header(header: common_pb2.Header) -> None:
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    channel.channel_id = "another"
    header.channel_header = channel.SerializeToString()


def other_creator(header: common_pb2.Header) -> None:
    signature = common_pb2.SignatureHeader.FromString(header.signature_header)
    signature.creator = b"somebody"
    header.signature_header = signature.SerializeToString()


def second_action(transaction: transaction_pb2.Transaction) -> None:
    transaction.actions.append(transaction.actions[0])


def other_action_header(transaction: transaction_pb2.Transaction) -> None:
    transaction.actions[0].header = b"somebody"


def other_hash(capsule: transaction_pb2.ChaincodeActionPayload) -> None:
    prp = capsule.action.proposal_response_payload
    result = proposal_response_pb2.ProposalResponsePayload.FromString(prp)
    result.proposal_hash = bytes(32)
    capsule.action.proposal_response_payload = result.SerializeToString()


@pytest.mark.parametrize(
    "change",
    [
        {"header": other_channel_header},
        {"header": other_creator},
        {"transaction": second_action},
        {"transaction": other_action_header},
        {"capsule": other_hash},
    ],
    ids=lambda change: next(iter(change.values())).__name__,
)
def test_nothing_else_is_taken_for_it(change: dict[str, Callable[..., None]]) -> None:
    proposal = proposed()
    assert refused(altered(prepared(proposal), **change), proposal) is WireCode.INVALID_ENDORSER_TRANSACTION


def test_another_call_is_refused() -> None:
    other = prepared(proposed(args=(b"a:b", b'{"all":1}')))
    assert refused(other, proposed()) is WireCode.INVALID_ENDORSER_TRANSACTION


def test_no_action_is_refused() -> None:
    payload = altered(prepared(proposed()), transaction=lambda inner: inner.ClearField("actions"))
    assert refused(payload, proposed()) is WireCode.NIL_TXACTION
    assert refused(b"", proposed()) is WireCode.NIL_TXACTION


@pytest.mark.parametrize("length", range(0, 400, 7))
def test_a_truncated_payload_is_refused(length: int) -> None:
    payload = prepared(proposed())
    refused(payload[: min(length, len(payload) - 1)], proposed())
