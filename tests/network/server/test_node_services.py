"""Endorsing peers, batched calls, health, and the endpoint for operators."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_response_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fedpact.gateway.local_frames import (
    CALLS_METHOD,
    Request,
    decode_calls,
    decode_reply,
    encode_call,
    encode_request,
)
from fedpact.gateway.transport import Status, TransportError

Code = grpc.StatusCode
PROCESS = "/protos.Endorser/ProcessProposal"


def endorsed_by(reply):
    endorser = proposal_response_pb2.ProposalResponse.FromString(reply).endorsement.endorser
    return identities_pb2.SerializedIdentity.FromString(endorser).mspid


def test_each_organisations_peer_endorses(site):
    caller = site.caller(site.serve())
    _, signed = caller.proposal("create", "a", "1")
    request = signed.SerializeToString()
    assert endorsed_by(caller.call(PROCESS, request)) == "Org1MSP"
    second = caller.call(PROCESS, request, metadata=[("fedpact-organisation", "Org2MSP")])
    assert endorsed_by(second) == "Org2MSP"
    other = site.caller(site.serve(organisation="Org2MSP"))
    assert endorsed_by(other.call(PROCESS, request)) == "Org2MSP"
    response = proposal_response_pb2.ProposalResponse.FromString(second)
    assert (response.version, response.response.status, response.response.payload) == (1, 200, b"ok")


def test_what_a_peer_refuses(site, refusal):
    caller = site.caller(site.serve())
    _, signed = caller.proposal("refuse")
    response = proposal_response_pb2.ProposalResponse.FromString(
        caller.call(PROCESS, signed.SerializeToString())
    )
    assert (response.response.status, response.response.message) == (403, "refused")
    assert not response.HasField("endorsement")
    _, signed = caller.proposal("read", "a", chaincode="other")
    response = proposal_response_pb2.ProposalResponse.FromString(
        caller.call(PROCESS, signed.SerializeToString())
    )
    assert response.response.status == 500
    signed.signature = b"\x30\x00"
    error = refusal(caller.call, PROCESS, signed.SerializeToString())
    assert (error.code(), "error validating proposal" in error.details()) == (Code.UNKNOWN, True)
    error = refusal(
        caller.call, PROCESS, signed.SerializeToString(), metadata=[("fedpact-organisation", "Org9MSP")]
    )
    assert error.code() is Code.NOT_FOUND


def batches(caller, *messages):
    """Answers by the number of their call."""
    stream = caller.channel.stream_stream(CALLS_METHOD)(iter(messages), timeout=20)
    return dict(call for message in stream for call in decode_calls(message))


def frame(number, method, message, timeout_s=10.0):
    return encode_call(number, encode_request(Request(method, timeout_s, message)))


def test_many_calls_in_a_message(site):
    caller = site.caller(site.serve())
    frames = []
    for number in range(50):
        tx_id, signed = caller.proposal("create", f"k{number}", "1")
        request = gateway_pb2.EndorseRequest(
            transaction_id=tx_id, channel_id="consortium", proposed_transaction=signed
        )
        frames.append(frame(number, "endorse", request.SerializeToString()))
    answers = batches(caller, b"".join(frames))
    assert sorted(answers) == list(range(50))
    ids, frames = [], []
    for number, body in answers.items():
        envelope = gateway_pb2.EndorseResponse.FromString(decode_reply(body)).prepared_transaction
        envelope.signature = caller.identity.sign(envelope.payload)
        payload = common_pb2.Payload.FromString(envelope.payload)
        ids.append(common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id)
        request = gateway_pb2.SubmitRequest(channel_id="consortium", prepared_transaction=envelope)
        frames.append(frame(number, "submit", request.SerializeToString()))
        frames.append(frame(100 + number, "commit_status", caller.asked(ids[-1])))
    answers = batches(caller, *frames)
    assert len(answers) == 100
    for number, body in answers.items():
        if number >= 100:
            assert gateway_pb2.CommitStatusResponse.FromString(decode_reply(body)).result == 0


def test_refusals_in_a_batch(site):
    caller = site.caller(site.serve())
    _, signed = caller.proposal("refuse")
    request = gateway_pb2.EvaluateRequest(channel_id="consortium", proposed_transaction=signed)
    answers = batches(
        caller,
        frame(7, "evaluate", request.SerializeToString())
        + frame(8, "commit_status", caller.asked("00" * 32), timeout_s=0.1)
        + encode_call(9, b"\x01"),
    )
    failures = {}
    for number, body in answers.items():
        with pytest.raises(TransportError) as caught:
            decode_reply(body)
        failures[number] = caught.value
    assert {n: e.status for n, e in failures.items()} == {
        7: Status.UNKNOWN,
        8: Status.DEADLINE_EXCEEDED,
        9: Status.INVALID_ARGUMENT,
    }
    assert failures[7].details[0].message == "chaincode response 403, refused"


def test_a_malformed_batch_ends_the_stream(site, refusal):
    caller = site.caller(site.serve())
    error = refusal(batches, caller, b"\x00\x00\x00\x09abc")
    assert error.code() is Code.INVALID_ARGUMENT


def test_more_batched_calls_than_allowed(site):
    caller = site.caller(site.serve(batched_calls=1))
    waiting = [frame(number, "commit_status", caller.asked("00" * 32), timeout_s=0.3) for number in range(3)]
    answers = batches(caller, b"".join(waiting))
    statuses = []
    for body in answers.values():
        with pytest.raises(TransportError) as caught:
            decode_reply(body)
        statuses.append(caught.value.status)
    assert sorted(statuses) == [
        Status.DEADLINE_EXCEEDED,
        Status.RESOURCE_EXHAUSTED,
        Status.RESOURCE_EXHAUSTED,
    ]


def test_health(site):
    stub = health_pb2_grpc.HealthStub(site.caller(site.serve()).channel)
    for service in ("", "gateway.Gateway", "protos.Deliver", "orderer.AtomicBroadcast"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def fetch(server, path):
    with urllib.request.urlopen(f"http://{server.operations}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_operators_see_health_version_and_metrics(site, refusal):
    server = site.serve(operations="127.0.0.1:0")
    caller = site.caller(server)
    caller.run("create", "a", "1")
    refusal(caller.endorse, "refuse")
    assert json.loads(fetch(server, "/healthz")) == {"status": "OK"}
    version = json.loads(fetch(server, "/version"))
    assert (version["channel"], version["height"]) == ("consortium", 2)
    assert version["peers"] == ["Org1MSP", "Org2MSP"]
    lines = fetch(server, "/metrics").splitlines()
    for line in (
        'ledger_blockchain_height{channel="consortium"} 2.0',
        'ledger_transaction_count{channel="consortium",validation_code="VALID"} 1.0',
        'ledger_block_processing_time_count{channel="consortium"} 1.0',
        "endorser_proposals_received 2.0",
        "endorser_successful_proposals 1.0",
        'endorser_endorsement_failures{chaincode="kv",chaincodeerror="true",channel="consortium"} 1.0',
        'grpc_server_unary_requests_completed{code="OK",method="Submit",service="gateway_Gateway"} 1.0',
        'grpc_server_unary_requests_completed{code="Aborted",method="Endorse",service="gateway_Gateway"} 1.0',
        "# TYPE endorser_proposals_received counter",
    ):
        assert line in lines
    with pytest.raises(urllib.error.HTTPError):
        fetch(server, "/else")


def test_a_node_that_commits_no_more_is_not_healthy(site):
    server = site.serve(operations="127.0.0.1:0")
    site.ledger.close()
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(server, "/healthz")
    assert caught.value.code == 503
    caught.value.close()
    stub = health_pb2_grpc.HealthStub(site.caller(server).channel)
    for _ in range(500):
        answer = stub.Check(health_pb2.HealthCheckRequest(service="gateway.Gateway"), timeout=10)
        if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
            break
        threading.Event().wait(0.01)
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
