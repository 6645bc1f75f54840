"""Budgets of privacy: granted by owners, charged by rounds, enforced by the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fedpact_chaincode.contracts.privacy.records import Budget, Charge, Gaussian, Laplace
from fedpact_chaincode.contracts.privacy.transactions import (
    Bound,
    BudgetOf,
    BudgetState,
    ChargePage,
    ChargesOf,
    Forecast,
    Plan,
)

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

Mechanism = Laplace | Gaussian

NANO = 10**9
PICO = 10**12


class Privacy:
    """What an organisation allows a requester to learn from a dataset, and what was spent of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def grant(self, dataset_id: str, requester: str, *, epsilon: float, delta: float = 0.0) -> Budget:
        """Grant a budget of (epsilon, delta)-differential privacy.

        Parameters
        ----------
        dataset_id : a dataset of the caller's organisation.
        requester : mspid of the organisation that pays for the tasks.
        epsilon : rounded to 1e-9.
        delta : rounded to 1e-12; 0 allows pure mechanisms (Laplace) only.
        """
        return self._session.submit("privacy:grant", _bound(dataset_id, requester, epsilon, delta), Budget)

    def amend(self, dataset_id: str, requester: str, *, epsilon: float, delta: float = 0.0) -> Budget:
        """Change a budget; never below what is spent."""
        return self._session.submit("privacy:amend", _bound(dataset_id, requester, epsilon, delta), Budget)

    def budget(self, dataset_id: str, requester: str) -> BudgetState:
        """Return the budget with what is spent and what remains."""
        message = BudgetOf(dataset_id=dataset_id, requester=requester)
        return self._session.evaluate("privacy:budget", message, BudgetState)

    def charges(self, dataset_id: str, requester: str, *, start: int = 0) -> list[Charge]:
        """Return up to a hundred charges, oldest first."""
        message = ChargesOf(dataset_id=dataset_id, requester=requester, start=start)
        return self._session.evaluate("privacy:charges", message, ChargePage).charges

    def would_fit(self, dataset_id: str, requester: str, events: Sequence[Mechanism]) -> Forecast:
        """Ask whether a round that releases these events stays within the budget."""
        message = Plan(dataset_id=dataset_id, requester=requester, events=tuple(events))
        return self._session.evaluate("privacy:would_fit", message, Forecast)


def _bound(dataset_id: str, requester: str, epsilon: float, delta: float) -> Bound:
    return Bound(
        dataset_id=dataset_id,
        requester=requester,
        epsilon_nano=round(epsilon * NANO),
        delta_pico=round(delta * PICO),
    )
