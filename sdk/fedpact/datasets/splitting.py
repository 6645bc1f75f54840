"""Spreading a dataset over owners: a part for each, and a common test set that none of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets.dataset import Dataset, Rows
from fedpact.datasets.errors import DataCode, DataError


@dataclass(frozen=True, slots=True)
class SplitRules:
    """How a dataset is spread.

    Attributes
    ----------
    by : "iid" deals rows at random; "groups" gives whole groups to one owner; "auto" takes groups where
        the dataset has them.
    test_fraction : part of all rows for the common test set, unless the dataset's authors held rows out.
    validation_fraction : part of each owner's rows that it keeps for validating models.
    """

    by: Literal["auto", "iid", "groups"] = "auto"
    test_fraction: float = 0.2
    validation_fraction: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.test_fraction < 1 and 0 < self.validation_fraction < 1):
            raise ValueError("fractions lie between 0 and 1")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some rows of a dataset.

    Attributes
    ----------
    rows : their numbers in the dataset, growing.
    features, target : of these rows.
    """

    rows: Rows
    features: NDArray[np.float64]
    target: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class OwnerData:
    """What one owner holds."""

    train: Part
    validation: Part


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A dataset spread over owners."""

    owners: tuple[OwnerData, ...]
    test: Part


DEFAULT_RULES = SplitRules()


def split(dataset: Dataset, owners: int, seed: int, *, rules: SplitRules = DEFAULT_RULES) -> Split:
    """Spread a dataset over owners; the same seed gives the same parts.

    Classes are spread evenly over test set, training and validation parts, and with "iid" over owners.

    Parameters
    ----------
    dataset : what is spread.
    owners : how many, at least 1.
    seed : of the shuffles, 0 or more.
    rules : how.

    Raises
    ------
    DataError
        TOO_FEW_ROWS if a part would be empty, or there are fewer groups than owners.
    ValueError
        If rows are to be spread by groups that the dataset does not have.
    """
    if owners < 1:
        raise ValueError("data need an owner")
    generator = np.random.default_rng(seed)
    rows = np.arange(len(dataset))
    if dataset.holdout is not None:
        test = dataset.holdout
    else:
        test = _draw(dataset, rows, rules.test_fraction, generator)
    rest = np.setdiff1d(rows, test)
    if rules.by == "groups" or (rules.by == "auto" and dataset.groups is not None):
        shares = _by_groups(dataset, rest, owners)
    else:
        shares = _dealt(dataset, rest, owners, generator)
    held = []
    for share in shares:
        validation = _draw(dataset, share, rules.validation_fraction, generator)
        held.append(OwnerData(_part(dataset, np.setdiff1d(share, validation)), _part(dataset, validation)))
    return Split(tuple(held), _part(dataset, test))


def _part(dataset: Dataset, rows: Rows) -> Part:
    if not len(rows):
        raise DataError(DataCode.TOO_FEW_ROWS, f"{dataset.name} is too small for so many owners")
    rows = np.sort(rows)
    return Part(rows, dataset.features[rows], dataset.target[rows])


def _strata(dataset: Dataset, rows: Rows) -> list[Rows]:
    if dataset.task_kind == "regression":
        return [rows]
    return [rows[dataset.target[rows] == label] for label in np.unique(dataset.target[rows])]


def _shuffled(dataset: Dataset, rows: Rows, generator: np.random.Generator) -> Rows:
    """Shuffle within each class and lay the classes end to end."""
    order: Rows = np.concatenate(
        [generator.permutation(stratum) for stratum in _strata(dataset, rows)] or [rows]
    )
    return order


def _draw(dataset: Dataset, rows: Rows, fraction: float, generator: np.random.Generator) -> Rows:
    """Draw a fraction of the rows, of every class alike; the total is exact to one row."""
    order = _shuffled(dataset, rows, generator)
    # every 1/fraction-th row of the classes laid end to end
    steps = np.floor(np.arange(len(order) + 1) * fraction + 0.5)
    drawn: Rows = order[np.diff(steps) > 0]
    return drawn


def _dealt(dataset: Dataset, rows: Rows, owners: int, generator: np.random.Generator) -> list[Rows]:
    order = _shuffled(dataset, rows, generator)
    return [order[owner::owners] for owner in range(owners)]


def _by_groups(dataset: Dataset, rows: Rows, owners: int) -> list[Rows]:
    if dataset.groups is None:
        raise ValueError(f"{dataset.name} has no groups")
    names, sizes = np.unique(dataset.groups[rows], return_counts=True)
    if len(names) < owners:
        raise DataError(DataCode.TOO_FEW_ROWS, f"{len(names)} groups for {owners} owners")
    held: list[list[int]] = [[] for _ in range(owners)]
    totals = [0] * owners
    # largest group first, each to the owner with the fewest rows: nearly equal owners
    for place in sorted(range(len(names)), key=lambda place: (-int(sizes[place]), int(names[place]))):
        owner = totals.index(min(totals))
        held[owner].append(int(names[place]))
        totals[owner] += int(sizes[place])
    return [rows[np.isin(dataset.groups[rows], groups)] for groups in held]
