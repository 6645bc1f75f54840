"""Submitting and waiting in one call, and verdicts asked for within the process, where that is offered."""

import pytest

from fedpact.gateway.errors import CommitError, OutcomeUnknown, SubmitError
from fedpact.gateway.transport import Status
from fedpact.wire.commits import ValidationCode


@pytest.fixture
def transport(scripted):
    return scripted.offer("submit_and_wait")


def test_no_status_request_is_signed(gateway, transport):
    result = gateway.submit("tasks:create")
    assert (result.payload, result.block_number) == (b"result", 7)
    assert transport.methods() == ["endorse", "submit_and_wait"]
    assert transport.calls[-1].timeout_s == 4.0


def test_a_conflict_leads_to_a_new_proposal(gateway, transport, script):
    transport.fail("commit_status", script.invalid(ValidationCode.MVCC_READ_CONFLICT))
    assert gateway.submit("tasks:create").block_number == 7
    assert transport.methods() == ["endorse", "submit_and_wait"] * 2
    transport.fail("commit_status", script.invalid(ValidationCode.ENDORSEMENT_POLICY_FAILURE))
    with pytest.raises(CommitError):
        gateway.submit("tasks:create")


def test_a_refusal_is_final(gateway, transport, script):
    transport.fail("submit", script.failure(Status.PERMISSION_DENIED))
    with pytest.raises(SubmitError) as caught:
        gateway.submit("tasks:create")
    assert not caught.value.undecided
    assert transport.methods() == ["endorse", "submit_and_wait"]


@pytest.mark.parametrize("lost", ["submit", "commit_status"])
def test_without_an_answer_the_transaction_is_looked_up_first(gateway, transport, script, lost):
    transport.fail(lost, script.failure(Status.UNAVAILABLE))
    assert gateway.submit("tasks:create").block_number == 7
    assert transport.methods() == ["endorse", "submit_and_wait", "commit_status"]


def test_what_cannot_be_found_is_sent_again_byte_by_byte(gateway, transport, script):
    late = script.failure(Status.DEADLINE_EXCEEDED)
    transport.fail("commit_status", *[late] * 5)
    with pytest.raises(OutcomeUnknown):
        gateway.submit("tasks:create")
    assert transport.methods() == ["endorse", "submit_and_wait", *["commit_status", "submit_and_wait"] * 2]
    assert len({call.raw for call in transport.calls if call.method == "submit_and_wait"}) == 1


def test_within_the_process_a_verdict_needs_no_signature(gateway, transport):
    transport.offer("verdict")
    commit = gateway.submit_async("tasks:create")
    assert commit.result().block_number == 7
    assert transport.methods() == ["endorse", "submit", "verdict"]


def test_a_signature_made_elsewhere_is_used(gateway, transport, identity):
    transport.offer("verdict")
    commit = gateway.submit_async("tasks:create")
    signed = gateway.signed_commit(commit.to_bytes(), identity.sign(commit.message))
    assert signed.status().valid
    assert transport.methods() == ["endorse", "submit", "commit_status"]
