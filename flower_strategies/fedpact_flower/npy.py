"""Flower's arrays as numpy arrays over the very bytes that came, without a copy.

An array travels in numpy's file format. Its header is a Python literal, which takes longer to parse than a
small array takes to read; models bring the same few headers again and again, so each is parsed once.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache

import numpy as np
from flwr.app import Array as FlowerArray

from fedpact.models import Array

_NUMPY = "numpy.ndarray"
_MAGIC = b"\x93NUMPY"
_VERSION = b"\x01\x00"
_LENGTH_BYTES = 2


def array_of(array: FlowerArray) -> Array:
    """Return a Flower array, read-only; as `FlowerArray.numpy` in everything else.

    Raises
    ------
    TypeError
        It was serialised by something else than numpy.
    ValueError
        Its bytes are no array, or one of Python objects.
    """
    if array.stype != _NUMPY:
        raise TypeError(f"an array of numpy is expected, not one of {array.stype!r:.80}")
    data: bytes = array.data
    start = len(_MAGIC) + len(_VERSION)
    if not data.startswith(_MAGIC):
        raise ValueError("the bytes are no array")
    if data[len(_MAGIC) : start] != _VERSION:  # a later version of the format: rare
        found: Array = array.numpy()
        found.flags.writeable = False
        return found
    end = start + _LENGTH_BYTES + int.from_bytes(data[start : start + _LENGTH_BYTES], "little")
    shape, by_columns, dtype = _layout(data[start:end])
    count = math.prod(shape)
    if count * dtype.itemsize > len(data) - end:
        raise ValueError("the bytes are only a part of an array")
    if count:
        flat = np.frombuffer(data, dtype, count=count, offset=end)
    else:
        flat = np.empty(0, dtype)
        flat.flags.writeable = False
    return flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape)


@lru_cache(maxsize=4096)
def _layout(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Parse a header, its length in front; return shape, whether columns come first, and type."""
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header))
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("not an array of plain values")
    return shape, by_columns, dtype
