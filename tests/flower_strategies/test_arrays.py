import hashlib

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import save

from fedpact_flower.arrays import ModelCache, UnusableModel, model_of, record_of, weighted_mean


def model(*values, dtype=np.float64):
    return model_of(record_of({"w": np.array(values, dtype)}))


def test_hash_is_that_of_the_safetensors_library():
    record = ArrayRecord({"b": Array(np.arange(6.0).reshape(2, 3)), "a": Array(np.ones(4, np.float32))})
    data = save({name: array.numpy() for name, array in record.items()})
    assert model_of(record).digest == hashlib.sha256(data).hexdigest()
    assert model_of(record).size_bytes == len(data)


@given(arrays(np.float32, array_shapes(max_dims=3, max_side=4)))
@settings(max_examples=50)
def test_a_record_and_its_model_are_the_same(array):
    first = model_of(record_of({"x": array}))
    again = model_of(record_of(first.arrays))
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.arrays["x"], array)


@pytest.mark.parametrize(
    "record",
    [
        ArrayRecord(),
        ArrayRecord({"x": Array("float32", (2,), "torch", b"..")}),
        ArrayRecord({"x": Array("float32", (2,), "numpy.ndarray", b"not an array")}),
        ArrayRecord({"x": Array(np.array(["text"]))}),
        ArrayRecord({"x": Array(np.array([1j]))}),
    ],
    ids=["empty", "foreign", "garbage", "text", "complex"],
)
def test_what_is_no_model_is_refused(record):
    with pytest.raises(UnusableModel):
        model_of(record)


def test_models_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        model(1.0).arrays["w"][0] = 2


@pytest.mark.parametrize(("value", "finite"), [(1.0, True), (np.nan, False), (np.inf, False)])
def test_finite(value, finite):
    assert model(0.0, value).finite is finite


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(0, 10**9)), min_size=1, max_size=6).filter(
        lambda pairs: any(weight for _, weight in pairs)
    )
)
def test_weighted_mean_is_the_mean_by_weight(pairs):
    values, weights = zip(*pairs, strict=True)
    mean = weighted_mean([model(value) for value in values], weights)["w"]
    np.testing.assert_allclose(mean, [np.average(values, weights=weights)], atol=1e-6)


def test_types_survive_the_mean():
    models = [model_of(record_of({"f": np.float32([v]), "n": np.int64([v])})) for v in (1, 2, 4)]
    mean = weighted_mean(models, [1, 1, 1])
    assert (mean["f"].dtype, mean["n"].dtype) == (np.float32, np.int64)
    assert mean["n"].tolist() == [2]


def test_a_model_without_weight_is_not_touched():
    assert weighted_mean([model(1.0), model(np.nan)], [5, 0])["w"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("models", "weights"), [([model(1.0)], [0]), ([model(1.0), model(1.0, 2.0)], [1, 1])]
)
def test_what_cannot_be_averaged(models, weights):
    with pytest.raises(ValueError):
        weighted_mean(models, weights)


def test_equal_bytes_are_decoded_once():
    cache = ModelCache()
    record = record_of({"w": np.ones(3)})
    copied = ArrayRecord(dict(record))
    assert cache.model_of(copied) is cache.model_of(record)
    assert cache.model_of(record_of({"w": np.ones(3)})) is not cache.model_of(record)


def test_a_cache_forgets_the_longest_unused():
    records = [record_of({"w": np.full(100, value)}) for value in (1.0, 2.0, 3.0)]
    cache = ModelCache(max_bytes=2 * model_of(records[0]).size_bytes)
    first, second = cache.model_of(records[0]), cache.model_of(records[1])
    assert cache.model_of(records[0]) is first
    cache.model_of(records[2])
    assert cache.model_of(records[0]) is first
    assert cache.model_of(records[1]) is not second
