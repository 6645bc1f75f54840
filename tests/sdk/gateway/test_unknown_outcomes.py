"""After a submit that may have arrived: look up, send the same envelope again, never a new proposal."""

import pytest

from fedpact.gateway.errors import CommitError, CommitStatusError, OutcomeUnknown, SubmitError
from fedpact.gateway.transport import Status
from fedpact.wire.commits import ValidationCode
from fedpact.wire.errors import WireError

UNDECIDED = [
    Status.UNAVAILABLE,
    Status.DEADLINE_EXCEEDED,
    Status.CANCELLED,
    Status.RESOURCE_EXHAUSTED,
    Status.UNKNOWN,
    Status.INTERNAL,
    Status.DATA_LOSS,
]


def submitted(transport):
    return [call.raw for call in transport.calls if call.method == "submit"]


@pytest.mark.parametrize("status", UNDECIDED)
def test_a_submit_that_arrived_is_found_by_looking_it_up(gateway, transport, script, pauses, status):
    transport.fail("submit", script.failure(status))
    result = gateway.submit("tasks:create")
    assert transport.methods() == ["endorse", "submit", "commit_status"]
    assert transport.calls[-1].timeout_s == 5.0
    assert result.transaction_id == transport.calls[0].request.transaction_id
    assert len(pauses.waits) == 1


def test_a_submit_that_did_not_arrive_is_sent_again_byte_by_byte(gateway, transport, script):
    transport.fail("submit", script.failure(Status.UNAVAILABLE))
    transport.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    result = gateway.submit("tasks:create")
    assert transport.methods() == ["endorse", "submit", "commit_status", "submit", "commit_status"]
    first, second = submitted(transport)
    assert first == second
    assert result.transaction_id == transport.calls[0].request.transaction_id
    assert [call.timeout_s for call in transport.calls] == [2.0, 3.0, 5.0, 3.0, 4.0]


def test_a_verdict_that_does_not_come_is_looked_up_and_the_envelope_sent_again(gateway, transport, script):
    late = script.failure(Status.DEADLINE_EXCEEDED)
    transport.fail("commit_status", late, late)
    gateway.submit("tasks:create")
    assert transport.methods() == [
        "endorse",
        "submit",
        "commit_status",
        "commit_status",
        "submit",
        "commit_status",
    ]
    assert len(set(submitted(transport))) == 1


def test_a_verdict_that_never_comes_is_an_unknown_outcome(gateway, transport, script, pauses):
    transport.fail("commit_status", *[script.failure(Status.DEADLINE_EXCEEDED)] * 5)
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit("tasks:create")
    error = caught.value
    assert transport.methods().count("endorse") == 1
    assert len(submitted(transport)) == 3
    assert len(set(submitted(transport))) == 1
    assert len(pauses.waits) == 2
    assert not error.retryable
    assert error.status is Status.DEADLINE_EXCEEDED
    assert error.transaction_id == transport.calls[0].request.transaction_id


def test_a_submit_that_never_arrives_is_an_unknown_outcome(gateway, transport, script):
    transport.fail("submit", *[script.failure(Status.UNAVAILABLE)] * 3)
    transport.fail("commit_status", *[script.failure(Status.UNAVAILABLE)] * 2)
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit("tasks:create")
    assert caught.value.status is Status.UNAVAILABLE
    assert len(set(submitted(transport))) == 1


def test_an_unknown_outcome_can_be_resumed_later(gateway, transport, script):
    transport.fail("commit_status", *[script.failure(Status.DEADLINE_EXCEEDED)] * 5)
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit("tasks:create")
    before = submitted(transport)
    transport.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    result = gateway.resume(caught.value.transaction)
    assert (result.transaction_id, result.payload) == (caught.value.transaction_id, b"result")
    assert set(submitted(transport)) == set(before)
    assert transport.methods()[-3:] == ["commit_status", "submit", "commit_status"]


