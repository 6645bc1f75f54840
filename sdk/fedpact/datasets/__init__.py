"""Datasets for demonstrations: real data, spread over owners.

What needs numpy is imported on first use: the base is installed without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedpact.datasets.errors import DataCode, DataError
from fedpact.lazy_names import lazily

if TYPE_CHECKING:
    from fedpact.datasets.catalogue import NAMES, load
    from fedpact.datasets.dataset import Dataset, VitalReading
    from fedpact.datasets.fetching import SOURCES, fetch
    from fedpact.datasets.mnist import MnistImages, read_mnist
    from fedpact.datasets.splitting import OwnerData, Part, Split, SplitRules, split

_HOME = {
    "Dataset": "dataset",
    "MnistImages": "mnist",
    "NAMES": "catalogue",
    "OwnerData": "splitting",
    "Part": "splitting",
    "SOURCES": "fetching",
    "Split": "splitting",
    "SplitRules": "splitting",
    "VitalReading": "dataset",
    "fetch": "fetching",
    "load": "catalogue",
    "read_mnist": "mnist",
    "split": "splitting",
}

__all__ = [
    "NAMES",
    "SOURCES",
    "DataCode",
    "DataError",
    "Dataset",
    "MnistImages",
    "OwnerData",
    "Part",
    "Split",
    "SplitRules",
    "VitalReading",
    "fetch",
    "load",
    "read_mnist",
    "split",
]


__getattr__ = lazily(__name__, _HOME, lambda advice: DataError(DataCode.EXTRA_MISSING, advice))


def __dir__() -> list[str]:
    return sorted(__all__)
