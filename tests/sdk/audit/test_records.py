"""Verdicts, elections and payments are recomputed from the records: a changed record is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fedpact.audit.findings import Check, Findings
from fedpact.audit.records import NAMESPACE, check_records, records
from fedpact.audit.replayed_state import ReplayedState, Writer
from fedpact.ledger import create_ledger
from fedpact.testing import Channel, play
from fedpact.validation import StateUpdate
from fedpact.wire.rwsets import NamespaceRwset, Write
from fedpact_chaincode.contracts.credit.records import ACCOUNTS, ENTRIES, SUPPLY
from fedpact_chaincode.contracts.elections.records import ELECTIONS
from fedpact_chaincode.contracts.training.records import ROUNDS, SCORES, UPDATES
from fedpact_chaincode.state import Map, Record, encode

Rows = dict[str, bytes]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    """The state of a ledger on which a task was trained and completed."""
    folder: Path = tmp_path_factory.mktemp("script")

    def create(channel: Channel):  # type: ignore[no-untyped-def]
        return create_ledger(
            f"embedded://{folder / 'ledger.db'}",
            channel.config,
            peers=channel.peers,
            orderer=channel.orderer,
            clock_ns=channel.clock_ns,
        )

    cast = play(create, folder)
    yield {row.key: row.value for row in cast.ledger.state(NAMESPACE)}
    cast.ledger.close()


def replayed(rows: Rows) -> ReplayedState:
    state = ReplayedState()
    writes = tuple(Write(key, value) for key, value in rows.items())
    update = StateUpdate(state, 1)
    update.apply([NamespaceRwset(NAMESPACE, writes=writes)], 0)
    state.apply(update, [Writer("0" * 64, 0, {(NAMESPACE, key): value for key, value in writes})])
    return state


def checks(rows: Rows) -> tuple[set[Check], Findings]:
    findings = Findings()
    check_records(replayed(rows), findings)
    return {finding.check for finding in findings.found}, findings


def altered(rows: Rows, kind: Map[Record], change: Callable[[Record], Record]) -> Rows:
    """Change the last record of a kind."""
    record = list(records(replayed(rows), kind))[-1]
    key = kind.key_of(*(getattr(record, name) for name in kind.key))
    return rows | {key: encode(change(record))}


def test_the_true_records_are_clean(rows: Rows) -> None:
    found, findings = checks(rows)
    assert found == set()
    for check in (Check.VERDICT, Check.ELECTION, Check.PAYMENT, Check.CONSERVATION):
        assert findings.checked[check] > 0


@pytest.mark.parametrize(
    ("kind", "change", "check"),
    [
        (ROUNDS, lambda r: replace(r, verdict=replace(r.verdict, eliminated=("X/y",))), Check.VERDICT),
        (
            ROUNDS,
            lambda r: replace(r, verdict=replace(r.verdict, rewards=r.verdict.rewards[::-1])),
            Check.VERDICT,
        ),
        (SCORES, lambda s: replace(s, scores=tuple(n + 1 if n > 0 else n for n in s.scores)), Check.VERDICT),
        (UPDATES, lambda u: replace(u, copied=True), Check.VERDICT),
        (ELECTIONS, lambda e: replace(e, ranking=e.ranking[::-1]), Check.ELECTION),
        (ELECTIONS, lambda e: replace(e, sealed_by="StrangerMSP/node"), Check.ELECTION),
        (ACCOUNTS, lambda a: replace(a, earned=a.earned + 1), Check.PAYMENT),
        (ACCOUNTS, lambda a: replace(a, balance=a.balance + 1), Check.CONSERVATION),
        (ENTRIES, lambda e: replace(e, amount=e.amount + 1), Check.PAYMENT),
        (SUPPLY, lambda s: replace(s, issued=s.issued + 1), Check.CONSERVATION),
    ],
)
def test_a_changed_record_is_found(
    rows: Rows, kind: Map[Record], change: Callable[[Record], Record], check: Check
) -> None:
    changed = altered(rows, kind, change)
    assert changed != rows
    assert check in checks(changed)[0]
