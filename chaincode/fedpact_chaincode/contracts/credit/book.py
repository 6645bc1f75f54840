"""How credit moves: the functions that other contracts call."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context
from fedpact_chaincode.contracts.credit.records import (
    ACCOUNTS,
    ENTRIES,
    INSUFFICIENT_CREDIT,
    ISSUE,
    MAX_SUPPLY,
    SUPPLY,
    SUPPLY_EXCEEDED,
    Account,
    Entry,
    Reason,
    Supply,
)
from fedpact_chaincode.errors import Rejected


def account_of(ctx: Context, account: str) -> Account:
    """Return an account; one that never moved is empty."""
    return ACCOUNTS.get(ctx.state, account) or Account(id=account)


def balance(ctx: Context, account: str) -> int:
    """Return an account's balance, micro-credits."""
    return account_of(ctx, account).balance


def earned(ctx: Context, account: str) -> int:
    """Return the rewards an account has received, micro-credits."""
    return account_of(ctx, account).earned


def move(ctx: Context, source: str, target: str, amount: int, *, reason: Reason, reference: str) -> None:
    """Move credit between any two accounts; nothing happens for an amount of zero.

    Raises
    ------
    Rejected
        INSUFFICIENT_CREDIT.
    """
    if amount < 0 or source == target:
        raise ValueError("a movement needs two accounts and an amount that is not negative")
    if amount == 0:
        return
    held = balance(ctx, source)
    if held < amount:
        raise Rejected(INSUFFICIENT_CREDIT, account=source, balance=held, amount=amount)
    _book(ctx, source, target, -amount, reason=reason, reference=reference)
    _book(ctx, target, source, amount, reason=reason, reference=reference)


def pay(ctx: Context, source: str, target: str, amount: int, *, reference: str) -> None:
    """Move a reward: like `move`, and it counts as earned (Miao eq. 12).

    Raises
    ------
    Rejected
        INSUFFICIENT_CREDIT.
    """
    move(ctx, source, target, amount, reason=Reason.REWARD, reference=reference)
    if amount:
        paid = account_of(ctx, target)
        ACCOUNTS.save(ctx.state, replace(paid, earned=paid.earned + amount))


def put_into_circulation(ctx: Context, target: str, amount: int, *, reference: str) -> Supply:
    """Issue credit; the supply's own entries carry the opposite sign, so that all entries add up to zero.

    Raises
    ------
    Rejected
        SUPPLY_EXCEEDED.
    """
    supply = SUPPLY.get(ctx.state) or Supply()
    issued = supply.issued + amount
    if amount < 1 or issued > MAX_SUPPLY:
        raise Rejected(SUPPLY_EXCEEDED, amount=amount, issued=supply.issued)
    ENTRIES.create(
        ctx.state,
        Entry(
            account=ISSUE,
            sequence=supply.entries,
            counterparty=target,
            amount=-amount,
            reason=Reason.ISSUE,
            reference=reference,
            balance_after=-issued,
            time_ms=ctx.time_ms,
        ),
    )
    _book(ctx, target, ISSUE, amount, reason=Reason.ISSUE, reference=reference)
    return SUPPLY.save(ctx.state, Supply(issued=issued, entries=supply.entries + 1))


def _book(
    ctx: Context, account: str, counterparty: str, amount: int, *, reason: Reason, reference: str
) -> None:
    before = account_of(ctx, account)
    after = before.balance + amount
    ACCOUNTS.save(ctx.state, replace(before, balance=after, entries=before.entries + 1))
    ENTRIES.create(
        ctx.state,
        Entry(
            account=account,
            sequence=before.entries,
            counterparty=counterparty,
            amount=amount,
            reason=reason,
            reference=reference,
            balance_after=after,
            time_ms=ctx.time_ms,
        ),
    )
