"""The client's way from a function to a committed result, against a scripted gateway."""

import hashlib

import pytest
from fabric_protos.gateway import gateway_pb2

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import CommitError, EndorseError, EvaluateError, SubmitError
from fedpact.gateway.transport import ErrorDetail, Status
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import Response
from fedpact.wire.proposals import parse_proposal
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

CONFLICTS = [ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT]


def proposal_of(request):
    return parse_proposal(request.proposed_transaction.proposal_bytes)


def test_submit_goes_through_all_stages(gateway, transport, identity):
    result = gateway.submit("tasks:create", b'{"a":1}')
    assert transport.methods() == ["endorse", "submit", "commit_status"]
    assert (result.payload, result.block_number) == (b"result", 7)
    [endorse], [submit], [signed] = (
        transport.requests(name) for name in ("endorse", "submit", "commit_status")
    )
    asked = gateway_pb2.CommitStatusRequest.FromString(signed.request)
    assert {endorse.transaction_id, submit.transaction_id, asked.transaction_id} == {result.transaction_id}
    assert {endorse.channel_id, submit.channel_id, asked.channel_id} == {"consortium"}
    assert asked.identity == identity.creator
    proposal = proposal_of(endorse)
    assert proposal.args == (b"tasks:create", b'{"a":1}')
    assert proposal.chaincode == "fedpact"
    assert proposal.creator == identity.creator
    assert proposal.timestamp_ns == gateway.clock()


def test_a_function_without_message_has_one_argument(gateway, transport):
    gateway.submit("org.hyperledger.fabric:GetMetadata")
    assert proposal_of(transport.requests("endorse")[0]).args == (b"org.hyperledger.fabric:GetMetadata",)


def test_transient_data_goes_to_the_endorsers_only(gateway, transport):
    gateway.submit("tasks:create", b"{}", transient={"k": b"secret"})
    assert proposal_of(transport.requests("endorse")[0]).transient == {"k": b"secret"}
    assert b"secret" not in transport.calls[1].raw


def test_endorsing_organisations_are_passed_on(gateway, transport):
    gateway.new_proposal("tasks:create", organisations=["Org1MSP", "Org2MSP"]).endorse()
    assert list(transport.requests("endorse")[0].endorsing_organizations) == ["Org1MSP", "Org2MSP"]


def test_every_call_gets_its_deadline(gateway, transport):
    gateway.evaluate("tasks:get")
    gateway.submit("tasks:create")
    assert [(call.method, call.timeout_s) for call in transport.calls] == [
        ("evaluate", 1.0),
        ("endorse", 2.0),
        ("submit", 3.0),
        ("commit_status", 4.0),
    ]


def test_evaluate_returns_the_result_and_changes_nothing(gateway, transport):
    assert gateway.evaluate("tasks:get", b"{}") == b"evaluated"
    assert transport.methods() == ["evaluate"]


def test_submit_async_leaves_the_verdict_to_the_caller(gateway, transport):
    commit = gateway.submit_async("tasks:create")
    assert transport.methods() == ["endorse", "submit"]
    assert commit.payload == b"result"
    assert commit.result().block_number == 7
    assert commit.status(timeout_s=0.5).valid
    assert transport.calls[-1].timeout_s == 0.5


def test_stages_can_be_walked_one_by_one(gateway):
    proposal = gateway.new_proposal("tasks:create")
    transaction = proposal.endorse()
    commit = transaction.submit()
    assert proposal.transaction_id == transaction.transaction_id == commit.transaction_id
    assert transaction.payload == b"result"
    assert commit.status().valid


def refusal(script, status):
    rejected = Rejected(RECORD_EXISTS, key="task-1", holders=["Org1MSP"], versions=[1, 2])
    detail = ErrorDetail("peer0:7051", "HospitalMSP", f"chaincode response 409, {rejected.to_json()}")
    return script.failure(status, "failed, see details", [detail])


