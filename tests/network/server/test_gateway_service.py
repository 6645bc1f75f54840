"""Fabric's Gateway service over TLS: every call, every refusal, deadlines, cancellation, limits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from fabric_protos.gateway import gateway_pb2

from fedpact.gateway.status_details import DETAILS_KEY, decode_details
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import parse_envelope

Code = grpc.StatusCode


def details(error):
    [trailing] = [value for key, value in error.trailing_metadata() if key == DETAILS_KEY]
    return decode_details(trailing)


def settled(condition, wait_s=10.0):
    """Wait until something is so."""
    deadline_s = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)


def test_a_transaction_over_all_stages(site):
    caller = site.caller(site.serve())
    tx_id = caller.run("create", "a", "1")
    status = caller.status(tx_id)
    assert (status.result, status.block_number) == (ValidationCode.VALID, 1)
    assert caller.evaluate("read", "a") == b"1"
    assert site.ledger.height() == 2


def test_a_refused_endorsement(site, refusal):
    error = refusal(site.caller(site.serve()).endorse, "refuse")
    assert error.code() is Code.ABORTED
    assert error.details() == "failed to endorse transaction, see attached details for more info"
    [detail] = details(error)
    assert (detail.mspid, detail.message) == ("Org1MSP", "chaincode response 403, refused")
    assert detail.address


def test_a_refused_query(site, refusal):
    error = refusal(site.caller(site.serve()).evaluate, "refuse")
    assert error.code() is Code.UNKNOWN
    assert error.details() == "evaluate call to endorser returned error: chaincode response 403, refused"
    assert details(error)[0].message == "chaincode response 403, refused"


@pytest.mark.parametrize(
    ("place", "evaluating", "endorsing"),
    [
        ({"chaincode": "other"}, Code.FAILED_PRECONDITION, Code.FAILED_PRECONDITION),
        ({"channel": "other"}, Code.UNAVAILABLE, Code.FAILED_PRECONDITION),
    ],
)
def test_places_that_are_not_there(site, refusal, place, evaluating, endorsing):
    caller = site.caller(site.serve())
    assert refusal(caller.evaluate, "read", "a", **place).code() is evaluating
    assert refusal(caller.endorse, "read", "a", **place).code() is endorsing


def test_organisations_without_a_peer_here(site, refusal):
    error = refusal(site.caller(site.serve()).endorse, "create", "a", "1", organisations=("Org9MSP",))
    assert error.code() is Code.UNAVAILABLE
    assert "Org9MSP" in error.details()


def test_named_organisations_endorse(site):
    caller = site.caller(site.serve())
    _, envelope = caller.endorse("create", "a", "1", organisations=("Org1MSP", "Org2MSP"))
    assert len(parse_envelope(envelope.SerializeToString()).endorsements) == 2


def test_strangers(make_site, site, refusal):
    stranger = make_site().alice  # of another consortium's authority
    caller = site.caller(site.serve(), stranger)
    error = refusal(caller.endorse, "create", "a", "1")
    assert error.code() is Code.ABORTED
    assert details(error)[0].message.startswith("error validating proposal: access denied: ")
    assert refusal(caller.evaluate, "read", "a").code() is Code.FAILED_PRECONDITION
    assert refusal(caller.status, "00").code() is Code.PERMISSION_DENIED
    _, envelope = site.caller(site.serve()).endorse("create", "a", "1")
    envelope.signature = stranger.sign(envelope.payload)
    request = gateway_pb2.SubmitRequest(channel_id="consortium", prepared_transaction=envelope)
    error = refusal(caller.call, "/gateway.Gateway/Submit", request.SerializeToString())
    assert error.code() is Code.ABORTED
    assert error.details().startswith("received unsuccessful response from orderer: status=FORBIDDEN, info=")


@pytest.mark.parametrize("method", ["Evaluate", "Endorse", "Submit", "CommitStatus", "ChaincodeEvents"])
def test_bytes_that_are_no_request(site, refusal, method):
    caller = site.caller(site.serve())
    for garbage in (b"", b"\xff" * 40):
        if method == "ChaincodeEvents":
            stream = caller.channel.unary_stream(f"/gateway.Gateway/{method}")(garbage, timeout=20)
            error = refusal(next, stream)
        else:
            error = refusal(caller.call, f"/gateway.Gateway/{method}", garbage)
        assert error.code() is Code.INVALID_ARGUMENT


def test_an_unsigned_transaction(site, refusal):
    caller = site.caller(site.serve())
    _, envelope = caller.endorse("create", "a", "1")
    envelope.ClearField("signature")
    request = gateway_pb2.SubmitRequest(channel_id="consortium", prepared_transaction=envelope)
    error = refusal(caller.call, "/gateway.Gateway/Submit", request.SerializeToString())
    assert (error.code(), error.details()) == (Code.INVALID_ARGUMENT, "prepared transaction must be signed")


def test_the_status_of_nothing_waits_until_the_deadline(site, refusal):
    server = site.serve()
    commits = site.ledger.node.notifier
    error = refusal(site.caller(server).status, "00" * 32, timeout_s=0.2)
    assert error.code() is Code.DEADLINE_EXCEEDED
    assert commits.failure == ""


def test_a_cancelled_wait_leaves_nothing_behind(site):
    server = site.serve()
    caller = site.caller(server)
    waiting = server.services.commits
    futures = [
        caller.channel.unary_unary("/gateway.Gateway/CommitStatus").future(
            caller.asked(f"{number:064x}"), timeout=60
        )
        for number in range(20)
    ]
    settled(lambda: waiting.waiting == 20)
    for future in futures:
        future.cancel()
    settled(lambda: waiting.waiting == 0)
    assert not waiting._transactions


def test_the_status_may_be_asked_for_before_the_transaction(site):
    caller = site.caller(site.serve())
    tx_id, envelope = caller.endorse("create", "a", "1")
    future = caller.channel.unary_unary("/gateway.Gateway/CommitStatus").future(
        caller.asked(tx_id), timeout=20
    )
    request = gateway_pb2.SubmitRequest(channel_id="consortium", prepared_transaction=envelope)
    caller.call("/gateway.Gateway/Submit", request.SerializeToString())
    assert gateway_pb2.CommitStatusResponse.FromString(future.result()).block_number == 1


def test_long_calls_do_not_block_others(site):
    """More long calls than there are steady threads; short ones are answered meanwhile."""
    caller = site.caller(site.serve())
    with ThreadPoolExecutor(6) as pool:
        long = [pool.submit(caller.evaluate, "wait") for _ in range(6)]
        for _ in range(6):
            assert site.contract.entered.acquire(timeout=10)
        assert caller.evaluate("read", "a", timeout_s=5) == b""
        caller.run("create", "a", "1")
        site.contract.go_on.set()
        assert [future.result() for future in long] == [b"ok"] * 6


def test_more_calls_than_allowed_are_refused(site, refusal):
    server = site.serve(gateway_calls=2)
    caller = site.caller(server)
    waiting = [
        caller.channel.unary_unary("/gateway.Gateway/CommitStatus").future(
            caller.asked("00" * 32), timeout=60
        )
        for _ in range(2)
    ]
    settled(lambda: server.services.commits.waiting == 2)
    error = refusal(caller.evaluate, "read", "a")
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert error.details() == "too many requests for /gateway.Gateway, exceeding concurrency limit (2)"
    for future in waiting:
        future.cancel()
    settled(lambda: server.services.commits.waiting == 0)
    assert caller.evaluate("read", "a") == b""


def test_messages_up_to_the_limit(site, refusal):
    server = site.serve(message_bytes=1 << 20)
    caller = site.caller(server)
    error = refusal(caller.call, "/gateway.Gateway/Evaluate", b"\x00" * (2 << 20))
    assert error.code() is Code.RESOURCE_EXHAUSTED
    caller.run("create", "a", "x" * 500_000)


def test_a_closed_ledger_is_unavailable(site, refusal):
    caller = site.caller(site.serve())
    site.ledger.close()
    assert refusal(caller.evaluate, "read", "a").code() is Code.UNAVAILABLE
    assert refusal(caller.status, "00" * 32).code() is Code.UNAVAILABLE


def test_methods_that_are_not_there(site, refusal):
    assert refusal(site.caller(site.serve()).call, "/gateway.Gateway/Else", b"").code() is Code.UNIMPLEMENTED
