"""A dataset in memory: features, target, and what a consortium needs to know about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TaskKind = Literal["classification", "regression"]
Metric = Literal["mae", "auc", "accuracy"]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class VitalReading:
    """One value that a device measured on a patient.

    Attributes
    ----------
    field, unit : as in `fedpact.telemetry.FIELDS`.
    value : in the unit.
    """

    field: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A dataset for a demonstration.

    Attributes
    ----------
    name : what `load` calls it.
    category : field of medicine, or of application.
    task_kind, metric : what is learned, and by which figure it is judged.
    features : float64 [n, d], raw units.
    target : float64 [n]; classes are whole numbers from 0.
    target_name : what the target is.
    feature_names, units : d of each; unit "" for none.
    vitals : names of the features that devices measure, fields of `fedpact.telemetry`.
    citation : whom to cite.
    groups : int64 [n], the natural owner of each row, or None.
    holdout : rows that the dataset's authors set apart for testing, or None.
    """

    name: str
    category: str
    task_kind: TaskKind
    metric: Metric
    features: NDArray[np.float64]
    target: NDArray[np.float64]
    target_name: str
    feature_names: tuple[str, ...]
    units: tuple[str, ...]
    citation: str
    vitals: tuple[str, ...] = ()
    groups: NDArray[np.int64] | None = None
    holdout: Rows | None = None

    def __post_init__(self) -> None:
        rows, columns = self.features.shape
        if not len(self.feature_names) == len(self.units) == columns:
            raise ValueError("a name and a unit per feature")
        if self.target.shape != (rows,) or (self.groups is not None and self.groups.shape != (rows,)):
            raise ValueError("a target and a group per row")
        if not set(self.vitals) <= set(self.feature_names):
            raise ValueError("vitals are features")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a regression."""
        return 0 if self.task_kind == "regression" else int(self.target.max(initial=-1)) + 1

    def readings(self, row: int) -> tuple[VitalReading, ...]:
        """Return what devices measured on one patient; empty where the data has no vitals.

        Parameters
        ----------
        row : the patient's row, 0 to n - 1.
        """
        columns = [self.feature_names.index(name) for name in self.vitals]
        return tuple(
            VitalReading(self.feature_names[column], self.units[column], float(self.features[row, column]))
            for column in columns
        )

    def take(self, rows: Rows) -> Dataset:
        """Return the dataset of these rows, in this order; what was held out of them stays held out."""
        holdout = None if self.holdout is None else np.flatnonzero(np.isin(rows, self.holdout))
        return replace(
            self,
            features=self.features[rows],
            target=self.target[rows],
            groups=None if self.groups is None else self.groups[rows],
            holdout=holdout,
        )