@pytest.mark.parametrize(("method", "status"), [("endorse", Status.ABORTED), ("evaluate", Status.UNKNOWN)])
def test_a_contracts_refusal_is_raised_again(gateway, transport, script, method, status):
    transport.fail(method, refusal(script, status))
    call = gateway.submit if method == "endorse" else gateway.evaluate
    with pytest.raises(Rejected) as caught:
        call("tasks:create")
    assert caught.value.code is RECORD_EXISTS
    assert caught.value.fields == {"key": "task-1", "holders": ["Org1MSP"], "versions": [1, 2]}
    assert caught.value.transaction_id == transport.calls[0].request.transaction_id
    assert transport.methods() == [method]


def test_a_refusal_in_fabrics_evaluate_message_is_found(gateway, transport, script):
    answer = Rejected(RECORD_EXISTS).to_json()
    text = f"evaluate call to endorser returned error: chaincode response 409, {answer}"
    transport.fail("evaluate", script.failure(Status.UNKNOWN, text))
    with pytest.raises(Rejected) as caught:
        gateway.evaluate("tasks:get")
    assert caught.value.code is RECORD_EXISTS


def test_a_foreign_chaincodes_refusal_stays_a_gateway_error(gateway, transport, script):
    details = (ErrorDetail("peer0", "Org1MSP", "chaincode response 500, no such asset"),)
    transport.fail("endorse", script.failure(Status.ABORTED, "failed", details))
    with pytest.raises(EndorseError) as caught:
        gateway.submit("basic:create")
    error = caught.value
    assert (error.status, error.details, error.retryable) == (Status.ABORTED, details, False)
    assert error.transaction_id == transport.calls[0].request.transaction_id


@pytest.mark.parametrize("status", [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED])
def test_an_unreachable_endorser_is_worth_a_retry(gateway, transport, script, status):
    transport.fail("endorse", script.failure(status))
    with pytest.raises(EndorseError) as caught:
        gateway.submit("tasks:create")
    assert caught.value.retryable
    transport.fail("evaluate", script.failure(status))
    with pytest.raises(EvaluateError) as asked:
        gateway.evaluate("tasks:get")
    assert asked.value.retryable


def test_a_refusing_status_inside_a_reply_is_a_refusal(gateway, transport, script):
    refusing = Response(409, Rejected(RECORD_EXISTS).to_json())

    def refuse(_reply):
        asked = transport.calls[-1].request.proposed_transaction
        return gateway_pb2.EndorseResponse(
            prepared_transaction=script.endorsed(asked.proposal_bytes, refusing)
        )

    transport.fail("endorse", refuse)
    with pytest.raises(Rejected):
        gateway.submit("tasks:create")
    assert transport.methods() == ["endorse"]


@pytest.mark.parametrize("code", CONFLICTS)
def test_a_conflict_is_tried_again_with_a_new_proposal(gateway, transport, script, pauses, code):
    transport.fail("commit_status", script.invalid(code), script.invalid(code))
    result = gateway.submit("tasks:create", b"{}")
    ids = [request.transaction_id for request in transport.requests("endorse")]
    assert len(set(ids)) == 3
    assert result.transaction_id == ids[-1]
    assert transport.methods() == ["endorse", "submit", "commit_status"] * 3
    assert {proposal_of(request).args for request in transport.requests("endorse")} == {
        (b"tasks:create", b"{}")
    }
    assert len(pauses.waits) == 2


def test_waits_are_jittered_and_capped(gateway, transport, script, pauses):
    transport.fail("commit_status", *[script.invalid(CONFLICTS[0])] * 3)
    gateway.submit("tasks:create")
    assert all(0 <= wait <= bound for wait, bound in zip(pauses.waits, [0.1, 0.2, 0.3], strict=True))
    assert len(set(pauses.waits)) == 3


def test_the_wait_grows_exponentially_up_to_its_cap():
    class Upper:
        def uniform(self, _low, high):
            return high

    retries = Retries(first_s=0.02, cap_s=0.1, rng=Upper())
    assert [retries.wait_s(attempt) for attempt in range(1, 6)] == [0.02, 0.04, 0.08, 0.1, 0.1]
    assert retries.wait_s(10_000) == 0.1


