"""Flower's arrays without a copy, against Flower's own decoding."""

import io

import numpy as np
import pytest
from flwr.app import Array
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from fedpact_flower.npy import array_of

DTYPES = ["float32", "float64", "float16", ">f4", "int64", "uint8", "bool", "complex64", "U3"]
shapes = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays_of.arrays(dtype, shapes)), st.booleans())
def test_the_same_as_flowers_own(array, by_columns):
    sent = Array(np.asfortranarray(array) if by_columns and array.ndim else array)
    found, own = array_of(sent), sent.numpy()
    assert (found.dtype, found.shape) == (own.dtype, own.shape)
    assert found.tobytes() == own.tobytes()
    assert not found.flags.writeable


def test_nothing_is_copied():
    sent = Array(np.arange(100_000.0))
    assert np.shares_memory(array_of(sent), np.frombuffer(sent.data, np.uint8))


def test_later_versions_of_the_format():
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(5), version=(2, 0))
    found = array_of(Array("int64", (5,), "numpy.ndarray", file.getvalue()))
    assert found.tolist() == [0, 1, 2, 3, 4]
    assert not found.flags.writeable


def npy(header: bytes, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        npy(b""),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", bytes(11)),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", bytes(8)),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }\n", bytes(8)),
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", bytes(8)),
        npy(b"__import__('os').getpid()\n"),
    ],
    ids=["empty", "magic", "no header", "short", "negative", "huge", "objects", "code"],
)
def test_what_is_no_array_is_refused(data):
    with pytest.raises(ValueError):
        array_of(Array("float32", (1,), "numpy.ndarray", data))


def test_another_serialisation_is_refused():
    with pytest.raises(TypeError):
        array_of(Array("float32", (1,), "torch", b"...."))
