"""What members may do with credit, and ask about it (Miao et al., BP2P-FL, 4.4)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Contract, Count, Event, Id, Message, Nothing, Result
from fedpact_chaincode.contracts.credit.book import account_of, move, put_into_circulation
from fedpact_chaincode.contracts.credit.records import (
    ACCOUNTS,
    ENTRIES,
    ISSUE,
    SAME_ACCOUNT,
    SUPPLY,
    Account,
    Entry,
    Reason,
    Supply,
    organisation_of,
)
from fedpact_chaincode.contracts.registry import (
    Limit,
    Motion,
    enacts,
    require_member,
    require_organisation,
)
from fedpact_chaincode.errors import Rejected

contract = Contract("credit", "Accounts, transfers and the credit in circulation")


class Transfer(Message, frozen=True, kw_only=True):
    """Move credit (micro-credits) from an account of the caller's to any member's account."""

    source: Id
    target: Id
    amount: Annotated[int, msgspec.Meta(ge=1, le=10**15)]
    reference: Annotated[str, msgspec.Meta(max_length=128)] = ""


class AccountOf(Message, frozen=True, kw_only=True):
    """Ask for one account."""

    account: Id


class EntriesOf(Message, frozen=True, kw_only=True):
    """Ask for a page of an account's entries, beginning with number `start`."""

    account: Id
    start: Count = 0
    limit: Limit = 100


class EntryPage(Result, frozen=True, kw_only=True):
    """Some of an account's entries, oldest first."""

    entries: list[Entry]


class Conservation(Result, frozen=True, kw_only=True):
    """Whether all balances add up to what was issued, and every account's entries to its balance."""

    issued: int
    held: int
    accounts: int
    conserved: bool


class Transferred(Event, frozen=True, kw_only=True):
    """A caller moved credit."""

    source: str
    target: str
    amount: int
    reference: str


class CreditIssued(Event, frozen=True, kw_only=True):
    """The council put credit into circulation."""

    account: str
    amount: int
    issued: int


@contract.transaction
def transfer(ctx: Context, message: Transfer) -> Account:
    """Move credit; returns the payer's account as it is afterwards.

    The source is the caller's own account, or any of the organisation's for its administrator.

    Raises
    ------
    Rejected
        INSUFFICIENT_CREDIT, RESERVED_ACCOUNT, SAME_ACCOUNT, NOT_THE_OWNER, ROLE_REQUIRED, and
        what `require_member` and `require_organisation` refuse.
    """
    source, target = message.source, message.target
    require_member(ctx)
    payer = organisation_of(source)
    if source != ctx.caller.id:
        ctx.caller.require_organisation(payer)
        ctx.caller.require_role("admin")
    require_organisation(ctx, organisation_of(target))
    if source == target:
        raise Rejected(SAME_ACCOUNT, account=source)
    move(ctx, source, target, message.amount, reason=Reason.TRANSFER, reference=message.reference)
    ctx.emit(Transferred(source=source, target=target, amount=message.amount, reference=message.reference))
    return account_of(ctx, source)


@enacts("issue_credit")
def issue(ctx: Context, motion: Motion) -> None:
    """Put the motion's amount into its subject's account; the council has decided.

    Raises
    ------
    Rejected
        SUPPLY_EXCEEDED, RESERVED_ACCOUNT, and what `require_organisation` refuses.
    """
    require_organisation(ctx, organisation_of(motion.subject))
    supply = put_into_circulation(ctx, motion.subject, motion.amount, reference=motion.id)
    ctx.emit(CreditIssued(account=motion.subject, amount=motion.amount, issued=supply.issued))


@contract.query
def account(ctx: Context, message: AccountOf) -> Account:
    """Return an account; one that never moved is empty."""
    return account_of(ctx, message.account)


@contract.query
def entries(ctx: Context, message: EntriesOf) -> EntryPage:
    """Return entries from number `start` on. O(limit)."""
    found = (ENTRIES.get(ctx.state, message.account, message.start + i) for i in range(message.limit))
    return EntryPage(entries=[entry for entry in found if entry is not None])


@contract.query
def supply(ctx: Context, message: Nothing) -> Supply:
    """Return what has been issued."""
    return SUPPLY.get(ctx.state) or Supply()


@contract.query
def conservation(ctx: Context, message: Nothing) -> Conservation:
    """Add up every account and every entry. O(entries)."""
    balances = {account.id: account.balance for account in ACCOUNTS.scan(ctx.state)}
    issued = (SUPPLY.get(ctx.state) or Supply()).issued
    booked: dict[str, int] = {}
    for entry in ENTRIES.scan(ctx.state):
        booked[entry.account] = booked.get(entry.account, 0) + entry.amount
    held = sum(balances.values())
    balanced = booked.pop(ISSUE, 0) == -issued and booked == balances
    return Conservation(
        issued=issued, held=held, accounts=len(balances), conserved=held == issued and balanced
    )
