"""Privacy: what an owner lets each requester learn, and what has been spent of it.

records.py       what is kept, and the error codes 350-399
book.py          how a budget is spent: the functions for other contracts
transactions.py  what owners grant, and queries
"""

from fedpact_chaincode.contracts.privacy.book import Release, charge, has_budget
from fedpact_chaincode.contracts.privacy.records import (
    BUDGETS,
    CHARGES,
    Budget,
    Charge,
    Gaussian,
    Laplace,
    Mechanism,
    Mechanisms,
)
from fedpact_chaincode.contracts.privacy.transactions import (
    Bound,
    BudgetOf,
    BudgetState,
    ChargePage,
    ChargesOf,
    Forecast,
    Plan,
    contract,
)

__all__ = [
    "BUDGETS",
    "CHARGES",
    "Bound",
    "Budget",
    "BudgetOf",
    "BudgetState",
    "Charge",
    "ChargePage",
    "ChargesOf",
    "Forecast",
    "Gaussian",
    "Laplace",
    "Mechanism",
    "Mechanisms",
    "Plan",
    "Release",
    "charge",
    "contract",
    "has_budget",
]
