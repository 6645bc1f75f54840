from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fedpact.datasets import NAMES, DataCode, DataError, Dataset, load
from fedpact.telemetry import FIELDS


def central_mae(dataset: Dataset) -> float:
    """Leave-half-out error of a linear model, both ways."""
    x = (dataset.features - dataset.features.mean(0)) / dataset.features.std(0)
    x = np.column_stack([x, np.ones(len(x))])
    halves = np.arange(len(x)) % 2
    errors = []
    for half in (0, 1):
        weights = np.linalg.lstsq(x[halves != half], dataset.target[halves != half], rcond=None)[0]
        errors.append(np.abs(x[halves == half] @ weights - dataset.target[halves == half]).mean())
    return float(np.mean(errors))


def test_diabetes_is_in_raw_units():
    dataset = load("diabetes")
    assert dataset.features.shape == (442, 10)
    assert (dataset.task_kind, dataset.metric, dataset.classes) == ("regression", "mae", 0)
    ranges = dict(
        zip(
            dataset.feature_names,
            zip(dataset.features.min(0), dataset.features.max(0), strict=True),
            strict=True,
        )
    )
    assert ranges["age"] == (19, 79)
    assert ranges["glucose"] == (58, 124)
    assert ranges["cholesterol"] == (97, 301)
    assert (dataset.target.min(), dataset.target.max()) == (25, 346)
    assert 42 < central_mae(dataset) < 47


def test_breast_cancer_and_digits():
    cancer, digits = load("breast-cancer"), load("digits")
    assert (cancer.features.shape, cancer.classes, int(cancer.target.sum())) == ((569, 30), 2, 212)
    assert (digits.features.shape, digits.classes) == ((1797, 64), 10)
    assert (digits.features.min(), digits.features.max()) == (0, 1)
    assert cancer.metric == digits.metric == "accuracy"
    assert cancer.readings(0) == ()


@pytest.mark.parametrize("name", ["diabetes", "breast-cancer", "digits"])
def test_shipped_datasets_keep_the_form(name):
    dataset = load(name)
    assert dataset.name == name
    assert dataset.features.dtype == dataset.target.dtype == np.float64
    assert np.isfinite(dataset.features).all()
    assert len(set(dataset.feature_names)) == len(dataset.feature_names)
    assert dataset.citation
    for vital, unit in zip(dataset.feature_names, dataset.units, strict=True):
        assert vital not in dataset.vitals or FIELDS[vital].unit == unit


def test_readings_of_a_patient():
    readings = load("diabetes").readings(0)
    assert [(one.field, one.unit, one.value) for one in readings] == [
        ("blood_pressure_mean", "mmHg", 101.0),
        ("cholesterol", "mg/dL", 157.0),
        ("glucose", "mg/dL", 87.0),
    ]


def test_limits():
    whole, some = load("digits"), load("digits", limit=100)
    assert len(some) == 100
    assert len(load("digits", limit=10**6)) == len(whole)
    assert np.array_equal(some.features[1], whole.features[17])
    with pytest.raises(ValueError, match="at least 1"):
        load("digits", limit=0)


def test_unknown_names():
    with pytest.raises(DataError) as refused:
        load("iris")
    assert refused.value.code is DataCode.UNKNOWN_DATASET
    assert all(name in str(refused.value) for name in NAMES)


@pytest.mark.parametrize("name", ["nhanes", "mnist"])
def test_without_a_folder(name, monkeypatch, tmp_path):
    monkeypatch.delenv("FEDPACT_DATA", raising=False)
    for folder, code in [
        (None, DataCode.FOLDER_UNSET),
        (tmp_path / "absent", DataCode.FILE_MISSING),
        (tmp_path, DataCode.FILE_MISSING),
    ]:
        with pytest.raises(DataError) as refused:
            load(name, folder)
        assert refused.value.code is code
        assert f"fedpact data fetch {name}" in str(refused.value)
    monkeypatch.setenv("FEDPACT_DATA", str(tmp_path))
    with pytest.raises(DataError) as refused:
        load(name)
    assert refused.value.code is DataCode.FILE_MISSING


def test_importing_costs_no_scikit_learn():
    program = "import sys, fedpact.datasets; print('sklearn' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_scikit_learn_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError) as refused:
        load("diabetes")
    assert refused.value.code is DataCode.EXTRA_MISSING
    assert "fedpact[demo]" in str(refused.value)


def test_a_dataset_checks_its_form():
    good = load("digits", limit=10)
    assert len(good.take(np.array([3, 1]))) == 2
    for change in (
        {"units": ("",)},
        {"target": np.zeros(9)},
        {"groups": np.zeros(9, np.int64)},
        {"vitals": ("glucose",)},
    ):
        facts = {name: getattr(good, name) for name in good.__dataclass_fields__} | change
        with pytest.raises(ValueError):
            Dataset(**facts)
