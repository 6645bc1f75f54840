"""Blocks and hashes: what is chained, and what the state hash stands for."""

# ruff: noqa: S101

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fedpact.gateway.transaction import Transaction
from fedpact.ledger import Placement
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases, MakeStage
from fedpact.testing.channels import Capability, Rules
from fedpact.testing.probe.cells import Written
from fedpact.testing.stage import SHELF, Stage
from fedpact.wire.blocks import data_hash, parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import BatchRules
from fedpact.wire.envelopes import parse_envelope
from fedpact.wire.state_hash import state_hash_of

SINGLY = Rules(batch=BatchRules(max_messages=1))
TOGETHER = Rules(batch=BatchRules(timeout_ms=400))


class ChainCases(LedgerCases):
    """A ledger's hashes are those of its content."""

    def test_blocks_are_chained_and_signed(self, stage: Stage) -> None:
        """Each refers to the one before, to its own transactions and to the members' orderer."""
        _history(stage)
        policy, members = stage.channel.config.block_policy, stage.channel.config.membership()
        blocks = [parse_block(data) for data in stage.ledger.blocks()]
        previous = b""
        for number, block in enumerate(blocks):
            assert block.number == number
            assert block.previous_hash == previous
            assert block.data_hash == data_hash(block.envelopes)
            previous = block.hash
            if number > 0:
                assert len(block.filter) == len(block.envelopes) > 0
                assert policy.satisfied_by([members.verify(*signature) for signature in block.signatures])
        assert len(blocks) == stage.ledger.height()
        for start in (1, len(blocks) - 1, len(blocks)):
            found = [parse_block(data).number for data in stage.ledger.blocks(start)]
            assert found == list(range(start, len(blocks)))

    def test_the_state_hash_of_every_block_is_that_of_its_content(self, stage: Stage) -> None:
        """Of namespaces, keys and values as the block left them."""
        _history(stage)
        content: dict[tuple[str, str], bytes] = {}
        for number, data in enumerate(stage.ledger.blocks()):
            block = parse_block(data)
            for envelope, code in zip(block.envelopes, block.filter, strict=True) if number > 0 else ():
                for rwset in parse_envelope(envelope).rwset if code == ValidationCode.VALID else ():
                    for key, value in rwset.writes:
                        content.pop((rwset.namespace, key), None)
                        if value is not None:
                            content[rwset.namespace, key] = value
            rows = [(namespace, key, value) for (namespace, key), value in content.items()]
            assert stage.ledger.state_hash_at(number) == state_hash_of(rows)
        assert {(probe.NAME, row.key): row.value for row in stage.rows()} == content
        assert stage.ledger.state_hash() == stage.ledger.state_hash_at(stage.ledger.height() - 1)
        with pytest.raises(IndexError):
            stage.ledger.state_hash_at(stage.ledger.height())

    def test_every_transaction_is_located(self, stage: Stage) -> None:
        """Valid or not, where its block holds it."""
        _history(stage)
        codes = set()
        for number, data in enumerate(stage.ledger.blocks(1), start=1):
            block = parse_block(data)
            for position, (envelope, code) in enumerate(zip(block.envelopes, block.filter, strict=True)):
                placement = stage.ledger.locate(parse_envelope(envelope).transaction_id)
                assert placement == Placement(number, position, code)
                codes.add(code)
        assert codes == {ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT}

    def test_removing_and_writing_again_restores_the_state_hash(self, stage: Stage) -> None:
        """It tells nothing of the past."""
        client = stage.client()
        empty = stage.ledger.state_hash()
        client.write("a", "1")
        one = stage.ledger.state_hash()
        client.write("b", "2")
        client.write("a", "3")
        client.remove("b")
        assert stage.ledger.state_hash() != one
        client.write("a", "1")
        assert stage.ledger.state_hash() == one
        client.remove("a")
        assert stage.ledger.state_hash() == empty

    def test_ledgers_of_equal_content_have_equal_state_hashes(self, make_stage: MakeStage) -> None:
        """Of different members and in another order of calls."""
        hashes = set()
        for order in (1, -1):
            stage = make_stage(Rules())
            for place in "abcdef"[::order]:
                stage.client().create(place, f"text of {place}")
            hashes.add(stage.ledger.state_hash())
        assert len(hashes) == 1

    def test_the_state_hash_does_not_depend_on_how_blocks_are_cut(self, make_stage: MakeStage) -> None:
        """The same calls, in blocks of one and in larger ones."""
        self.need(Capability.BATCH_RULES)
        hashes, heights = set(), []
        for rules in (SINGLY, TOGETHER):
            stage = make_stage(rules)
            _submit_all(_written(stage, range(24)))
            hashes.add(stage.ledger.state_hash())
            heights.append(stage.ledger.height())
            assert len(stage.rows()) == 24
        assert len(hashes) == 1
        assert heights[0] == 25
        assert heights[1] < 25

    def test_blocks_hold_no_more_than_the_rules_allow(self, make_stage: MakeStage) -> None:
        """By number and by bytes."""
        self.need(Capability.BATCH_RULES)
        stage = make_stage(Rules(batch=BatchRules(max_messages=5, max_bytes=60_000, timeout_ms=400)))
        _submit_all(_written(stage, range(12)))
        _submit_all(_written(stage, range(12, 20), "x" * 9_000))
        blocks = [parse_block(data).envelopes for data in stage.ledger.blocks(1)]
        assert max(map(len, blocks)) <= 5
        assert max(sum(map(len, envelopes)) for envelopes in blocks) <= 60_000
        assert sum(map(len, blocks)) == 20
        assert len(blocks) < 20


def _history(stage: Stage) -> None:
    """Let something of every kind happen: creations, changes, removals, a conflict."""
    client = stage.client()
    client.create("a", "1")
    client.create("b", "2")
    stale = client.endorse("cells:create", Written(shelf=SHELF, place="c", text="3"))
    client.create("c", "4")
    client.write("a", "5")
    assert stage.outcome(stale) is ValidationCode.MVCC_READ_CONFLICT
    client.remove("b")
    _submit_all(_written(stage, range(5)))


def _written(stage: Stage, numbers: Sequence[int], text: str = "text") -> list[Transaction]:
    client = stage.client()
    return [
        client.endorse("cells:write", Written(shelf="many", place=str(number), text=text))
        for number in numbers
    ]


def _submit_all(transactions: Sequence[Transaction]) -> None:
    """Submit without waiting in between, then wait for all of them."""
    verdicts: list[Callable[[], object]] = [transaction.submit().result for transaction in transactions]
    for verdict in verdicts:
        verdict()
