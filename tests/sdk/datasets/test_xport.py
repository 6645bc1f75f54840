"""SAS transport files: a writer made for these tests is the second implementation."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedpact.datasets import DataCode, DataError
from fedpact.datasets.xport import read_xport

NAMESTR = ">hhhh8s40s8shhh2s8shhl"


def ibm(value: float) -> bytes:
    """IBM's hexadecimal floating point, 8 bytes."""
    if math.isnan(value):
        return b"." + bytes(7)
    if value == 0:
        return bytes(8)
    fraction, exponent = math.frexp(abs(value))
    power = -(-exponent // 4)
    digits = int(fraction * 2 ** (56 - (4 * power - exponent)))
    return struct.pack(">B", (0x80 if value < 0 else 0) | (64 + power)) + digits.to_bytes(7, "big")


def card(text: str) -> bytes:
    return text.encode().ljust(80)


def transport(columns: dict[str, list[float]], *, text: bool = False, length: int = 8) -> bytes:
    """A library with one member; `text` adds a column of characters in front."""
    names = ([("LABEL", 2, 5)] if text else []) + [(name, 1, length) for name in columns]
    variables, position = b"", 0
    for number, (name, kind, width) in enumerate(names, 1):
        place = (b" " * 40, b" " * 8, 0, 0, 0, b"", b" " * 8, 0, 0, position)
        fields = struct.pack(NAMESTR, kind, 0, width, number, name.ljust(8).encode(), *place)
        variables += fields.ljust(140, b"\0")
        position += width
    rows = zip(*columns.values(), strict=True)
    body = b"".join((b"ABCDE" if text else b"") + b"".join(ibm(v)[:length] for v in row) for row in rows)
    heads = [
        card("HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!" + "0" * 30),
        card("SAS     SAS     SASLIB  9.4"),
        card("19DEC19:10:29:39"),
        card("HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!000000000000000001600000000140"),
        card("HEADER RECORD*******DSCRPTR HEADER RECORD!!!!!!!" + "0" * 30),
        card("SAS     DATA    SASDATA 9.4"),
        card("19DEC19:10:29:39"),
        card(f"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!000000{len(names):04}00000000000000000000"),
        variables.ljust(-(-len(variables) // 80) * 80),
        card("HEADER RECORD*******OBS     HEADER RECORD!!!!!!!" + "0" * 30),
        body.ljust(-(-len(body) // 80) * 80),
    ]
    return b"".join(heads)


def test_ibms_own_examples():
    assert ibm(118.625).hex() == "4276a00000000000"
    assert ibm(-118.625).hex() == "c276a00000000000"
    assert ibm(1.0).hex() == "4110000000000000"


finite = st.floats(-1e70, 1e70).filter(lambda value: value == 0 or abs(value) > 1e-70)


@given(st.lists(st.tuples(finite | st.just(math.nan), finite), max_size=30), st.booleans())
def test_columns_come_back(rows, text):
    columns = {"AGE": [a for a, _ in rows], "BMI": [b for _, b in rows]}
    read = read_xport(transport(columns, text=text), ["BMI", "AGE"])
    assert np.array_equal(read["AGE"], np.array(columns["AGE"], float), equal_nan=True)
    assert np.array_equal(read["BMI"], np.array(columns["BMI"], float))


def test_short_numbers():
    read = read_xport(transport({"CODE": [1, 2, 77, math.nan, -3]}, length=3), ["CODE"])
    assert np.array_equal(read["CODE"], [1, 2, 77, math.nan, -3], equal_nan=True)


@pytest.mark.parametrize("mark", [b".", b"_", b"A", b"Z"])
def test_every_missing_value(mark):
    data = transport({"X": [1.0, 5.0]}).replace(ibm(5.0), mark + bytes(7))
    assert np.array_equal(read_xport(data, ["X"])["X"], [1.0, math.nan], equal_nan=True)


GOOD = transport({"X": [1.0, 2.0]}, text=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\3\4",
        GOOD[:400],
        GOOD[:700],
        GOOD.replace(b"OBS     ", b"OBX     "),
        GOOD.replace(b"0000000002000000", b"0000000000000000"),
        GOOD.replace(b"0000000002000000", b"00000000zz000000"),
        GOOD.replace(b"00000140", b"00000010"),
        GOOD.replace(b"\0\1\0\0\0\x08", b"\0\1\0\0\0\x09"),
        GOOD.replace(b"\0\1\0\0\0\x08", b"\0\1\0\0\0\x00"),
        GOOD.replace(struct.pack(">l", 5) + bytes(52), struct.pack(">l", 50) + bytes(52)),
        GOOD.replace(struct.pack(">l", 5) + bytes(52), struct.pack(">l", -5) + bytes(52)),
    ],
)
def test_damaged_files(data):
    assert data != GOOD
    with pytest.raises(DataError) as refused:
        read_xport(data, ["X"])
    assert refused.value.code is DataCode.MALFORMED


@pytest.mark.parametrize("name", ["Y", "LABEL"])
def test_columns_that_are_not_there(name):
    with pytest.raises(DataError) as refused:
        read_xport(GOOD, [name])
    assert refused.value.code is DataCode.MALFORMED
