"""The embedded ledger against the suite that every ledger must pass, and the suite against broken ledgers."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from fedpact.ledger import HistoryRow, Ledger, Placement, StateRow
from fedpact.testing import Capability, Channel, LedgerSuite, Stage, play
from fedpact.testing.channels import Rules
from fedpact.testing.script import GOLDEN
from fedpact.validation import block
from fedpact.validation.endorsement import EndorsementPolicies
from fedpact.wire.commits import ValidationCode
from fedpact.wire.membership import Member
from fedpact_network.embedded import endorser
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger
from fedpact_network.embedded.submission import Submission
from fedpact_network.embedded.validator import Validator


class TestEmbedded(LedgerSuite):
    capabilities = frozenset(Capability)

    def create_ledger(self, channel: Channel) -> Ledger:
        return EmbeddedBackend.create(
            f"embedded://{channel.folder}/ledger.db",
            channel.config,
            peers=channel.peers,
            orderer=channel.orderer,
            clock_ns=channel.clock_ns,
            chaincodes=channel.chaincodes,
        )

    def open_ledger(self, channel: Channel, url: str) -> Ledger:
        return EmbeddedBackend.open(url, clock_ns=channel.clock_ns, chaincodes=channel.chaincodes)

    def test_the_script_leaves_the_state_it_leaves_everywhere(self, tmp_path: Path) -> None:
        if os.environ.get("FEDPACT_UPDATE_GOLDEN") == "1":
            folder = tmp_path / "golden"
            folder.mkdir()
            with closing(play(self.create_ledger, folder).ledger) as ledger:
                GOLDEN.write_text(f"{ledger.state_hash()}\n")
        super().test_the_script_leaves_the_state_it_leaves_everywhere(tmp_path)


def misplaced(ledger: EmbeddedLedger, transaction_id: str) -> Placement | None:
    found = locate(ledger, transaction_id)
    return found and found._replace(position=found.position + 1)


def as_utf_16(ledger: EmbeddedLedger, namespace: str, start: str = "", end: str = "") -> Iterator[StateRow]:
    yield from sorted(
        state(ledger, namespace, start, end), key=lambda row: row.key.encode("utf-16-be", "surrogatepass")
    )


def oldest_first(ledger: EmbeddedLedger, namespace: str, key: str) -> Iterator[HistoryRow]:
    yield from reversed(list(history(ledger, namespace, key)))


def of_the_chain(ledger: EmbeddedLedger, block: int) -> str:
    return f"{state_hash_at(ledger, block)}-{block}"


def trusting(validator: Validator, submission: Submission, at_s: float) -> Member:
    submission.authentic = True
    return validator._channel.rules.membership.identify(submission.transaction.creator, at_s)


locate, state, history = EmbeddedLedger.locate, EmbeddedLedger.state, EmbeddedLedger.history
state_hash_at = EmbeddedLedger.state_hash_at
UNCHECKED = (block, "conflict", lambda *_: ValidationCode.VALID)
UNENDORSED = (EndorsementPolicies, "judge", lambda *_: ValidationCode.VALID)
UNVERIFIED = (Validator, "authenticate", trusting)
TIMELESS = (endorser, "_NS_PER_MS", 10**12)
MISPLACED = (EmbeddedLedger, "locate", misplaced)
UTF_16 = (EmbeddedLedger, "state", as_utf_16)
REVERSED = (EmbeddedLedger, "history", oldest_first)
CHAINED = (EmbeddedLedger, "state_hash_at", of_the_chain)

FAULTS = [
    (UNCHECKED, "test_of_two_that_read_and_write_the_same_one_is_valid", {}),
    (UNCHECKED, "test_a_range_that_changes_is_a_phantom", {"what": "appears"}),
    (UNCHECKED, "test_every_addition_counts_once", {}),
    (UNENDORSED, "test_endorsements_are_those_that_the_policy_wants", {}),
    (UNENDORSED, "test_only_peers_endorse", {"ou": "client"}),
    (UNVERIFIED, "test_a_payload_altered_after_signing", {}),
    (TIMELESS, "test_a_proposal_dated_far_from_the_ledgers_clock", {"direction": 1}),
    (UTF_16, "test_the_ledgers_own_ranges_are_the_same", {}),
    (REVERSED, "test_history_is_told_newest_first", {}),
    (CHAINED, "test_ledgers_of_equal_content_have_equal_state_hashes", {}),
    (MISPLACED, "test_every_transaction_is_located", {}),
    (MISPLACED, "test_a_created_record_is_read_back", {}),
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Run a case of the suite as pytest would, but for its report."""

    def run(suite: LedgerSuite, case: str, **arguments: object) -> None:
        with ExitStack() as stages:
            made = 0

            def make_stage(rules: Rules) -> Stage:
                nonlocal made
                made += 1
                folder = tmp_path / str(made)
                folder.mkdir()
                return stages.enter_context(Stage(suite, folder, rules))

            method = getattr(suite, case)
            wanted = inspect.signature(method).parameters
            if "make_stage" in wanted:
                arguments["make_stage"] = make_stage
            if "stage" in wanted:
                arguments["stage"] = make_stage(Rules())
            method(**arguments)

    return run


@pytest.mark.parametrize(("fault", "case", "arguments"), FAULTS)
def test_the_suite_notices_a_broken_ledger(fault, case, arguments, run, monkeypatch):
    monkeypatch.setattr(*fault)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(TestEmbedded(), case, **arguments)


def test_without_a_capability_its_cases_are_skipped(run):
    class Modest(TestEmbedded):
        capabilities = frozenset()

    with pytest.raises(pytest.skip.Exception, match="not a ledger that can be closed and opened again"):
        run(Modest(), "test_a_reopened_ledger_is_the_same")


def test_a_backend_says_how_its_ledgers_are_made():
    class Unfinished(LedgerSuite):
        pass

    with pytest.raises(TypeError, match="create_ledger"):
        Unfinished()
