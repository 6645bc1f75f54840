"""Privacy: what is proven of noisy releases, and budgets that cannot be overspent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaincode.conftest import Spend, Stage

from fedpact_chaincode.contracts.privacy import (
    BUDGETS,
    CHARGES,
    Bound,
    BudgetOf,
    ChargesOf,
    Gaussian,
    Laplace,
    Mechanism,
    Plan,
)
from fedpact_chaincode.contracts.privacy.records import loss_of
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.rules.privacy_loss import Loss, epsilon, gaussian, laplace

OWNER = "BetaMSP/node"
DATASET = "BetaMSP/node-data"
REQUESTER = "AlphaMSP"
DELTA = 10**7  # 1e-5

laplaces = st.builds(
    lambda epsilon, count: Laplace(epsilon_nano=epsilon, count=count),
    st.integers(1, 10**10),
    st.integers(1, 1000),
)
gaussians = st.builds(
    lambda noise, count: Gaussian(noise_multiplier_nano=noise, count=count),
    st.integers(10**8, 10**12),
    st.integers(1, 1000),
)
mechanisms = st.lists(laplaces | gaussians, max_size=6).map(tuple)


def closed_form(events: tuple[Mechanism, ...], delta: float) -> float:
    """The same bounds in floating point (Bun & Steinke 2016, Prop. 1.3, 1.4, 1.6)."""
    pure = [(e.epsilon_nano * 1e-9, e.count) for e in events if isinstance(e, Laplace)]
    noise = [(e.noise_multiplier_nano * 1e-9, e.count) for e in events if isinstance(e, Gaussian)]
    rho_pure = sum(count * epsilon**2 / 2 for epsilon, count in pure)
    rho_noise = sum(count / (2 * z**2) for z, count in noise)

    def convert(rho: float) -> float:
        return rho + 2 * math.sqrt(rho * math.log(1 / delta))

    basic = sum(count * epsilon for epsilon, count in pure)
    return min(convert(rho_pure + rho_noise), basic + convert(rho_noise))


@given(mechanisms, st.integers(1, 10**11))
def test_epsilon_is_the_closed_form_rounded_up(events: tuple[Mechanism, ...], delta_pico: int) -> None:
    proven = epsilon(loss_of(events), delta_pico)
    assert proven is not None
    expected = closed_form(events, delta_pico * 1e-12) * 1e9
    # every rho is rounded up to 1e-12, which moves epsilon by less than sqrt(1e-12 ln(1/delta)) each
    slack = 2e9 * math.sqrt(2e-12 * len(events) * 30)
    assert expected * (1 - 1e-12) <= proven <= expected * (1 + 1e-9) + slack + 1


def test_known_values() -> None:
    assert epsilon(Loss(), DELTA) == 0
    assert epsilon(laplace(10**9), DELTA) == 10**9
    assert epsilon(laplace(10**9, 3), 0) == 3 * 10**9
    # z = 1: rho = 1/2; epsilon = 0.5 + sqrt(2 ln 1e5) = 5.298525912188...
    assert epsilon(gaussian(10**9), DELTA) == 5_298_525_913
    # 10,000 releases of epsilon 0.01: 100 by basic composition, 0.5 + sqrt(2 ln 1e5) as zCDP
    assert epsilon(laplace(10**7, 10_000), DELTA) == 5_298_525_913
    # what is pure composes without delta, beside Gaussian noise too
    assert epsilon(laplace(10**9) + gaussian(10**11), DELTA) == 1_000_000_000 + 48_035_260


def test_gaussian_noise_proves_nothing_at_delta_zero() -> None:
    assert epsilon(gaussian(10**12), 0) is None


@given(mechanisms, laplaces | gaussians, st.integers(1, 10**11))
def test_more_releases_never_cost_less(
    events: tuple[Mechanism, ...], another: Mechanism, delta_pico: int
) -> None:
    before, after = (epsilon(loss_of(e), delta_pico) for e in (events, (*events, another)))
    assert before is not None
    assert after is not None
    assert before <= after


@given(mechanisms, st.randoms())
def test_the_order_of_releases_does_not_matter(events: tuple[Mechanism, ...], random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert loss_of(tuple(shuffled)) == loss_of(events)


def bound(epsilon_nano: int, delta_pico: int = DELTA) -> Bound:
    return Bound(dataset_id=DATASET, requester=REQUESTER, epsilon_nano=epsilon_nano, delta_pico=delta_pico)


def spend(stage: Stage, *events: Mechanism) -> None:
    stage.do(OWNER, "rounds:spend", Spend(dataset_id=DATASET, requester=REQUESTER, events=events))


def code(stage: Stage, who: str, function: str, message: object) -> str:
    before = dict(stage.ledger.state)
    with pytest.raises(Rejected) as caught:
        stage.do(who, function, message)
    assert stage.ledger.state == before
    return caught.value.code.name


@pytest.fixture
def granted(stage: Stage) -> Stage:
    stage.provider(OWNER)
    stage.do(OWNER, "privacy:grant", bound(3 * 10**9))
    return stage


def test_a_budget_is_spent_and_no_further(granted: Stage) -> None:
    one = Laplace(epsilon_nano=10**9)
    for spent in (1, 2, 3):
        spend(granted, one)
        assert granted.ask(
            "privacy:budget", BudgetOf(dataset_id=DATASET, requester=REQUESTER)
        ).spent_nano == (spent * 10**9)
    least = Spend(dataset_id=DATASET, requester=REQUESTER, events=(Laplace(epsilon_nano=1),))
    assert code(granted, OWNER, "rounds:spend", least) == "BUDGET_EXHAUSTED"
    granted.do("BetaMSP/admin", "privacy:amend", bound(4 * 10**9))
    spend(granted, one)
    page = granted.ask(
        "privacy:charges", ChargesOf(dataset_id=DATASET, requester=REQUESTER, start=1, limit=2)
    )
    assert [(c.sequence, c.spent_nano, c.node) for c in page.charges] == [
        (1, 2 * 10**9, OWNER),
        (2, 3 * 10**9, OWNER),
    ]
    assert granted.read(CHARGES, DATASET, REQUESTER, 3).events == (one,)


def test_the_charges_replay_to_the_budget(granted: Stage) -> None:
    spend(granted, Laplace(epsilon_nano=10**8, count=3), Gaussian(noise_multiplier_nano=10**10))
    spend(granted, Gaussian(noise_multiplier_nano=5 * 10**9, count=2))
    kept = granted.read(BUDGETS, DATASET, REQUESTER)
    charges = [granted.read(CHARGES, DATASET, REQUESTER, number) for number in range(kept.releases)]
    assert loss_of(tuple(event for charge in charges for event in charge.events)) == kept.loss
    assert charges[-1].spent_nano == epsilon(kept.loss, DELTA)


def test_asking_before_spending(granted: Stage) -> None:
    def fits(*events: Mechanism) -> tuple[int | None, bool]:
        forecast = granted.ask(
            "privacy:would_fit", Plan(dataset_id=DATASET, requester=REQUESTER, events=events)
        )
        return forecast.spent_nano, forecast.fits

    assert fits(Laplace(epsilon_nano=3 * 10**9)) == (3 * 10**9, True)
    assert fits(Laplace(epsilon_nano=3 * 10**9 + 1)) == (3 * 10**9 + 1, False)
    assert fits(Laplace(epsilon_nano=10**12, count=10**6)) == (10**18, False)
    granted.do(OWNER, "privacy:amend", bound(3 * 10**9, 0))
    assert fits(Gaussian(noise_multiplier_nano=10**15)) == (None, False)


def test_a_bound_is_never_lowered_below_what_was_spent(granted: Stage) -> None:
    spend(granted, Laplace(epsilon_nano=10**9))
    assert code(granted, OWNER, "privacy:amend", bound(10**9 - 1)) == "BUDGET_BELOW_SPENT"
    granted.do(OWNER, "privacy:amend", bound(10**9))
    granted.do(OWNER, "privacy:amend", bound(2 * 10**9))
    spend(granted, Gaussian(noise_multiplier_nano=10**11))
    assert code(granted, OWNER, "privacy:amend", bound(2 * 10**9, 0)) == "BUDGET_BELOW_SPENT"


def test_a_release_without_mechanisms_needs_no_budget(stage: Stage) -> None:
    stage.provider(OWNER)
    before = dict(stage.ledger.state)
    spend(stage)
    assert stage.ledger.state == before
    some = Spend(dataset_id=DATASET, requester=REQUESTER, events=(Laplace(epsilon_nano=1),))
    assert code(stage, OWNER, "rounds:spend", some) == "NO_BUDGET"


@pytest.mark.parametrize(
    ("who", "function", "change", "expected"),
    [
        (OWNER, "grant", {}, "RECORD_EXISTS"),
        ("AlphaMSP/node", "amend", {}, "NOT_THE_OWNER"),
        ("BetaMSP/device", "amend", {}, "ROLE_REQUIRED"),
        ("ForeignMSP/node", "amend", {}, "NOT_A_MEMBER"),
        (OWNER, "grant", {"requester": "NoSuchMSP"}, "UNKNOWN_ORGANISATION"),
        (OWNER, "amend", {"requester": "GammaMSP"}, "RECORD_NOT_FOUND"),
        (OWNER, "grant", {"dataset_id": "BetaMSP/none"}, "RECORD_NOT_FOUND"),
        (OWNER, "amend", {"epsilon_nano": 0}, "MALFORMED_MESSAGE"),
        (OWNER, "amend", {"delta_pico": 10**12}, "MALFORMED_MESSAGE"),
    ],
)
def test_refused_bounds(
    granted: Stage, who: str, function: str, change: dict[str, object], expected: str
) -> None:
    fields = {"dataset_id": DATASET, "requester": REQUESTER, "epsilon_nano": 10**9, "delta_pico": DELTA}
    assert code(granted, who, f"privacy:{function}", Bound(**{**fields, **change})) == expected
