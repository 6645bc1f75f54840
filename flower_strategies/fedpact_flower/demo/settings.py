"""What the demonstration can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How a hospital trains: gradient descent on all its rows, every row's gradient clipped.

    Attributes
    ----------
    steps : gradient steps a round.
    rate : learning rate.
    clip : largest L2 norm of one row's gradient.
    logarithms : whether features are taken as logarithms, as suits laboratory values.
    rows : rows of the dataset at most; None: all.
    """

    steps: int = 6
    rate: float = 0.5
    clip: float = 1.0
    logarithms: bool = False
    rows: int | None = None


LEARNING = MappingProxyType(
    {
        "diabetes": Learning(steps=6, rate=0.5),
        "breast-cancer": Learning(steps=8, rate=2.0),
        "digits": Learning(steps=8, rate=1.5),
        "nhanes": Learning(steps=8, rate=4.0, logarithms=True),
        "mnist": Learning(steps=8, rate=1.5, rows=6_000),
    }
)
"""The datasets of the demonstration."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """One run of the demonstration.

    Attributes
    ----------
    dataset : a key of `LEARNING`.
    seed : of identities, clock, splits, noise; the same seed leaves the same state hash.
    hospitals : how many, at least 4; the last one turns its outcomes round.
    rounds : federated rounds, at least 2.
    epsilon, delta : budget of privacy of every hospital towards the researcher.
    workers : processes that train; None: one a core.
    home : folder of the ledger and the report, new or empty.
    data : folder of downloaded datasets; None: FEDPACT_DATA.
    """

    dataset: str = "diabetes"
    seed: int = 7
    hospitals: int = 6
    rounds: int = 6
    epsilon: float = 8.0
    delta: float = 1e-4
    workers: int | None = None
    home: Path = Path("fedpact-demo")
    data: Path | None = None

    def __post_init__(self) -> None:
        if self.dataset not in LEARNING:
            raise ValueError(f"unknown dataset {self.dataset!r}; there are {', '.join(LEARNING)}")
        if self.hospitals < 4 or self.rounds < 2:
            raise ValueError("a demonstration needs four hospitals and two rounds")
        if not (self.epsilon > 0 and 0 < self.delta < 1 and self.seed >= 0):
            raise ValueError("epsilon and delta are positive, delta below 1, the seed not negative")

    @property
    def learning(self) -> Learning:
        """How the dataset is learned."""
        return LEARNING[self.dataset]
