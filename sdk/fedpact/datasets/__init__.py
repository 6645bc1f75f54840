"""Datasets for demonstrations: real data, spread over owners."""

from fedpact.datasets.catalogue import NAMES, load
from fedpact.datasets.dataset import Dataset, VitalReading
from fedpact.datasets.errors import DataCode, DataError
from fedpact.datasets.fetch import SOURCES, fetch
from fedpact.datasets.mnist import MnistImages, read_mnist
from fedpact.datasets.split import OwnerData, Part, Split, SplitRules, split

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
