"""Mechanisms, budgets and charges, as they are stored.

The ledger keeps the mechanisms themselves, so that any accountant can replay them (a tighter one off the
ledger included); the contract enforces what `rules.privacy_loss` proves of them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from fedpact_chaincode.errors import Kind, code
from fedpact_chaincode.rules import privacy_loss
from fedpact_chaincode.rules.privacy_loss import Loss
from fedpact_chaincode.state import Map, Record

Epsilon = Annotated[int, msgspec.Meta(ge=1, le=10**12, description="epsilon, 1e-9")]
Delta = Annotated[int, msgspec.Meta(ge=0, lt=10**12, description="delta, 1e-12; 0: pure privacy only")]
NoiseMultiplier = Annotated[
    int, msgspec.Meta(ge=10**6, le=10**15, description="standard deviation over L2 sensitivity, 1e-9")
]
Repetitions = Annotated[int, msgspec.Meta(ge=1, le=10**6, description="how often a mechanism was applied")]


class Laplace(Record, frozen=True, kw_only=True, tag="laplace"):
    """Laplace noise on a value of bounded L1 norm, `count` times with this epsilon each."""

    epsilon_nano: Epsilon
    count: Repetitions = 1


class Gaussian(Record, frozen=True, kw_only=True, tag="gaussian"):
    """Gaussian noise on a value of bounded L2 norm, `count` times with this noise multiplier."""

    noise_multiplier_nano: NoiseMultiplier
    count: Repetitions = 1


Mechanism = Laplace | Gaussian
Mechanisms = Annotated[tuple[Mechanism, ...], msgspec.Meta(max_length=64)]


class Budget(Record, frozen=True, kw_only=True):
    """What one requester may learn from one dataset, and what it has learned already.

    Attributes
    ----------
    owner : mspid of the dataset's organisation.
    requester : mspid.
    epsilon_nano, delta_pico : the bound, 1e-9 and 1e-12.
    pure_nano, pure_rho_pico, gaussian_rho_pico : the loss so far, as in `rules.privacy_loss.Loss`.
    releases : how many charges there have been.
    """

    dataset_id: str
    requester: str
    owner: str
    epsilon_nano: int
    delta_pico: int
    pure_nano: int = 0
    pure_rho_pico: int = 0
    gaussian_rho_pico: int = 0
    releases: int = 0

    @property
    def loss(self) -> Loss:
        """What has been lost so far."""
        return Loss(self.pure_nano, self.pure_rho_pico, self.gaussian_rho_pico)


class Charge(Record, frozen=True, kw_only=True):
    """One release: the mechanisms and what had been spent after it.

    Attributes
    ----------
    node : who released, by its own identity.
    spent_nano : epsilon at the budget's delta after this release, 1e-9.
    """

    dataset_id: str
    requester: str
    sequence: int
    task_id: str
    round: int
    node: str
    events: Mechanisms
    spent_nano: int
    time_ms: int


BUDGETS = Map("privacy.budget", Budget, key=("dataset_id", "requester"))
CHARGES = Map("privacy.charge", Charge, key=("dataset_id", "requester", "sequence"))

BUDGET_EXHAUSTED = code(
    350, "BUDGET_EXHAUSTED", Kind.BUDGET_EXHAUSTED, "the release would spend more than was granted"
)
NO_BUDGET = code(351, "NO_BUDGET", Kind.BUDGET_EXHAUSTED, "the owner granted this requester no budget")
BUDGET_BELOW_SPENT = code(
    352, "BUDGET_BELOW_SPENT", Kind.FAILED_PRECONDITION, "more than this has been spent already"
)


def loss_of(events: tuple[Mechanism, ...]) -> Loss:
    """Return the privacy loss of some mechanisms together."""
    total = Loss()
    for event in events:
        if isinstance(event, Laplace):
            total += privacy_loss.laplace(event.epsilon_nano, event.count)
        else:
            total += privacy_loss.gaussian(event.noise_multiplier_nano, event.count)
    return total
