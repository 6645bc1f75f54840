"""Compares a ledger with what clients were told about it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import msgspec
from tests.chaos.founding import Place
from tests.chaos.told import Account

from fedpact.audit import audit
from fedpact.ledger import LedgerView, inspect_ledger
from fedpact.testing import probe
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import ValidationCode
from fedpact.wire.envelopes import parse_envelope

VALID = ValidationCode.VALID
OTHER_SHELF = "other"
"""What tests write here themselves is in no client's account."""


@dataclass
class Referee:
    """Knows what clients were told and how the ledger looked before."""

    place: Place
    account: Account = field(init=False)
    height: int = 1
    tip: bytes = b""
    _checked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.account = Account(self.place.folder)

    def after_restart(self) -> None:
        """Check quickly: no block is gone or another, and what was acknowledged meanwhile is there."""
        self.account.read()
        assert not self.account.wrong, self.account.wrong[:3]
        with closing(inspect_ledger(self.place.url)) as ledger:
            height = ledger.height()
            assert height >= self.height, f"the ledger had {self.height} blocks, now {height}"
            if self.tip:
                assert parse_block(next(iter(ledger.blocks(self.height - 1)))).hash == self.tip
            for tx_id in self.account.valid.keys() - self._checked:
                self._check_valid(ledger, tx_id)
                self._checked.add(tx_id)
            self.height, self.tip = height, parse_block(next(iter(ledger.blocks(height - 1)))).hash

    def at_the_end(self) -> dict[str, int]:
        """Check everything, after the clients have ended; return what there was."""
        self.after_restart()
        account = self.account
        assert not account.open, f"no outcome was found for {sorted(account.open)[:3]}"
        with closing(inspect_ledger(self.place.url)) as ledger:
            for tx_id in account.valid:
                self._check_valid(ledger, tx_id)
            for tx_id in account.refused:
                assert ledger.locate(tx_id) is None, f"{tx_id} was refused, but is committed"
            committed = committed_ids(ledger)
            assert max(committed.values()) == 1, "a transaction is committed twice"
            assert committed.keys() & account.sent.keys() == account.valid.keys(), (
                "committed is not acknowledged"
            )
            self._check_effects(ledger)
            report = audit(ledger, chaincodes={probe.NAME: probe.chaincode()})
            assert report.ok, [str(finding) for finding in report.findings[:3]]
        return {
            "height": self.height,
            "sent": len(account.sent),
            "valid": len(account.valid),
            "invalid": len(account.invalid),
            "refused": len(account.refused),
            "in doubt": len(account.doubted),
            "submitted again": account.again,
        }

    def _check_valid(self, ledger: LedgerView, tx_id: str) -> None:
        found, block = ledger.locate(tx_id), self.account.valid[tx_id]
        assert found is not None, f"{tx_id} was acknowledged in block {block} and is lost"
        assert (found.block, found.code) == (block, VALID), f"{tx_id}: told block {block}, found {found}"

    def _check_effects(self, ledger: LedgerView) -> None:
        """Every acknowledged transaction has had its effect, once."""
        done = [self.account.sent[tx_id] for tx_id in self.account.valid]
        cells = {line["key"] for line in done if line["function"] == "cells:create"}
        added = Counter(line["key"] for line in done if line["function"] == "tallies:add")
        rows = [msgspec.json.decode(row.value) for row in ledger.state(probe.NAME, "\x00", "\x01")]
        values = [row for row in rows if row.get("shelf") != OTHER_SHELF]
        assert len(values) == len(cells) + len(added)
        assert {value["place"] for value in values if "place" in value} == cells
        assert {value["name"]: value["value"] for value in values if "name" in value} == dict(added)


def committed_ids(ledger: LedgerView) -> Counter[str]:
    """Count how often each transaction id is in the blocks as VALID."""
    found: Counter[str] = Counter()
    for data in ledger.blocks(1):
        block = parse_block(data)
        for envelope, code in zip(block.envelopes, block.filter, strict=True):
            if code == VALID:
                found[parse_envelope(envelope).transaction_id] += 1
    return found
