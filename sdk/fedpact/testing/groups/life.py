"""A ledger's life: genesis, closing, opening again."""

# ruff: noqa: S101

from __future__ import annotations

from dataclasses import replace

import pytest
from fabric_protos.common import common_pb2

from fedpact.gateway.errors import EndorseError, EvaluateError
from fedpact.ledger import LedgerError, LedgerView
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import CHANNEL_ID, Capability
from fedpact.testing.probe.cells import CELLS
from fedpact.testing.probe.tallies import Change
from fedpact.testing.stage import SHELF, Stage
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import ChannelConfig
from fedpact.wire.state_hash import state_hash_of


class LifeCases(LedgerCases):
    """How a ledger comes into being, rests and goes on."""

    def test_a_new_ledger_holds_its_genesis_block_only(self, stage: Stage) -> None:
        """Its configuration is the channel's, its state is empty."""
        ledger = stage.ledger
        assert ledger.channel_id == CHANNEL_ID
        assert ledger.height() == 1
        [genesis] = ledger.blocks()
        assert ChannelConfig.from_block(common_pb2.Block.FromString(genesis)) == stage.channel.config
        assert stage.rows() == []
        assert ledger.state_hash() == ledger.state_hash_at(0) == state_hash_of([])

    def test_a_ledger_is_created_once(self, stage: Stage) -> None:
        """Creating it again is refused and leaves it as it is."""
        stage.client().create("a")
        with pytest.raises(LedgerError) as caught:
            self.create_ledger(stage.channel)
        assert caught.value.code == "LEDGER_EXISTS"
        assert stage.client().places() == ["a"]

    def test_a_reopened_ledger_is_the_same(self, stage: Stage) -> None:
        """Everything that can be read stays, and it goes on where it was."""
        self.need(Capability.REOPENING)
        client = stage.client()
        ids = [client.write("a", "1"), client.write("a", "2"), client.remove("a"), client.create("b")]
        before = _everything(stage.ledger, [result.transaction_id for result in ids])
        stage.reopen()
        assert _everything(stage.ledger, [result.transaction_id for result in ids]) == before
        assert stage.client().create("c").block_number == stage.ledger.height() - 1
        assert stage.client().places() == ["b", "c"]

    def test_versions_outlast_reopening(self, stage: Stage) -> None:
        """What was read before the ledger was closed is stale if it changes after it was opened again."""
        self.need(Capability.REOPENING)
        add = Change(name="n", amount=1)
        stage.client().submit("tallies:add", add)
        stale = stage.client().endorse("tallies:add", add)
        stage.reopen()
        client = stage.client()
        client.submit("tallies:add", add)
        later = client.gateway.signed_transaction(stale.to_bytes(), stage.alice.sign(stale.message))
        assert stage.outcome(later) is ValidationCode.MVCC_READ_CONFLICT

    def test_closing_commits_what_was_accepted(self, stage: Stage) -> None:
        """Whoever was told that a transaction is submitted finds it afterwards."""
        self.need(Capability.REOPENING)
        client = stage.client()
        waiting = [client.endorse("tallies:add", Change(name=f"n{n}", amount=1)) for n in range(20)]
        for transaction in waiting:
            transaction.submit()
        stage.reopen()
        codes = {t.transaction_id: code for t, code in stage.transactions()}
        assert codes == {t.transaction_id: ValidationCode.VALID for t in waiting}

    def test_a_closed_ledger_answers_nobody(self, stage: Stage) -> None:
        """It may be closed twice; calls fail in a way that tells that trying later may help."""
        self.need(Capability.REOPENING)
        client = stage.client()
        client.create("a")
        stage.ledger.close()
        stage.ledger.close()
        with pytest.raises(EvaluateError) as evaluated:
            client.places()
        with pytest.raises(EndorseError) as endorsed:
            client.create("b")
        assert evaluated.value.retryable
        assert endorsed.value.retryable
        stage.reopen()
        assert stage.client().places() == ["a"]

    def test_one_node_at_a_time(self, stage: Stage) -> None:
        """A second node is kept away while the first one runs."""
        self.need(Capability.EXCLUSIVE)
        with pytest.raises(LedgerError) as caught:
            self.open_ledger(stage.channel, stage.ledger.url)
        assert caught.value.code == "LEDGER_BUSY"
        stage.client().create("a")

    def test_ledgers_keep_apart(self, stage: Stage) -> None:
        """Another ledger of the same organisations knows nothing of this one."""
        stage.client().create("a")
        folder = stage.channel.folder / "other"
        folder.mkdir()
        other = self.create_ledger(replace(stage.channel, folder=folder))
        try:
            assert other.url != stage.ledger.url
            assert list(other.state(probe.NAME)) == []
        finally:
            other.close()


def _everything(ledger: LedgerView, transaction_ids: list[str]) -> dict[str, object]:
    """Return all that a ledger lets read."""
    height = ledger.height()
    return {
        "blocks": list(ledger.blocks()),
        "state": list(ledger.state(probe.NAME)),
        "history": [list(ledger.history(probe.NAME, CELLS.key_of(SHELF, place))) for place in "ab"],
        "places": [ledger.locate(transaction_id) for transaction_id in transaction_ids],
        "counts": ledger.counts(),
        "hash": ledger.state_hash(),
        "hashes": [ledger.state_hash_at(block) for block in range(height)],
    }
