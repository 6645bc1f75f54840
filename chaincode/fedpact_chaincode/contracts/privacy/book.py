"""How a budget is spent: the functions that other contracts call."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from fedpact_chaincode.contract import Context, Event
from fedpact_chaincode.contracts.privacy.records import (
    BUDGET_EXHAUSTED,
    BUDGETS,
    CHARGES,
    NO_BUDGET,
    Budget,
    Charge,
    Mechanism,
    loss_of,
)
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.privacy_loss import epsilon


class BudgetCharged(Event, frozen=True, kw_only=True):
    """A release was charged to a budget."""

    dataset_id: str
    requester: str
    task_id: str
    round: int
    spent_nano: int


@dataclass(frozen=True, slots=True)
class Release:
    """What a participant is about to let out of a dataset.

    Attributes
    ----------
    requester : mspid of the task's requester.
    events : the mechanisms applied; none where nothing private is claimed.
    """

    dataset_id: str
    requester: str
    task_id: str
    round: int
    events: tuple[Mechanism, ...]


def has_budget(ctx: Context, dataset_id: str, requester: str) -> bool:
    """Whether the owner granted this requester a budget."""
    return BUDGETS.has(ctx.state, dataset_id, requester)


def spent_after(budget: Budget, events: tuple[Mechanism, ...]) -> int | None:
    """Return epsilon at the budget's delta after these mechanisms, 1e-9; None: there is no finite one."""
    return epsilon(budget.loss + loss_of(events), budget.delta_pico)


def charge(ctx: Context, release: Release) -> int:
    """Charge a release to its budget; returns the epsilon spent since the grant, 1e-9.

    A release without mechanisms writes nothing; whether it may be made is the task's privacy policy.

    Raises
    ------
    Rejected
        NO_BUDGET; BUDGET_EXHAUSTED where it would overspend, and then nothing is spent.
    """
    budget = BUDGETS.get(ctx.state, release.dataset_id, release.requester)
    if not release.events:
        return 0 if budget is None else spent_after(budget, ()) or 0
    if budget is None:
        raise Rejected(NO_BUDGET, dataset_id=release.dataset_id, requester=release.requester)
    spent = spent_after(budget, release.events)
    if spent is None or spent > budget.epsilon_nano:
        raise Rejected(
            BUDGET_EXHAUSTED,
            dataset_id=release.dataset_id,
            requester=release.requester,
            spent_after_nano=spent,
            epsilon_nano=budget.epsilon_nano,
        )
    loss = budget.loss + loss_of(release.events)
    BUDGETS.save(
        ctx.state,
        replace(
            budget,
            pure_nano=loss.pure_nano,
            pure_rho_pico=loss.pure_rho_pico,
            gaussian_rho_pico=loss.gaussian_rho_pico,
            releases=budget.releases + 1,
        ),
    )
    CHARGES.create(
        ctx.state,
        Charge(
            dataset_id=release.dataset_id,
            requester=release.requester,
            sequence=budget.releases,
            task_id=release.task_id,
            round=release.round,
            node=ctx.caller.id,
            events=release.events,
            spent_nano=spent,
            time_ms=ctx.time_ms,
        ),
    )
    ctx.emit(
        BudgetCharged(
            dataset_id=release.dataset_id,
            requester=release.requester,
            task_id=release.task_id,
            round=release.round,
            spent_nano=spent,
        )
    )
    return spent
