"""The client's core without any I/O: each flow is driven by hand, through every stage and every failure."""

import random

import pytest

from fedpact.gateway.commit import CommitStage
from fedpact.gateway.connection import Deadlines, Retries, Terms
from fedpact.gateway.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    EvaluateError,
    OutcomeUnknown,
    SubmitError,
)
from fedpact.gateway.flows import Call, Pause
from fedpact.gateway.messages import SignedProposal
from fedpact.gateway.proposal import ProposalStage
from fedpact.gateway.settlement import commit, hand_over, resume, settle
from fedpact.gateway.transaction import TransactionStage
from fedpact.gateway.transport import ErrorDetail, Status, TransportError
from fedpact.wire.commits import ValidationCode
from fedpact.wire.proposals import build_proposal
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected

STAGES = ["evaluate", "endorse", "submit", "commit_status"]
ERRORS = {
    "evaluate": EvaluateError,
    "endorse": EndorseError,
    "submit": SubmitError,
    "commit_status": CommitStatusError,
}
PATIENCE = Deadlines(evaluate_s=1.0, endorse_s=2.0, submit_s=3.0, commit_s=4.0, lookup_s=5.0)
DECIDED = [
    Status.INVALID_ARGUMENT,
    Status.NOT_FOUND,
    Status.ALREADY_EXISTS,
    Status.PERMISSION_DENIED,
    Status.FAILED_PRECONDITION,
    Status.ABORTED,
    Status.OUT_OF_RANGE,
    Status.UNIMPLEMENTED,
    Status.UNAUTHENTICATED,
]


@pytest.fixture
def terms(identity):
    retries = Retries(conflicts=2, resends=2, first_s=0.1, cap_s=0.3, rng=random.Random(3))
    return Terms(identity, "consortium", PATIENCE, retries, b"")


@pytest.fixture
def propose(terms):
    def made():
        built = build_proposal(
            terms.identity.creator,
            channel_id="consortium",
            chaincode="fedpact",
            args=[b"tasks:create"],
            timestamp_ns=1,
        )
        return ProposalStage(terms, SignedProposal(built.transaction_id, "consortium", built.proposal_bytes))

    return made


@pytest.fixture
def drive(scripted):
    """Runs a flow against the scripted gateway; returns its result and what it asked for."""

    def run(flow):
        steps = []
        try:
            step = next(flow)
            while True:
                steps.append(step)
                if isinstance(step, Pause):
                    step = flow.send(b"")
                    continue
                try:
                    reply = getattr(scripted, step.stage)(step.request, timeout_s=step.timeout_s)
                except Exception as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as done:
            return done.value, steps

    return run


@pytest.fixture
def transaction(terms, propose, drive, scripted):
    prepared, _ = drive(propose().endorsing())
    scripted.calls.clear()
    return TransactionStage(terms, prepared)


@pytest.fixture
def flow_of(propose, transaction):
    """The flow of each stage."""
    proposal, status = propose(), transaction.stage_of_commit()
    flows = (proposal.evaluating, proposal.endorsing, transaction.submitting, status.asking)
    return dict(zip(STAGES, flows, strict=True))


def kinds(steps):
    return [step.stage if isinstance(step, Call) else "pause" for step in steps]


def test_each_stage_asks_for_one_call_with_its_own_deadline(terms, propose, drive):
    proposal = propose()
    assert kinds(drive(proposal.evaluating())[1]) == ["evaluate"]
    prepared, [endorse] = drive(proposal.endorsing())
    submitted = TransactionStage(terms, prepared)
    _, [submit] = drive(submitted.submitting())
    status, [ask] = drive(submitted.stage_of_commit().asking())
    assert [step.timeout_s for step in (endorse, submit, ask)] == [2.0, 3.0, 4.0]
    assert (status.code, status.block_number) == (ValidationCode.VALID, 7)
    assert drive(submitted.stage_of_commit().asking(0.5))[1][0].timeout_s == 0.5


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("status", list(Status))
def test_each_failure_of_each_stage_is_its_error(flow_of, drive, scripted, stage, status):
    details = (ErrorDetail("peer0:7051", "HospitalMSP", "why"),)
    scripted.fail(stage, TransportError(status, "no", details))
    with pytest.raises(ERRORS[stage]) as caught:
        drive(flow_of[stage]())
    assert (caught.value.status, caught.value.details) == (status, details)


