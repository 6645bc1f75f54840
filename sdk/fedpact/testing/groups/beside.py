"""Beside a running ledger: readers of its storage, and other processes."""

# ruff: noqa: S101

from __future__ import annotations

import os
from contextlib import closing

from fedpact.audit import audit
from fedpact.gateway.local import LocalTransport
from fedpact.ledger import LedgerView
from fedpact.testing import probe
from fedpact.testing.cases import LedgerCases
from fedpact.testing.channels import Capability
from fedpact.testing.probe.cells import CELLS, Place
from fedpact.testing.stage import SHELF, Stage
from fedpact_chaincode.errors import RECORD_EXISTS, Rejected


class BesideCases(LedgerCases):
    """Others on the same machine."""

    def test_it_can_be_inspected_while_it_runs(self, stage: Stage) -> None:
        """What is read is what the ledger reads, of one moment; writers go on."""
        self.need(Capability.INSPECTION)
        client = stage.client()
        ids = [client.create("a", "1"), client.write("a", "2"), client.create("b"), client.remove("b")]
        with closing(stage.inspect()) as inspected:
            seen = _reads(inspected, [result.transaction_id for result in ids])
            assert seen == _reads(stage.ledger, [result.transaction_id for result in ids])
            later = client.create("c")
            assert _reads(inspected, [result.transaction_id for result in ids]) == seen
            assert inspected.locate(later.transaction_id) is None
        with closing(stage.inspect()) as inspected:
            assert inspected.height() == stage.ledger.height()
            assert inspected.locate(later.transaction_id) == stage.ledger.locate(later.transaction_id)

    def test_it_can_be_audited_while_it_runs(self, stage: Stage) -> None:
        """By somebody who has none of its keys."""
        self.need(Capability.INSPECTION)
        stage.client().create("a")
        with closing(stage.inspect()) as inspected:
            report = audit(inspected, chaincodes=stage.channel.chaincodes)
        assert report.ok, report.findings
        assert report.height == stage.ledger.height()
        assert report.transactions == 1

    def test_it_can_be_inspected_when_it_rests(self, stage: Stage) -> None:
        """Nobody needs to run it."""
        self.need(Capability.INSPECTION)
        self.need(Capability.REOPENING)
        stage.client().create("a")
        before = _reads(stage.ledger, [])
        stage.ledger.close()
        with closing(stage.inspect()) as inspected:
            assert _reads(inspected, []) == before
        stage.reopen()

    def test_a_forked_process_uses_the_local_address(self, stage: Stage) -> None:
        """With an identity of its own; refusals and results reach it as they reach anybody."""
        stage.client().create("a", "from the parent")
        address = stage.ledger.local_address()
        assert stage.ledger.local_address() == address
        child = os.fork()
        if child == 0:
            os._exit(_child(stage, address))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert stage.client().places() == ["a", "b"]
        assert stage.client().read("b") == "from the child"

    def test_threads_and_socket_share_one_ledger(self, stage: Stage) -> None:
        """What one way in has committed the other one reads."""
        with closing(LocalTransport(stage.ledger.local_address())) as transport:
            beside = stage.client(transport=transport)
            result = beside.create("a", "through the socket")
            assert stage.client().read("a") == "through the socket"
            stage.client().submit("cells:remove", Place(shelf=SHELF, place="a"))
            assert beside.places() == []
            assert stage.ledger.locate(result.transaction_id) is not None


def _child(stage: Stage, address: str) -> int:
    """Act as another process; return its exit code: 0, or which step failed."""
    try:
        with closing(LocalTransport(address)) as transport:
            client = stage.client(transport=transport)
            if client.read("a") != "from the parent":
                return 2
            client.create("b", "from the child")
            try:
                client.create("b")
            except Rejected as rejected:
                return 0 if rejected.code == RECORD_EXISTS else 3
            return 4
    except BaseException:
        return 1


def _reads(ledger: LedgerView, transaction_ids: list[str]) -> dict[str, object]:
    """Return all that can be read."""
    height = ledger.height()
    return {
        "channel": ledger.channel_id,
        "height": height,
        "blocks": list(ledger.blocks()),
        "later blocks": list(ledger.blocks(2)),
        "state": list(ledger.state(probe.NAME)),
        "range": list(ledger.state(probe.NAME, CELLS.key_of(SHELF), CELLS.key_of(SHELF, "b"))),
        "nothing": list(ledger.state("nothing")),
        "histories": [list(ledger.history(probe.NAME, CELLS.key_of(SHELF, place))) for place in "abc"],
        "places": [ledger.locate(transaction_id) for transaction_id in [*transaction_ids, "0" * 64]],
        "counts": ledger.counts(),
        "hash": ledger.state_hash(),
        "hashes": [ledger.state_hash_at(number) for number in range(height)],
    }