def test_conflicts_without_end_become_a_commit_error(gateway, transport, script):
    transport.fail("commit_status", *[script.invalid(CONFLICTS[0])] * 4)
    with pytest.raises(CommitError) as caught:
        gateway.submit("tasks:create")
    error = caught.value
    assert (error.code, error.block_number, error.retryable) == (CONFLICTS[0], 7, True)
    assert error.transaction_id == transport.requests("endorse")[-1].transaction_id
    assert len(transport.requests("endorse")) == 4


@pytest.mark.parametrize(
    "code", [code for code in ValidationCode if code not in [*CONFLICTS, ValidationCode.VALID]]
)
def test_any_other_invalidity_is_final(gateway, transport, script, code):
    transport.fail("commit_status", script.invalid(code))
    with pytest.raises(CommitError) as caught:
        gateway.submit("tasks:create")
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert transport.methods() == ["endorse", "submit", "commit_status"]


@pytest.mark.parametrize(
    "status",
    [Status.INVALID_ARGUMENT, Status.NOT_FOUND, Status.PERMISSION_DENIED, Status.FAILED_PRECONDITION],
)
def test_a_refused_submit_is_final(gateway, transport, script, status):
    transport.fail("submit", script.failure(status))
    with pytest.raises(SubmitError) as caught:
        gateway.submit("tasks:create")
    assert (caught.value.status, caught.value.undecided, caught.value.retryable) == (status, False, False)
    assert transport.methods() == ["endorse", "submit"]


def _other_proposal(transport, script, identity):
    other = Gateway(transport, identity).new_proposal("credit:pay", b'{"all":1}')
    return script.endorsed(other.message)


def _other_arguments(transport, script, _identity):
    prepared = script.endorsed(transport.calls[-1].request.proposed_transaction.proposal_bytes)
    prepared.payload = prepared.payload.replace(b"tasks:create", b"tasks:cancel")
    return prepared


def _other_result(transport, script, identity):
    other = Gateway(transport, identity).new_proposal("tasks:create")
    asked = transport.calls[-1].request.proposed_transaction
    return script.endorsed(asked.proposal_bytes, executed=other.message)


def _no_transaction(_transport, _script, _identity):
    return gateway_pb2.EndorseResponse().prepared_transaction


@pytest.mark.parametrize("prepare", [_other_proposal, _other_arguments, _other_result, _no_transaction])
def test_the_client_signs_no_transaction_but_its_own(gateway, transport, script, identity, prepare):
    transport.fail(
        "endorse",
        lambda _reply: gateway_pb2.EndorseResponse(prepared_transaction=prepare(transport, script, identity)),
    )
    with pytest.raises(EndorseError) as caught:
        gateway.submit("tasks:create")
    assert caught.value.status is Status.INTERNAL
    assert transport.methods() == ["endorse"]


@pytest.mark.parametrize(("method", "error"), [("evaluate", EvaluateError), ("endorse", EndorseError)])
def test_malformed_replies_are_errors_of_their_stage(gateway, transport, method, error):
    transport.fail(method, lambda _reply: b"\xff")
    with pytest.raises(error) as caught:
        (gateway.evaluate if method == "evaluate" else gateway.submit)("tasks:create")
    assert caught.value.status is Status.INTERNAL


def test_messages_and_digests_are_what_is_signed(gateway, transport):
    proposal = gateway.new_proposal("tasks:create")
    transaction = proposal.endorse()
    commit = transaction.submit()
    commit.status()
    for stage in (proposal, transaction, commit):
        assert stage.digest == hashlib.sha256(stage.message).digest()
    assert transport.requests("endorse")[0].proposed_transaction.proposal_bytes == proposal.message
    assert transport.requests("submit")[0].prepared_transaction.payload == transaction.message
    assert transport.requests("commit_status")[0].request == commit.message
