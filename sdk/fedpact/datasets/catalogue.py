"""The datasets by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fedpact.datasets.dataset import Dataset
from fedpact.datasets.errors import DataCode, DataError
from fedpact.datasets.mnist import load_mnist
from fedpact.datasets.nhanes import load_nhanes
from fedpact.datasets.shipped import load_breast_cancer, load_diabetes, load_digits

SHIPPED: dict[str, Callable[[], Dataset]] = {
    "diabetes": load_diabetes,
    "breast-cancer": load_breast_cancer,
    "digits": load_digits,
}
NAMES = (*SHIPPED, "nhanes", "mnist")
"""What `load` knows; the last two come from a folder."""


def load(name: str, folder: Path | str | None = None, *, limit: int | None = None) -> Dataset:
    """Load a dataset.

    Parameters
    ----------
    name : one of `NAMES`.
    folder : where downloaded datasets lie; None: the folder that FEDPACT_DATA names. The shipped ones need
        none.
    limit : number of rows at most, evenly spaced over the dataset; None: all.

    Raises
    ------
    DataError
        UNKNOWN_DATASET, EXTRA_MISSING, FOLDER_UNSET, FILE_MISSING, MALFORMED.
    """
    if limit is not None and limit < 1:
        raise ValueError("a limit is at least 1")
    if name == "mnist":
        return load_mnist(folder, limit=limit)
    if name == "nhanes":
        dataset = load_nhanes(folder)
    elif name in SHIPPED:
        dataset = SHIPPED[name]()
    else:
        raise DataError(DataCode.UNKNOWN_DATASET, f"no dataset {name!r:.80}: there are {', '.join(NAMES)}")
    if limit is None or limit >= len(dataset):
        return dataset
    return dataset.take(np.arange(limit) * len(dataset) // limit)
