"""The one byte string of a model: canonical safetensors.

The bytes are those that the safetensors library writes without metadata, so anybody can recompute a
model's hash with it. They are made here and not by the library, because a hash on a ledger must not
change when a library orders its header differently one day.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedpact.models.errors import ModelCode, ModelError

Array = NDArray[np.generic]

# safetensors' order: widest first, and this order of kinds within a width
DTYPES: dict[str, str] = {
    "uint64": "U64",
    "int64": "I64",
    "float64": "F64",
    "float32": "F32",
    "uint32": "U32",
    "int32": "I32",
    "float16": "F16",
    "uint16": "U16",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
_RANK = {name: rank for rank, name in enumerate(DTYPES)}
MAX_TENSORS = 65_536
MAX_NAME = 256
MAX_DIMENSIONS = 8


def encode_tensors(arrays: Mapping[str, Array]) -> bytes:
    """Return the canonical bytes of named arrays.

    Parameters
    ----------
    arrays : 1 to 65,536 arrays by name (1 to 256 characters), of the types in `DTYPES`, at most 8
        dimensions, any byte order and layout.

    Raises
    ------
    ModelError
        MALFORMED if a name or a type cannot be stored.
    """
    return b"".join(_pieces(arrays))


def hash_tensors(arrays: Mapping[str, Array]) -> tuple[str, int]:
    """Return SHA-256 (hex) and length of the canonical bytes, without putting them together.

    Parameters
    ----------
    arrays : as for `encode_tensors`.

    Raises
    ------
    ModelError
        As `encode_tensors`.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(arrays):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def decode_tensors(data: bytes) -> dict[str, Array]:
    """Read canonical bytes; the arrays are the caller's own to change.

    Raises
    ------
    ModelError
        MALFORMED if the bytes are not what `encode_tensors` returns.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, Array] = load(data)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(ModelCode.MALFORMED, f"no safetensors: {error}") from None
    # the library also reads other layouts and metadata: one model must have one hash only
    if encode_tensors(arrays) != data:
        raise ModelError(ModelCode.MALFORMED, "not the canonical form of safetensors")
    return arrays


def _pieces(arrays: Mapping[str, Array]) -> list[bytes | memoryview]:
    """Return the canonical bytes in pieces: the header, then each array's own memory where it fits."""
    if not 1 <= len(arrays) <= MAX_TENSORS:
        raise ModelError(ModelCode.MALFORMED, f"a model has 1 to {MAX_TENSORS} tensors, not {len(arrays)}")
    types = {name: _check(name, array) for name, array in arrays.items()}
    header: dict[str, dict[str, object]] = {}
    contents: list[memoryview] = []
    end = 0
    for name in sorted(arrays, key=lambda name: (_RANK[types[name]], name.encode())):
        array = arrays[name]
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        contents.append(plain.reshape(-1).view(np.uint8).data)
        begin, end = end, end + plain.nbytes
        dtype = DTYPES[types[name]]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return [struct.pack("<Q", len(text)) + text, *contents]


def _check(name: str, array: Array) -> str:
    """Return the type's name of an array that can be stored under a name."""
    kind_name = array.dtype.name if isinstance(array, np.ndarray) else ""
    if kind_name not in DTYPES:
        kind = getattr(array, "dtype", type(array).__name__)
        raise ModelError(ModelCode.MALFORMED, f"tensor {name!r:.80} is of type {kind}, not of a numeric type")
    if array.ndim > MAX_DIMENSIONS:
        raise ModelError(ModelCode.MALFORMED, f"tensor {name!r:.80} has {array.ndim} dimensions")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or name == "__metadata__":
        raise ModelError(ModelCode.MALFORMED, f"a tensor cannot be called {name!r:.80}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ModelError(ModelCode.MALFORMED, f"a tensor cannot be called {name!r:.80}") from None
    return kind_name
