"""The papers' rules, recomputed from the records alone: verdicts, elections and payments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from fedpact.audit.findings import Check, Findings
from fedpact.audit.replayed_state import ReplayedState
from fedpact_chaincode.contracts.credit.records import ACCOUNTS, ENTRIES, SUPPLY
from fedpact_chaincode.contracts.elections.records import ELECTIONS, succession
from fedpact_chaincode.contracts.tasks.records import TASKS
from fedpact_chaincode.contracts.training.evidence import evidence_of
from fedpact_chaincode.contracts.training.records import (
    ROUNDS,
    SCORES,
    UPDATES,
    RoundStatus,
    RoundVerdict,
    Scores,
    Update,
)
from fedpact_chaincode.rules.judging import judge
from fedpact_chaincode.state import Map, Record

R = TypeVar("R", bound=Record)
NAMESPACE = "fedpact"


def check_records(state: ReplayedState, findings: Findings) -> None:
    """Recompute every verdict, election and payment from the replayed records."""
    _check_rounds(state, findings)
    _check_payments(state, findings)


def records(state: ReplayedState, kind: Map[R]) -> Iterator[R]:
    """Yield all records of one kind, in key order."""
    start = kind.key_of()
    for _, row in state.scan(NAMESPACE, start, start + "\U0010ffff"):
        yield kind.decode(row.value)


def _check_rounds(state: ReplayedState, findings: Findings) -> None:
    """Every verdict follows from the recorded updates and scores, every leader from the verdict."""
    tasks = {task.id: task for task in records(state, TASKS)}
    elections = {(e.task_id, e.round): e for e in records(state, ELECTIONS)}
    updates: dict[tuple[str, int], dict[str, Update]] = defaultdict(dict)
    rows: dict[tuple[str, int], dict[str, Scores]] = defaultdict(dict)
    for update in records(state, UPDATES):
        updates[update.task_id, update.round][update.node] = update
    for row in records(state, SCORES):
        rows[row.task_id, row.round][row.node] = row
    paid: dict[str, int] = defaultdict(int)
    for round_ in records(state, ROUNDS):
        if round_.verdict is None:
            continue
        place = (round_.task_id, round_.number)
        name = f"{round_.task_id} round {round_.number}"
        evidence = evidence_of(tasks[round_.task_id], round_, updates[place], rows[place])
        same = round_.verdict == RoundVerdict.of(judge(evidence))
        findings.check(Check.VERDICT, same, "the scores lead to another verdict", transaction=name)
        election = elections.get(place)
        fits = election is not None and election.ranking == round_.verdict.ranking
        findings.check(Check.ELECTION, fits, "the ranking is not the verdict's", transaction=name)
        if election is not None and round_.status is RoundStatus.SEALED:
            order = succession(election.ranking, round_.nodes)
            findings.check(
                Check.ELECTION, election.sealed_by in order, "sealed by a stranger", transaction=name
            )
        for participant, amount in zip(round_.participants, round_.verdict.rewards, strict=True):
            paid[participant.node] += amount
    for account in records(state, ACCOUNTS):
        right = account.earned == paid.pop(account.id, 0)
        findings.check(Check.PAYMENT, right, "earned is not the sum of its rewards", transaction=account.id)
    findings.check(Check.PAYMENT, not any(paid.values()), f"never paid: {sorted(paid)}")


def _check_payments(state: ReplayedState, findings: Findings) -> None:
    """Every account is the sum of its entries, every entry has its counterpart, and nothing is lost."""
    balances: dict[str, int] = defaultdict(int)
    moved: dict[tuple[str, str, str, str, int], int] = defaultdict(int)
    for entry in records(state, ENTRIES):
        balances[entry.account] += entry.amount
        right = entry.balance_after == balances[entry.account]
        findings.check(Check.PAYMENT, right, "the balance is not the sum so far", transaction=entry.account)
        pair = sorted((entry.account, entry.counterparty))
        moved[pair[0], pair[1], entry.reason, entry.reference, entry.time_ms] += entry.amount
    for place, amount in moved.items():
        findings.check(
            Check.PAYMENT, amount == 0, f"one-sided by {amount}", transaction=" ".join(map(str, place))
        )
    held = 0
    for account in records(state, ACCOUNTS):
        held += account.balance
        right = account.balance == balances[account.id] and account.balance >= 0
        findings.check(Check.PAYMENT, right, f"balance {account.balance}", transaction=account.id)
    issued = sum(supply.issued for supply in records(state, SUPPLY))
    findings.check(Check.CONSERVATION, held == issued, f"issued {issued}, held {held}")
