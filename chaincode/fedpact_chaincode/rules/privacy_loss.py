"""What a set of noisy releases proves: pure and zero-concentrated differential privacy, in integers.

M. Bun, T. Steinke, "Concentrated Differential Privacy: Simplifications, Extensions, and Lower Bounds", TCC
2016: Lemma 1.7 (zCDP adds up), Propositions 1.3 (zCDP to epsilon and delta), 1.4 (pure DP to zCDP) and 1.6
(Gaussian noise). Every number is rounded up, so that what is reported is never less than what is proven.
"""

from __future__ import annotations

from dataclasses import dataclass

import mpmath

from fedpact_chaincode.arithmetic import NANO, divide_up

PICO = 10**12
MAX_EPSILON_NANO = 10**18
_context = mpmath.MPContext()
_context.dps = 60


@dataclass(frozen=True, slots=True)
class Loss:
    """The privacy loss of some releases on one dataset; losses add up.

    Attributes
    ----------
    pure_nano : sum of the epsilons of purely private releases, 1e-9.
    pure_rho_pico : the same releases as zCDP, 1e-12.
    gaussian_rho_pico : zCDP of the Gaussian releases, 1e-12.
    """

    pure_nano: int = 0
    pure_rho_pico: int = 0
    gaussian_rho_pico: int = 0

    def __add__(self, other: Loss) -> Loss:
        return Loss(
            self.pure_nano + other.pure_nano,
            self.pure_rho_pico + other.pure_rho_pico,
            self.gaussian_rho_pico + other.gaussian_rho_pico,
        )


def laplace(epsilon_nano: int, count: int = 1) -> Loss:
    """Return the loss of `count` releases with Laplace noise: epsilon each, epsilon^2 / 2 zCDP (Prop. 1.4).

    Parameters
    ----------
    epsilon_nano : L1 sensitivity over the noise's scale, 1e-9.
    """
    return Loss(
        pure_nano=count * epsilon_nano,
        pure_rho_pico=divide_up(count * epsilon_nano**2 * PICO, 2 * NANO**2),
    )


def gaussian(noise_multiplier_nano: int, count: int = 1) -> Loss:
    """Return the loss of `count` releases with Gaussian noise: 1 / (2 z^2) zCDP each (Prop. 1.6).

    Parameters
    ----------
    noise_multiplier_nano : z, standard deviation over L2 sensitivity, 1e-9.
    """
    return Loss(gaussian_rho_pico=divide_up(count * NANO**2 * PICO, 2 * noise_multiplier_nano**2))


def epsilon(loss: Loss, delta_pico: int) -> int | None:
    """Return the smallest epsilon these bounds prove at delta, 1e-9, rounded up and at most 1e18.

    Two bounds hold, and the smaller one counts: all releases as zCDP, or the pure ones by basic composition
    (which needs no delta) plus the Gaussian ones as zCDP.

    Parameters
    ----------
    delta_pico : delta, 1e-12; 0 admits pure differential privacy only.

    Returns
    -------
    None where there is no finite epsilon: Gaussian noise and delta 0.
    """
    mixed = _from_zcdp(loss.gaussian_rho_pico, delta_pico)
    if mixed is None:
        return None
    concentrated = _from_zcdp(loss.pure_rho_pico + loss.gaussian_rho_pico, delta_pico)
    basic = loss.pure_nano + mixed
    return min(basic, MAX_EPSILON_NANO if concentrated is None else concentrated, MAX_EPSILON_NANO)


def _from_zcdp(rho_pico: int, delta_pico: int) -> int | None:
    """Return rho + 2 sqrt(rho ln(1 / delta)), 1e-9, rounded up (Prop. 1.3)."""
    if rho_pico == 0:
        return 0
    if delta_pico == 0:
        return None
    rho = _context.fdiv(rho_pico, PICO)
    log = _context.log(_context.fdiv(PICO, delta_pico))
    return int(_context.ceil((rho + 2 * _context.sqrt(rho * log)) * NANO))
