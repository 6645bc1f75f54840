"""Changes of the channel's configuration."""

# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fabric_protos.common import configtx_pb2

from fedpact.audit import audit
from fedpact.gateway.errors import GatewayError, SubmitError
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.probe.cells import Written
from fedpact.testing.stage import SHELF, Stage
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config_changes import (
    desired,
    publish_revocation_list,
    remove_organisation,
    set_batch_rules,
    set_policy,
)
from fedpact.wire.config_update import compute_update, sign_update, update_envelope

Change = Callable[[configtx_pb2.ConfigGroup], None]


class ConfigurationCases(LedgerCases):
    """Updates, signed by administrators, each alone in its block."""

    def test_a_change_is_in_force_with_its_block(self, stage: Stage) -> None:
        """And stays so; the audit follows."""
        self.need(Capability.CONFIGURATION)
        gateway = stage.client().gateway
        rules = replace(gateway.configuration().batch, max_messages=7)
        result = gateway.update_configuration(_update(stage, lambda group: set_batch_rules(group, rules)))
        assert result.block_number == 1
        bundle = gateway.configuration()
        assert (bundle.sequence, bundle.block_number, bundle.batch) == (1, 1, rules)
        stage.client().create("a")
        assert [parse_block(block).last_config for block in stage.ledger.blocks()] == [0, 1, 1]

    def test_too_few_signatures_change_nothing(self, stage: Stage) -> None:
        """The update is refused at once."""
        self.need(Capability.CONFIGURATION)
        rules = replace(stage.client().gateway.configuration().batch, max_messages=7)
        update = _update(stage, lambda group: set_batch_rules(group, rules), signers=("Org1MSP",))
        with pytest.raises(SubmitError):
            stage.client().gateway.update_configuration(update)
        assert stage.ledger.height() == 1

    def test_another_policy_counts_for_what_was_endorsed_before(self, stage: Stage) -> None:
        """It is judged by the configuration of its block's turn."""
        self.need(Capability.CONFIGURATION)
        client = stage.client()
        before = client.endorse("cells:write", Written(shelf=SHELF, place="a", text="before"))
        path = "/Channel/Application/Endorsement"
        update = _update(stage, lambda group: set_policy(group, path, "ALL Endorsement"))
        client.gateway.update_configuration(update)
        assert stage.outcome(before) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        client.create("a", "after")
        assert client.read("a") == "after"

    @pytest.mark.parametrize("how", ["removed", "revoked"])
    def test_who_is_out_is_refused(self, stage: Stage, how: str) -> None:
        """As a member of an organisation that left, or alone; what was done before stays valid."""
        self.need(Capability.CONFIGURATION)
        bob = stage.member("Org3MSP")
        client = stage.client(bob)
        client.create("a")
        endorsed = client.endorse("cells:write", Written(shelf=SHELF, place="a", text="later"))
        revocations = stage.authorities["Org3MSP"].revoke([bob.certificate.serial_number])
        changes: dict[str, Change] = {
            "removed": lambda group: remove_organisation(group, "Org3MSP"),
            "revoked": lambda group: publish_revocation_list(group, "Org3MSP", revocations),
        }
        stage.client().gateway.update_configuration(_update(stage, changes[how]))
        assert stage.outcome(endorsed) in (None, ValidationCode.BAD_CREATOR_SIGNATURE)
        with pytest.raises(GatewayError):
            client.create("b")
        assert stage.client().places() == ["a"]
        assert audit(stage.ledger, chaincodes=stage.channel.chaincodes).ok


def _update(
    stage: Stage, change: Change, *, signers: tuple[str, ...] = ("Org1MSP", "Org2MSP", "Org3MSP")
) -> bytes:
    bundle = stage.client().gateway.configuration()
    group = desired(bundle)
    change(group)
    update = compute_update(bundle, group)
    people = [stage.administrator(mspid).identity for mspid in signers]
    return update_envelope(
        update, [sign_update(update, person) for person in people], people[0], timestamp_ns=stage.clock()
    )
