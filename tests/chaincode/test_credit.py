"""Credit: what moves, who may move it, and that nothing appears or vanishes."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaincode.conftest import Stage

from fedpact_chaincode.caller import Caller
from fedpact_chaincode.contract import Context
from fedpact_chaincode.contracts.credit import (
    ACCOUNTS,
    ENTRIES,
    SUPPLY,
    Account,
    AccountOf,
    EntriesOf,
    Reason,
    Supply,
    Transfer,
    balance,
    earned,
    move,
    pay,
)
from fedpact_chaincode.contracts.registry import CastVote, Propose
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.state import State, encode

NODE = "AlphaMSP/node"
OTHER = "BetaMSP/node"


def transfer(source: str, target: str, amount: int) -> Transfer:
    return Transfer(source=source, target=target, amount=amount, reference="for the model")


def refusal(stage: Stage, who: str, message: Transfer) -> str:
    before = dict(stage.ledger.state)
    with pytest.raises(Rejected) as caught:
        stage.do(who, "credit:transfer", message)
    assert stage.ledger.state == before
    return caught.value.code.name


def test_the_council_issues_credit(stage: Stage) -> None:
    stage.issue(NODE, 700)
    stage.issue("BetaMSP", 300)
    assert stage.ask("credit:account", AccountOf(account=NODE)).balance == 700
    assert stage.ask("credit:supply") == Supply(issued=1000, entries=2)
    sides = stage.read(ENTRIES, NODE, 0), stage.read(ENTRIES, "council:issue", 0)
    assert [side.amount for side in sides] == [700, -700]
    assert {side.reason for side in sides} == {Reason.ISSUE}
    assert stage.ledger.events[-1].name == "CreditIssued"


def test_a_transfer_has_two_sides(stage: Stage) -> None:
    stage.issue(NODE, 1000)
    assert stage.do(NODE, "credit:transfer", transfer(NODE, OTHER, 400)).balance == 600
    paid, received = stage.read(ENTRIES, NODE, 1), stage.read(ENTRIES, OTHER, 0)
    assert (paid.amount, paid.counterparty, paid.balance_after) == (-400, OTHER, 600)
    assert (received.amount, received.counterparty, received.balance_after) == (400, NODE, 400)
    assert paid.reference == "for the model"
    assert stage.ask("credit:account", AccountOf(account=OTHER)).earned == 0


def test_an_administrator_moves_the_organisation_s_credit(stage: Stage) -> None:
    stage.issue("AlphaMSP", 100)
    stage.issue(NODE, 100)
    stage.do("AlphaMSP/admin", "credit:transfer", transfer("AlphaMSP", OTHER, 100))
    stage.do("AlphaMSP/admin", "credit:transfer", transfer(NODE, "BetaMSP", 100))
    assert stage.ask("credit:account", AccountOf(account="BetaMSP")).balance == 100


@pytest.mark.parametrize(
    ("who", "source", "target", "code"),
    [
        (NODE, NODE, OTHER, "INSUFFICIENT_CREDIT"),
        ("BetaMSP/admin", "AlphaMSP", OTHER, "NOT_THE_OWNER"),
        (OTHER, NODE, OTHER, "NOT_THE_OWNER"),
        (NODE, "AlphaMSP", OTHER, "ROLE_REQUIRED"),
        (NODE, "AlphaMSP/other", NODE, "ROLE_REQUIRED"),
        (NODE, NODE, NODE, "SAME_ACCOUNT"),
        (NODE, NODE, "NoSuchMSP/node", "UNKNOWN_ORGANISATION"),
        ("ForeignMSP/admin", "ForeignMSP", NODE, "NOT_A_MEMBER"),
        (NODE, "escrow:task", NODE, "RESERVED_ACCOUNT"),
        (NODE, NODE, "escrow:task", "RESERVED_ACCOUNT"),
        ("AlphaMSP/admin", "mortgage:task:AlphaMSP/node", NODE, "RESERVED_ACCOUNT"),
        ("AlphaMSP/admin", "council:issue", NODE, "RESERVED_ACCOUNT"),
    ],
)
def test_refused_transfers_leave_no_trace(
    stage: Stage, who: str, source: str, target: str, code: str
) -> None:
    stage.issue(NODE, 99)
    assert refusal(stage, who, transfer(source, target, 100)) == code


@pytest.mark.parametrize(
    ("subject", "amount", "code"),
    [
        (NODE, 0, "SUPPLY_EXCEEDED"),
        (NODE, 11, "SUPPLY_EXCEEDED"),
        ("escrow:task", 1, "RESERVED_ACCOUNT"),
        ("NoSuchMSP", 1, "UNKNOWN_ORGANISATION"),
    ],
)
def test_an_issue_that_cannot_be_carried_out(stage: Stage, subject: str, amount: int, code: str) -> None:
    almost_all = Supply(issued=10**18 - 10, entries=0)
    stage.ledger.state[SUPPLY.key_of()] = encode(almost_all)
    proposal = Propose(name="m", kind="issue_credit", subject=subject, amount=amount)
    stage.do("AlphaMSP/admin", "registry:propose", proposal)
    vote = CastVote(motion="AlphaMSP/m", approve=True)
    for mspid in ("AlphaMSP", "BetaMSP"):
        stage.do(f"{mspid}/admin", "registry:vote", vote)
    with pytest.raises(Rejected) as caught:
        stage.do("GammaMSP/admin", "registry:vote", vote)
    assert caught.value.code.name == code


def test_entries_come_in_pages(stage: Stage) -> None:
    stage.issue(NODE, 100)
    for amount in range(1, 8):
        stage.do(NODE, "credit:transfer", transfer(NODE, OTHER, amount))
    pages = [
        stage.ask("credit:entries", EntriesOf(account=NODE, start=start, limit=3)).entries
        for start in (0, 3, 6, 9)
    ]
    assert [len(page) for page in pages] == [3, 3, 2, 0]
    assert [entry.amount for page in pages for entry in page] == [100, -1, -2, -3, -4, -5, -6, -7]


def test_an_account_that_never_moved_is_empty(stage: Stage) -> None:
    unknown = stage.ask("credit:account", AccountOf(account="AlphaMSP/nobody"))
    assert (unknown.balance, unknown.earned, unknown.entries) == (0, 0, 0)


def test_conservation_holds_and_notices_what_was_altered(stage: Stage) -> None:
    assert stage.ask("credit:conservation").conserved
    stage.issue(NODE, 100)
    stage.do(NODE, "credit:transfer", transfer(NODE, OTHER, 30))
    report = stage.ask("credit:conservation")
    assert (report.issued, report.held, report.accounts, report.conserved) == (100, 100, 2, True)
    for node, kept in ((NODE, ACCOUNTS), (OTHER, ENTRIES)):
        honest = dict(stage.ledger.state)
        parts = (node,) if kept is ACCOUNTS else (node, 0)
        record = stage.read(kept, *parts)
        field = "balance" if kept is ACCOUNTS else "amount"
        altered = msgspec.structs.replace(record, **{field: getattr(record, field) + 1})
        stage.ledger.state[kept.key_of(*parts)] = encode(altered)
        assert not stage.ask("credit:conservation").conserved
        stage.ledger.state = honest


class Void:
    """A stub over an empty state."""

    def get_state(self, key: str) -> None:
        return None


def context() -> Context:
    return Context(
        state=State(Void()),  # type: ignore[arg-type]
        caller=Caller("AlphaMSP", "node", "member", ""),
        time_ms=1,
        tx_id="",
        channel_id="",
        transient={},
        events=[],
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 60), st.booleans()),
        max_size=30,
    )
)
def test_movements_within_one_transaction(moves: list[tuple[str, str, int, bool]]) -> None:
    """Against a dictionary: balances, what counts as earned, and running totals of the entries."""
    ctx = context()
    expected = dict.fromkeys("abcd", 100)
    rewards = dict.fromkeys("abcd", 0)
    for name in "abcd":
        ACCOUNTS.save(ctx.state, Account(id=name, balance=100))
    for source, target, amount, as_reward in moves:
        if source == target:
            with pytest.raises(ValueError, match="two accounts"):
                move(ctx, source, target, amount, reason=Reason.TRANSFER, reference="")
            continue
        does = pay if as_reward else partial(move, reason=Reason.TRANSFER)
        if amount > expected[source]:
            with pytest.raises(Rejected, match="INSUFFICIENT_CREDIT"):
                does(ctx, source, target, amount, reference="")
            continue
        does(ctx, source, target, amount, reference="")
        expected[source] -= amount
        expected[target] += amount
        rewards[target] += amount if as_reward else 0
    for name in "abcd":
        assert balance(ctx, name) == expected[name] >= 0
        assert earned(ctx, name) == rewards[name]
    with pytest.raises(ValueError, match="not negative"):
        move(ctx, "a", "b", -1, reason=Reason.TRANSFER, reference="")
