"""Stages that are signed where the key is, while the gateway is called from where the network is."""

import pytest

from fedpact.gateway.client import Gateway
from fedpact.gateway.commit import Commit
from fedpact.wire.errors import WireCode, WireError


class Absent:
    """An identity whose key is elsewhere."""

    def __init__(self, creator):
        self.creator = creator

    def sign(self, message):
        raise AssertionError("the key is not here")


@pytest.fixture
def online(transport, identity):
    return Gateway(transport, Absent(identity.creator))


def test_a_transaction_signed_elsewhere_goes_through_all_stages(online, transport, identity):
    proposal = online.new_proposal("tasks:create", b"{}", organisations=["HospitalMSP"])
    signed = online.signed_proposal(proposal.to_bytes(), identity.sign(proposal.message))
    transaction = signed.endorse()
    submitted = online.signed_transaction(transaction.to_bytes(), identity.sign(transaction.message))
    asked = submitted.submit()
    commit = online.signed_commit(asked.to_bytes(), identity.sign(asked.message))
    assert commit.status().valid
    assert transport.methods() == ["endorse", "submit", "commit_status"]
    assert list(transport.requests("endorse")[0].endorsing_organizations) == ["HospitalMSP"]
    ids = {stage.transaction_id for stage in (proposal, signed, transaction, submitted, asked, commit)}
    assert len(ids) == 1


def test_a_query_signed_elsewhere_is_evaluated(online, identity):
    proposal = online.new_proposal("tasks:get")
    signed = online.signed_proposal(proposal.to_bytes(), identity.sign(proposal.message))
    assert signed.evaluate() == b"evaluated"


def test_a_signed_stage_keeps_its_signature_in_its_bytes(gateway):
    transaction = gateway.new_proposal("tasks:create").endorse()
    unsigned = transaction.to_bytes()
    transaction.submit()
    assert transaction.to_bytes() != unsigned
    assert transaction.to_bytes() == transaction.to_bytes()


@pytest.mark.parametrize(
    ("take_up", "code"),
    [
        (Gateway.signed_proposal, WireCode.BAD_PROPOSAL),
        (Gateway.signed_transaction, WireCode.INVALID_ENDORSER_TRANSACTION),
        (Gateway.signed_commit, WireCode.BAD_STATUS_REQUEST),
    ],
)
def test_malformed_stages_are_refused(gateway, take_up, code):
    with pytest.raises(WireError) as caught:
        take_up(gateway, b"\xff", b"signature")
    assert caught.value.code is code


def test_a_lookup_needs_the_transaction_id_only(gateway, transport):
    commit = gateway.submit_async("tasks:create")
    again = gateway.signed_commit(commit.to_bytes(), b"")
    assert isinstance(again, Commit)
    assert again.message == commit.message
