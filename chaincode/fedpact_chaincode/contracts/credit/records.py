"""Accounts and entries, as they are stored.

An organisation's account is called by its `mspid`, a node's by `mspid/name`. Names with a colon in the first
part belong to contracts: `escrow:<task>` holds what a requester has promised, `mortgage:<task>:<node>` what a
team member answers with, and `council:issue` is the other side of what was issued (its entries are negative).
"""

from __future__ import annotations

from enum import StrEnum

from fedpact_chaincode.errors import Kind, Rejected, code
from fedpact_chaincode.state import Item, Map, Record

ISSUE = "council:issue"
MAX_SUPPLY = 10**18


class Reason(StrEnum):
    """Why credit moved."""

    ISSUE = "issue"
    TRANSFER = "transfer"
    FUNDING = "funding"
    REFUND = "refund"
    REWARD = "reward"
    DEPOSIT = "deposit"
    RELEASE = "release"
    PENALTY = "penalty"


class Account(Record, frozen=True, kw_only=True):
    """A balance.

    Attributes
    ----------
    id : `mspid`, `mspid/name`, or a contract's account.
    balance : micro-credits, never negative.
    earned : rewards received so far, micro-credits: the credit rating of Miao eq. 12.
    entries : how many entries it has.
    """

    id: str
    balance: int = 0
    earned: int = 0
    entries: int = 0


class Entry(Record, frozen=True, kw_only=True):
    """One side of a movement; the counterparty's entry has the opposite amount.

    Attributes
    ----------
    amount : micro-credits, negative where the account paid.
    reference : the task's id, the motion's, or what the payer wrote.
    balance_after : of this account.
    """

    account: str
    sequence: int
    counterparty: str
    amount: int
    reason: Reason
    reference: str
    balance_after: int
    time_ms: int


class Supply(Record, frozen=True, kw_only=True):
    """What is in circulation, micro-credits: the sum of all balances."""

    issued: int = 0
    entries: int = 0


ACCOUNTS = Map("credit.account", Account, key=("id",))
ENTRIES = Map("credit.entry", Entry, key=("account", "sequence"))
SUPPLY = Item("credit.supply", Supply)


INSUFFICIENT_CREDIT = code(
    300, "INSUFFICIENT_CREDIT", Kind.FAILED_PRECONDITION, "the account does not hold the amount"
)
RESERVED_ACCOUNT = code(301, "RESERVED_ACCOUNT", Kind.FORBIDDEN, "only contracts move this account")
SAME_ACCOUNT = code(302, "SAME_ACCOUNT", Kind.INVALID_ARGUMENT, "source and target are one account")
SUPPLY_EXCEEDED = code(
    303, "SUPPLY_EXCEEDED", Kind.FAILED_PRECONDITION, "the amount to issue is not positive or beyond counting"
)


def escrow_of(task_id: str) -> str:
    """Return the name of the account that holds a task's funding."""
    return f"escrow:{task_id}"


def mortgage_of(task_id: str, node: str) -> str:
    """Return the name of the account that holds a node's mortgage for a task."""
    return f"mortgage:{task_id}:{node}"


def organisation_of(account: str) -> str:
    """Return the mspid to which a nameable account belongs.

    Raises
    ------
    Rejected
        RESERVED_ACCOUNT.
    """
    mspid = account.partition("/")[0]
    if ":" in mspid:
        raise Rejected(RESERVED_ACCOUNT, account=account)
    return mspid