@pytest.mark.parametrize("stage", ["evaluate", "endorse"])
def test_a_contracts_refusal_comes_out_of_the_flow(propose, drive, scripted, script, stage):
    answer = ErrorDetail("p", "M", f"chaincode response 409, {Rejected(RECORD_EXISTS).to_json()}")
    scripted.fail(stage, script.failure(Status.ABORTED, "see details", (answer,)))
    proposal = propose()
    with pytest.raises(Rejected) as caught:
        drive(proposal.evaluating() if stage == "evaluate" else proposal.endorsing())
    assert caught.value.transaction_id == proposal.transaction_id


def test_a_conflict_pauses_and_proposes_anew(terms, propose, drive, scripted, script):
    scripted.fail("commit_status", script.invalid(ValidationCode.MVCC_READ_CONFLICT))
    result, steps = drive(commit(terms, "tasks:create", propose))
    one = ["endorse", "submit", "commit_status"]
    assert kinds(steps) == [*one, "pause", *one]
    assert result.transaction_id == scripted.requests("endorse")[-1].transaction_id
    assert 0 <= steps[3].seconds <= 0.1


def test_conflicts_end(terms, propose, drive, scripted, script):
    scripted.fail("commit_status", *[script.invalid(ValidationCode.PHANTOM_READ_CONFLICT)] * 3)
    with pytest.raises(CommitError):
        drive(commit(terms, "tasks:create", propose))
    assert scripted.methods().count("endorse") == 3


@pytest.mark.parametrize("status", [status for status in Status if status not in DECIDED])
def test_an_undecided_submit_is_looked_up_then_sent_again(terms, transaction, drive, scripted, status):
    scripted.fail("submit", TransportError(status, "scripted"))
    scripted.fail("commit_status", TransportError(Status.DEADLINE_EXCEEDED, "scripted"))
    result, steps = drive(settle(terms, transaction))
    assert kinds(steps) == ["submit", "pause", "commit_status", "submit", "commit_status"]
    assert steps[0].request == steps[3].request
    assert steps[2].timeout_s == 5.0
    assert result.transaction_id == transaction.transaction_id


@pytest.mark.parametrize("status", DECIDED)
def test_a_decided_submit_is_final(terms, transaction, drive, scripted, script, status):
    scripted.fail("submit", script.failure(status))
    with pytest.raises(SubmitError):
        drive(settle(terms, transaction))
    assert scripted.methods() == ["submit"]


def test_without_a_verdict_the_outcome_is_unknown(terms, transaction, drive, scripted, script):
    scripted.fail("commit_status", *[script.failure(Status.UNAVAILABLE)] * 9)
    with pytest.raises(OutcomeUnknown) as caught:
        drive(settle(terms, transaction))
    assert caught.value.transaction == transaction.to_bytes()
    assert scripted.methods().count("submit") == 3


def test_resuming_looks_up_first(terms, transaction, drive, scripted, script):
    assert kinds(drive(resume(terms, transaction))[1]) == ["commit_status"]
    scripted.fail("commit_status", script.failure(Status.DEADLINE_EXCEEDED))
    scripted.fail("submit", script.failure(Status.PERMISSION_DENIED))
    with pytest.raises(OutcomeUnknown):
        drive(resume(terms, transaction))


def test_handing_over_repeats_the_envelope_and_asks_for_no_verdict(terms, propose, drive, scripted, script):
    scripted.fail("submit", script.failure(Status.UNAVAILABLE))
    handed, steps = drive(hand_over(terms, propose()))
    assert kinds(steps) == ["endorse", "submit", "pause", "submit"]
    assert steps[1].request == steps[3].request
    assert handed.transaction_id == scripted.requests("endorse")[0].transaction_id


def test_signatures_are_made_once(terms, transaction, drive):
    _, [first] = drive(transaction.submitting())
    _, [second] = drive(transaction.submitting())
    assert first == second
    commit_stage = CommitStage(terms, transaction.transaction_id)
    assert drive(commit_stage.asking())[1] == drive(commit_stage.asking())[1]
