"""What owners grant, and what anybody may ask about it."""

from __future__ import annotations

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Contract, Count, Event, Id, Message, Result
from fedpact_chaincode.contracts.catalog import dataset
from fedpact_chaincode.contracts.privacy.book import spent_after
from fedpact_chaincode.contracts.privacy.records import (
    BUDGET_BELOW_SPENT,
    BUDGETS,
    CHARGES,
    Budget,
    Charge,
    Delta,
    Epsilon,
    Mechanisms,
)
from fedpact_chaincode.contracts.registry import Limit, require_member, require_organisation
from fedpact_chaincode.errors import Rejected

contract = Contract("privacy", "Privacy budgets per dataset and requester, and every release charged to them")


class Bound(Message, frozen=True, kw_only=True):
    """What a requester may learn from a dataset over all its tasks: epsilon (1e-9) at delta (1e-12)."""

    dataset_id: Id
    requester: Id
    epsilon_nano: Epsilon
    delta_pico: Delta


class BudgetOf(Message, frozen=True, kw_only=True):
    """Ask for one budget."""

    dataset_id: Id
    requester: Id


class ChargesOf(Message, frozen=True, kw_only=True):
    """Ask for a page of a budget's charges, beginning with number `start`."""

    dataset_id: Id
    requester: Id
    start: Count = 0
    limit: Limit = 100


class Plan(Message, frozen=True, kw_only=True):
    """Ask whether some mechanisms could still be charged."""

    dataset_id: Id
    requester: Id
    events: Mechanisms


class BudgetState(Result, frozen=True, kw_only=True):
    """A budget, what is spent of it and what remains, 1e-9."""

    budget: Budget
    spent_nano: int
    remaining_nano: int


class ChargePage(Result, frozen=True, kw_only=True):
    """Some charges, oldest first."""

    charges: list[Charge]


class Forecast(Result, frozen=True, kw_only=True):
    """What would have been spent after a plan, 1e-9 (None: unbounded), and whether the budget allows it."""

    spent_nano: int | None
    fits: bool


class BudgetGranted(Event, frozen=True, kw_only=True):
    """An owner granted or changed a budget."""

    dataset_id: str
    requester: str
    epsilon_nano: int
    delta_pico: int


@contract.transaction
def grant(ctx: Context, message: Bound) -> Budget:
    """Grant a requester a budget; a member of the dataset's organisation does.

    Raises
    ------
    Rejected
        RECORD_EXISTS (use `amend`), NOT_THE_OWNER, ROLE_REQUIRED, and what `dataset` and
        `require_organisation` refuse.
    """
    owner = _require_owner(ctx, message.dataset_id)
    require_organisation(ctx, message.requester)
    granted = BUDGETS.create(
        ctx.state,
        Budget(
            dataset_id=message.dataset_id,
            requester=message.requester,
            owner=owner,
            epsilon_nano=message.epsilon_nano,
            delta_pico=message.delta_pico,
        ),
    )
    ctx.emit(_granted(message))
    return granted


@contract.transaction
def amend(ctx: Context, message: Bound) -> Budget:
    """Change a budget's bound: up as the owner likes, down to what has been spent.

    Raises
    ------
    Rejected
        BUDGET_BELOW_SPENT, RECORD_NOT_FOUND, NOT_THE_OWNER, ROLE_REQUIRED.
    """
    _require_owner(ctx, message.dataset_id)
    budget = BUDGETS.load(ctx.state, message.dataset_id, message.requester)
    amended = replace(budget, epsilon_nano=message.epsilon_nano, delta_pico=message.delta_pico)
    spent = spent_after(amended, ())
    if spent is None or spent > amended.epsilon_nano:
        raise Rejected(BUDGET_BELOW_SPENT, spent_nano=spent, epsilon_nano=amended.epsilon_nano)
    ctx.emit(_granted(message))
    return BUDGETS.save(ctx.state, amended)


@contract.query
def budget(ctx: Context, message: BudgetOf) -> BudgetState:
    """Return a budget and what remains of it; RECORD_NOT_FOUND if there is none."""
    found = BUDGETS.load(ctx.state, message.dataset_id, message.requester)
    spent = spent_after(found, ()) or 0
    return BudgetState(budget=found, spent_nano=spent, remaining_nano=found.epsilon_nano - spent)


@contract.query
def charges(ctx: Context, message: ChargesOf) -> ChargePage:
    """Return a budget's charges from number `start` on. O(limit)."""
    numbers = range(message.start, message.start + message.limit)
    found = (CHARGES.get(ctx.state, message.dataset_id, message.requester, number) for number in numbers)
    return ChargePage(charges=[charge for charge in found if charge is not None])


@contract.query
def would_fit(ctx: Context, message: Plan) -> Forecast:
    """Return what a plan would spend: ask, then charge. RECORD_NOT_FOUND if there is no budget."""
    found = BUDGETS.load(ctx.state, message.dataset_id, message.requester)
    spent = spent_after(found, message.events)
    return Forecast(spent_nano=spent, fits=spent is not None and spent <= found.epsilon_nano)


def _require_owner(ctx: Context, dataset_id: str) -> str:
    require_member(ctx)
    owner = dataset(ctx, dataset_id).owner
    ctx.caller.require_organisation(owner)
    ctx.caller.require_role("admin", "member")
    return owner


def _granted(message: Bound) -> BudgetGranted:
    return BudgetGranted(
        dataset_id=message.dataset_id,
        requester=message.requester,
        epsilon_nano=message.epsilon_nano,
        delta_pico=message.delta_pico,
    )
