"""The canonical bytes of a model, against the safetensors library as second implementation."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save

from fedpact.models import ModelCode, ModelError, decode_tensors, encode_tensors, hash_tensors
from fedpact.models.tensors import DTYPES

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)
tensors = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
models = st.dictionaries(names, tensors, min_size=1, max_size=5)


def same(left: dict, right: dict) -> bool:
    return left.keys() == right.keys() and all(
        a.dtype == right[name].dtype and a.shape == right[name].shape and a.tobytes() == right[name].tobytes()
        for name, a in left.items()
    )


@given(models)
@settings(max_examples=150)
def test_bytes_are_the_librarys_and_come_back(model):
    data = encode_tensors(model)
    assert data == save(model)
    assert same(decode_tensors(data), model)


@given(models)
def test_order_layout_and_byte_order_do_not_matter(model):
    backwards = {name: model[name] for name in reversed(model)}
    strided = {name: np.asfortranarray(a) if a.ndim else a for name, a in model.items()}
    swapped = {name: a.astype(a.dtype.newbyteorder(">")) for name, a in model.items()}
    assert encode_tensors(backwards) == encode_tensors(strided) == encode_tensors(swapped)
    assert encode_tensors(model) == encode_tensors(strided)


def test_a_known_hash_never_changes():
    model = {"w": np.arange(6, dtype="f4").reshape(2, 3), "b": np.zeros(2, "f8"), "n": np.array(3, "i8")}
    data = encode_tensors(model)
    assert (
        hashlib.sha256(data).hexdigest() == "0bdd50b10986e0e11f034b1347ace4f21f55e9851e2618de3de62d830f958c56"
    )


def test_what_is_read_may_be_changed():
    model = decode_tensors(encode_tensors({"w": np.ones(3)}))
    model["w"] += 1
    assert model["w"].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"w": np.array(["text"])},
        {"w": np.array([object()], dtype=object)},
        {"w": np.ones(2, dtype="c16")},
        {"w": np.ones((1,) * 9)},
        {"w": [1.0, 2.0]},
        {"": np.ones(1)},
        {"__metadata__": np.ones(1)},
        {"n" * 257: np.ones(1)},
        {"\ud800": np.ones(1)},
        {7: np.ones(1)},
    ],
)
def test_what_cannot_be_stored(model):
    with pytest.raises(ModelError) as refused:
        encode_tensors(model)
    assert refused.value.code is ModelCode.MALFORMED
    assert not refused.value.retryable


def stored(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        encode_tensors({"w": np.ones(3)})[:-1],
        encode_tensors({"w": np.ones(3)}) + b"\0",
        save({"w": np.ones(3)}, metadata={"format": "pt"}),
        stored({"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        stored({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, bytes(2)),
        stored({"w": {"dtype": "F64", "shape": [10**12], "data_offsets": [0, 8]}}, bytes(8)),
        stored({}, b""),
    ],
    ids=["empty", "huge header", "cut", "longer", "metadata", "blanks", "bfloat16", "shape", "nothing"],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(ModelError) as refused:
        decode_tensors(data)
    assert refused.value.code is ModelCode.MALFORMED


@given(models)
def test_the_hash_is_that_of_the_bytes(model):
    data = encode_tensors(model)
    assert hash_tensors(model) == (hashlib.sha256(data).hexdigest(), len(data))
