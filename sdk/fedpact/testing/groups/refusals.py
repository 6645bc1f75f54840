"""Whom and what a ledger refuses: strangers, forgeries, missing endorsements, wrong times."""

# ruff: noqa: S101

from __future__ import annotations

import datetime

import pytest

from fedpact.gateway.errors import CommitStatusError, EndorseError, EvaluateError, SubmitError
from fedpact.testing.cases import LedgerCases, MakeStage
from fedpact.testing.channels import Capability, Rules
from fedpact.testing.forgery import (
    altered,
    another_result,
    break_endorsement,
    drop_endorsement,
    endorsed_by,
    outsiders,
    repeat_endorsement,
)
from fedpact.testing.probe.cells import Written
from fedpact.testing.stage import SHELF, Stage
from fedpact.wire.commits import ValidationCode

HONEST = Written(shelf=SHELF, place="a", text="honest")
EVERYBODY = Rules(endorsement="AND('Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')")
OUTSIDERS = (
    "a forged signature",
    "a foreign authority",
    "an unknown organisation",
    "an expired certificate",
)
CHANGES = {
    "an endorsement left out": drop_endorsement,
    "one endorsement twice": repeat_endorsement,
    "a broken endorsement": break_endorsement,
    "another result": another_result,
}
DAY_NS = 86_400 * 10**9


class RefusalCases(LedgerCases):
    """A transaction may be refused before its block or found invalid in it; it never counts."""

    @pytest.mark.parametrize("who", OUTSIDERS)
    def test_who_does_not_belong_may_not_call(self, stage: Stage, who: str) -> None:
        """Neither propose nor query."""
        client = stage.client(outsiders(stage)[who])
        with pytest.raises(EndorseError) as endorsed:
            client.create("a")
        with pytest.raises(EvaluateError) as evaluated:
            client.places()
        assert not endorsed.value.retryable
        assert not evaluated.value.retryable
        assert stage.ledger.height() == 1

    @pytest.mark.parametrize("who", OUTSIDERS)
    def test_who_does_not_belong_may_not_submit(self, stage: Stage, who: str) -> None:
        """Nor sign what a member has proposed."""
        endorsed = stage.client().endorse("cells:create", HONEST)
        signature = outsiders(stage)[who].sign(endorsed.message)
        forged = stage.client().gateway.signed_transaction(endorsed.to_bytes(), signature)
        assert stage.outcome(forged) in {None, ValidationCode.BAD_CREATOR_SIGNATURE}
        assert stage.rows() == []

    @pytest.mark.parametrize("who", OUTSIDERS)
    def test_who_does_not_belong_may_not_ask(self, stage: Stage, who: str) -> None:
        """Not even what became of a transaction."""
        known = stage.client().endorse("cells:create", HONEST)
        assert stage.outcome(known) is ValidationCode.VALID
        stranger = outsiders(stage)[who]
        gateway = stage.client(stranger).gateway
        commit = gateway.signed_transaction(known.to_bytes(), b"unused").commit()
        with pytest.raises(CommitStatusError) as caught:
            gateway.signed_commit(commit.to_bytes(), stranger.sign(commit.message)).status()
        assert not caught.value.undecided

    def test_a_payload_altered_after_signing(self, stage: Stage) -> None:
        """The signature covers every byte."""
        client = stage.client()
        endorsed = client.endorse("cells:create", HONEST)
        changed = altered(client, stage.alice, endorsed, drop_endorsement)
        forged = client.gateway.signed_transaction(changed.to_bytes(), stage.alice.sign(endorsed.message))
        assert stage.outcome(forged) in {None, ValidationCode.BAD_CREATOR_SIGNATURE}
        assert stage.rows() == []

    def test_endorsements_are_those_that_the_policy_wants(self, make_stage: MakeStage) -> None:
        """The gateway collects them by itself; fewer are not enough."""
        stage = make_stage(EVERYBODY)
        client = stage.client()
        alone = client.endorse("cells:create", HONEST, organisations=("Org1MSP", "Org3MSP"))
        assert stage.outcome(alone) in {None, ValidationCode.ENDORSEMENT_POLICY_FAILURE}
        assert stage.rows() == []
        client.create("a")
        [(transaction, _)] = [pair for pair in stage.transactions() if pair[1] is ValidationCode.VALID]
        members = stage.channel.config.membership()
        assert {members.identify(endorser).mspid for endorser, _ in transaction.endorsements} == {
            "Org1MSP",
            "Org2MSP",
            "Org3MSP",
        }

    @pytest.mark.parametrize("what", CHANGES)
    def test_what_was_altered_after_endorsement_is_not_endorsed(
        self, make_stage: MakeStage, what: str
    ) -> None:
        """However the creator signs it again."""
        stage = make_stage(EVERYBODY)
        client = stage.client()
        endorsed = client.endorse("cells:create", HONEST)
        forged = altered(client, stage.alice, endorsed, CHANGES[what])
        assert forged.message != endorsed.message
        assert stage.outcome(forged) in {None, ValidationCode.ENDORSEMENT_POLICY_FAILURE}
        assert stage.rows() == []

    @pytest.mark.parametrize("ou", ["client", "admin", "orderer"])
    def test_only_peers_endorse(self, stage: Stage, ou: str) -> None:
        """A member's other certificates count for nothing."""
        client = stage.client()
        endorsed = client.endorse("cells:create", HONEST, organisations=("Org1MSP", "Org2MSP"))
        other = stage.authorities["Org2MSP"].issue("other", role=None, ou=ou)
        forged = altered(client, stage.alice, endorsed, endorsed_by(other))
        assert stage.outcome(forged) in {None, ValidationCode.ENDORSEMENT_POLICY_FAILURE}
        peer = stage.authorities["Org2MSP"].issue("peer1", role=None, ou="peer")
        again = client.endorse("cells:create", HONEST, organisations=("Org1MSP", "Org2MSP"))
        fine = altered(client, stage.alice, again, endorsed_by(peer))
        assert stage.outcome(fine) is ValidationCode.VALID

    @pytest.mark.parametrize("direction", [-1, 1])
    def test_a_proposal_dated_far_from_the_ledgers_clock(self, make_stage: MakeStage, direction: int) -> None:
        """Within the channel's tolerance clocks may differ."""
        self.need(Capability.TIME_TOLERANCE)
        stage = make_stage(Rules())
        far = stage.client(offset_ns=direction * 70 * 10**9)
        with pytest.raises(EndorseError):
            far.create("a")
        with pytest.raises(EvaluateError):
            far.places()
        assert stage.ledger.height() == 1
        stage.client(offset_ns=direction * 10 * 10**9).create("a")
        assert stage.client().places() == ["a"]

    def test_a_certificate_that_expires_meanwhile(self, stage: Stage) -> None:
        """What was endorsed before cannot be submitted after it."""
        self.need(Capability.CLOCK)
        tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        bob = stage.authorities["Org1MSP"].issue("bob", role="member", not_after=tomorrow)
        client = stage.client(bob)
        client.create("a")
        endorsed = client.endorse("cells:write", HONEST)
        stage.clock.offset_ns = 2 * DAY_NS
        with pytest.raises(SubmitError):
            endorsed.submit()
        with pytest.raises(EndorseError):
            client.create("b")
        assert stage.client().read("a") == "text"
