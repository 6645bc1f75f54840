"""MNIST: handwritten digits of 28 x 28 pixels, from the four original idx files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets.dataset import Dataset
from fedpact.datasets.errors import DataCode, DataError
from fedpact.datasets.folder import data_folder, missing, read_bytes

FOLDER = "mnist"
TRAIN, TEST, SIDE = 60_000, 10_000, 28


@dataclass(frozen=True, slots=True, eq=False)
class MnistImages:
    """The images as they are stored, for models that want pixels.

    Attributes
    ----------
    train_images, test_images : uint8 [60000, 28, 28] and [10000, 28, 28], 0 is background.
    train_labels, test_labels : uint8, 0 to 9.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def read_mnist(folder: Path | str | None = None) -> MnistImages:
    """Read the four files.

    Parameters
    ----------
    folder : the folder of datasets; None: FEDPACT_DATA. The files are in its folder mnist.

    Raises
    ------
    DataError
        FOLDER_UNSET, FILE_MISSING, MALFORMED.
    """
    place = data_folder("mnist", folder) / FOLDER
    return MnistImages(
        _idx(place / "train-images-idx3-ubyte.gz", (TRAIN, SIDE, SIDE)),
        _idx(place / "train-labels-idx1-ubyte.gz", (TRAIN,)),
        _idx(place / "t10k-images-idx3-ubyte.gz", (TEST, SIDE, SIDE)),
        _idx(place / "t10k-labels-idx1-ubyte.gz", (TEST,)),
    )


def load_mnist(folder: Path | str | None = None, *, limit: int | None = None) -> Dataset:
    """Read MNIST as a table of 784 pixels, brightness 0 to 1; its 10,000 test images are held out.

    Parameters
    ----------
    folder : as for `read_mnist`.
    limit : number of images at most, training and test images in proportion, evenly spaced; None: all
        70,000, which take 440 MB.

    Raises
    ------
    DataError
        As `read_mnist`.
    """
    images = read_mnist(folder)
    pixels = np.concatenate([images.train_images, images.test_images]).reshape(TRAIN + TEST, -1)
    labels = np.concatenate([images.train_labels, images.test_labels])
    rows = np.arange(TRAIN + TEST)
    if limit is not None and limit < len(rows):
        rows = np.arange(limit) * len(rows) // limit
    return Dataset(
        name="mnist",
        category="handwriting",
        task_kind="classification",
        metric="accuracy",
        features=pixels[rows].astype(np.float64) / 255,
        target=labels[rows].astype(np.float64),
        target_name="digit",
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE)),
        units=("",) * (SIDE * SIDE),
        holdout=np.flatnonzero(rows >= TRAIN),
        citation="LeCun, Cortes, Burges (1998): The MNIST database of handwritten digits, CC BY-SA 3.0",
    )


def _idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    if not path.is_file():
        raise missing("mnist", path)
    size = int(np.prod(shape))
    start = 4 + 4 * len(shape)
    data = read_bytes(path, start + size)
    # two zero bytes, type 8 for unsigned bytes, number of dimensions, then each dimension
    expected = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    if data[:start] != expected or len(data) != start + size:
        raise DataError(DataCode.MALFORMED, f"{path.name} is not the idx file of MNIST")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