def test_resuming_a_committed_transaction_only_looks_it_up(gateway, transport):
    transaction = gateway.new_proposal("tasks:create").endorse()
    transaction.submit()
    assert gateway.resume(transaction.to_bytes()).block_number == 7
    assert transport.methods() == ["endorse", "submit", "commit_status"]


def test_a_refusal_while_resuming_leaves_the_outcome_unknown(gateway, transport, script):
    transaction = gateway.new_proposal("tasks:create").endorse()
    transaction.submit()
    transport.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    transport.fail("submit", script.failure(Status.PERMISSION_DENIED))
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.resume(transaction.to_bytes())
    assert caught.value.transaction == transaction.to_bytes()


def test_resuming_what_is_no_transaction_is_refused(gateway, transport):
    with pytest.raises(WireError):
        gateway.resume(b"\xff")
    assert transport.calls == []


def test_a_refusal_after_an_unknown_attempt_does_not_tell(gateway, transport, script):
    transport.fail("submit", script.failure(Status.UNAVAILABLE), script.failure(Status.PERMISSION_DENIED))
    transport.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    with pytest.raises(OutcomeUnknown) as caught:
        gateway.submit("tasks:create")
    assert caught.value.status is Status.PERMISSION_DENIED
    assert len(submitted(transport)) == 2


def test_a_status_call_that_is_refused_leaves_the_outcome_unknown(gateway, transport, script):
    transport.fail("commit_status", script.failure(Status.PERMISSION_DENIED))
    with pytest.raises(OutcomeUnknown):
        gateway.submit("tasks:create")
    assert transport.methods() == ["endorse", "submit", "commit_status"]


@pytest.mark.parametrize("reply", [b"\xff", b"\x08\x63"], ids=["no message", "unknown code"])
def test_a_malformed_verdict_is_no_verdict(gateway, transport, reply):
    transport.fail("commit_status", lambda _reply: reply)
    assert gateway.submit("tasks:create").block_number == 7
    assert transport.methods() == ["endorse", "submit", "commit_status", "commit_status"]


def test_a_conflict_found_after_a_lookup_leads_to_a_new_proposal(gateway, transport, script):
    transport.fail("submit", script.failure(Status.UNAVAILABLE))
    transport.fail("commit_status", script.invalid(ValidationCode.MVCC_READ_CONFLICT))
    gateway.submit("tasks:create")
    first, second = transport.requests("endorse")
    assert first.transaction_id != second.transaction_id


def test_an_invalid_verdict_found_by_looking_up_is_final(gateway, transport, script):
    transport.fail("submit", script.failure(Status.UNAVAILABLE))
    transport.fail("commit_status", script.invalid(ValidationCode.ENDORSEMENT_POLICY_FAILURE))
    with pytest.raises(CommitError):
        gateway.submit("tasks:create")


def test_submit_async_sends_the_same_envelope_again(gateway, transport, script):
    transport.fail("submit", script.failure(Status.UNAVAILABLE))
    assert gateway.submit_async("tasks:create").result().block_number == 7
    assert transport.methods() == ["endorse", "submit", "submit", "commit_status"]
    assert len(set(submitted(transport))) == 1


def test_submit_async_ends_in_an_unknown_outcome_or_a_refusal(gateway, transport, script):
    transport.fail("submit", *[script.failure(Status.UNAVAILABLE)] * 3)
    with pytest.raises(OutcomeUnknown):
        gateway.submit_async("tasks:create")
    transport.fail("submit", script.failure(Status.INVALID_ARGUMENT))
    with pytest.raises(SubmitError):
        gateway.submit_async("tasks:create")


def test_a_single_status_call_says_that_it_may_be_asked_again(gateway, transport, script):
    commit = gateway.submit_async("tasks:create")
    transport.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    with pytest.raises(CommitStatusError) as caught:
        commit.status()
    assert caught.value.retryable
    assert commit.status().valid
