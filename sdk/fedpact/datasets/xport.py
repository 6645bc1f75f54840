"""SAS transport files (XPORT version 5), as far as numeric columns go.

Format: SAS Institute, TS-140, "The Record Layout of a Data Set in SAS Transport (XPORT) Format".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets.errors import DataCode, DataError

CARD = 80
MAX_VARIABLES = 9_999
_HEADER = b"HEADER RECORD*******"
_NAMESTR = struct.Struct(">hhhh8s40s8shhh2s8shhl")
# '.', '_' and 'A' to 'Z' before zeros mark a missing value
_MISSING = np.array([0x2E, 0x5F, *range(0x41, 0x5B)], np.uint8)


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    numeric: bool
    length: int
    position: int


def read_xport(data: bytes, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Read numeric columns of a transport file with one member.

    Parameters
    ----------
    data : the file.
    columns : names of numeric variables.

    Returns
    -------
    float64 [rows] per column; NaN where a value is missing.

    Raises
    ------
    DataError
        MALFORMED if it is no such file or lacks a column.
    """
    try:
        variables, start = _variables(data)
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(DataCode.MALFORMED, f"no SAS transport file: {error}") from None
    by_name = {variable.name: variable for variable in variables if variable.numeric}
    absent = [name for name in columns if name not in by_name]
    if absent:
        raise DataError(DataCode.MALFORMED, f"the transport file has no numeric column {absent[0]}")
    table = _table(data[start:], sum(variable.length for variable in variables))
    return {name: _numbers(table, by_name[name]) for name in columns}


def _variables(data: bytes) -> tuple[list[_Variable], int]:
    if not data.startswith(_HEADER + b"LIBRARY HEADER"):
        raise ValueError("it does not begin with a library header")
    member = _find(data, b"MEMBER  HEADER", 0)
    size = int(data[member + 75 : member + 78])
    names = _find(data, b"NAMESTR HEADER", member)
    count = int(data[names + 54 : names + 58])
    if not (1 <= count <= MAX_VARIABLES and _NAMESTR.size <= size):
        raise ValueError(f"{count} variables described in {size} bytes each")
    first = names + CARD
    variables = []
    for place in range(first, first + count * size, size):
        kind, _, length, _, name, *_, position = _NAMESTR.unpack_from(data, place)
        numeric = kind == 1
        if length < 1 or position < 0 or (numeric and not 2 <= length <= 8):
            raise ValueError("a variable's length is wrong")
        variables.append(_Variable(name.decode("ascii").strip(), numeric, length, position))
    after = first + -(-count * size // CARD) * CARD
    if _find(data, b"OBS     HEADER", after) != after:
        raise ValueError("no observations where they belong")
    return variables, after + CARD


def _find(data: bytes, title: bytes, start: int) -> int:
    place = data.find(_HEADER + title, start)
    if place < 0 or len(data) < place + CARD:
        raise ValueError(f"no {title.decode()}")
    return place


def _table(data: bytes, width: int) -> NDArray[np.uint8]:
    rows = len(data) // width
    table = np.frombuffer(data, np.uint8, rows * width).reshape(rows, width)
    # the last card is filled up with blanks, which can look like rows
    written = np.flatnonzero((table != 0x20).any(axis=1))
    return table[: written[-1] + 1 if len(written) else 0]


def _numbers(table: NDArray[np.uint8], variable: _Variable) -> NDArray[np.float64]:
    """Turn IBM hexadecimal floating point into IEEE: sign, base-16 exponent over 64, 56 bits of fraction."""
    end = variable.position + variable.length
    if end > table.shape[1]:
        raise DataError(DataCode.MALFORMED, f"column {variable.name} lies outside its row")
    raw = np.zeros((len(table), 8), np.uint8)
    raw[:, : variable.length] = table[:, variable.position : end]
    words = raw.copy().view(">u8").ravel().astype(np.uint64)
    fraction = (words & np.uint64(2**56 - 1)).astype(np.float64)
    exponent = raw[:, 0].astype(np.int64) & 0x7F
    values = np.ldexp(fraction, (4 * (exponent - 64) - 56).astype(np.int32))
    values[raw[:, 0] >= 0x80] *= -1
    missing = np.isin(raw[:, 0], _MISSING) & (raw[:, 1:] == 0).all(axis=1)
    values[missing] = np.nan
    return values
