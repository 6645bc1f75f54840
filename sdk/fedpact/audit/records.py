"""The papers' rules, recomputed from the records alone: payments and what they conserve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from fedpact.audit.findings import Check, Findings
from fedpact.audit.replayed_state import ReplayedState
from fedpact_chaincode.contracts.credit.records import ACCOUNTS, ENTRIES, SUPPLY
from fedpact_chaincode.state import Map, Record

R = TypeVar("R", bound=Record)
NAMESPACE = "fedpact"


def check_records(state: ReplayedState, findings: Findings) -> None:
    """Recompute every payment's books from the replayed records."""
    _check_payments(state, findings)


def records(state: ReplayedState, kind: Map[R]) -> Iterator[R]:
    """Yield all records of one kind, in key order."""
    start = kind.key_of()
    for _, (value, _) in state.scan(NAMESPACE, start, start + "\U0010ffff"):
        yield kind.decode(value)


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
