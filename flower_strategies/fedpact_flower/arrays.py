"""Flower's array records as models: named numpy arrays with the hash that the ledger knows them by."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Array as FlowerArray
from flwr.app import ArrayRecord

from fedpact.models import Array, hash_tensors
from fedpact_flower.npy import array_of

DEFAULT_CACHE_BYTES = 256 * 1024 * 1024


class UnusableModel(Exception):  # noqa: N818 - reads as what happened
    """An array record is not a model: it has no arrays, or they have no canonical form."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as numpy arrays.

    Attributes
    ----------
    arrays : read-only arrays by name.
    digest : SHA-256 of their canonical safetensors bytes, hex; what `fedpact.models.ModelStore` calls it.
    size_bytes : length of those bytes.
    """

    arrays: Mapping[str, Array]
    digest: str
    size_bytes: int

    @property
    def finite(self) -> bool:
        """Whether every number in it is finite: nothing else can be averaged."""
        return all(bool(np.isfinite(array).all()) for array in self.arrays.values())

    def fits(self, other: Model) -> bool:
        """Whether it has the same arrays in the same shapes."""
        return {name: array.shape for name, array in self.arrays.items()} == {
            name: array.shape for name, array in other.arrays.items()
        }


def model_of(record: ArrayRecord) -> Model:
    """Decode an array record and hash it; O(bytes).

    Raises
    ------
    UnusableModel
        It has no canonical form.
    """
    try:
        arrays = {name: array_of(array) for name, array in record.items()}
        digest, size_bytes = hash_tensors(arrays)
    # numpy and Flower raise whatever they like on hostile bytes; all of it means the same
    except Exception as error:
        raise UnusableModel(f"{type(error).__name__}: {error}"[:200]) from None
    return Model(arrays, digest, size_bytes)


def record_of(arrays: Mapping[str, Array]) -> ArrayRecord:
    """Return the array record of named arrays; inverse of `model_of`."""
    return ArrayRecord({name: FlowerArray(np.asarray(array)) for name, array in arrays.items()})


def weighted_mean(models: Sequence[Model], weights: Sequence[int]) -> dict[str, Array]:
    """Average models by integer weights, in their order, so that everybody gets the same bits.

    Parameters
    ----------
    models : of equal names and shapes; at least one with a positive weight.
    weights : 0 or more each; a model of weight 0 is not touched.

    Returns
    -------
    Arrays of the first counted model's types, summed in float64; integer types are rounded to the nearest.

    Raises
    ------
    ValueError
        No positive weight, or models that do not fit together.
    """
    counted = [(model, weight) for model, weight in zip(models, weights, strict=True) if weight > 0]
    if not counted:
        raise ValueError("nothing to average: no model has a weight")
    first = counted[0][0]
    if not all(model.fits(first) for model, _ in counted):
        raise ValueError("models of different shapes cannot be averaged")
    total = sum(weight for _, weight in counted)
    mean: dict[str, Array] = {}
    for name, like in first.arrays.items():
        summed = np.zeros(like.shape, np.float64)
        for model, weight in counted:
            summed += model.arrays[name].astype(np.float64) * (weight / total)
        mean[name] = (summed if like.dtype.kind == "f" else np.rint(summed)).astype(like.dtype)
    return mean


class ModelCache:
    """Decodes and hashes each array record once per process.

    The runtime gives every message of an exchange its own record over the same immutable bytes, so the
    identity of those bytes tells whether a model has been seen.

    Parameters
    ----------
    max_bytes : what is kept at most, counted in canonical bytes; the longest unused goes first.
    """

    def __init__(self, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held = 0
        self._models: OrderedDict[tuple[tuple[str, int], ...], tuple[list[bytes], Model]] = OrderedDict()

    def model_of(self, record: ArrayRecord) -> Model:
        """Return the record's model.

        Raises
        ------
        UnusableModel
            See `model_of`.
        """
        # the bytes are kept beside the model: an id() is only unique among living objects
        data = [array.data for array in record.values()]
        key = tuple(zip(record.keys(), map(id, data), strict=True))
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key][1]
        model = model_of(record)
        self._models[key] = (data, model)
        self._held += model.size_bytes
        while self._held > self._max_bytes and len(self._models) > 1:
            _, (_, oldest) = self._models.popitem(last=False)
            self._held -= oldest.size_bytes
        return model
