"""The datasets that scikit-learn ships: nothing is downloaded."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from fedpact.datasets.dataset import Dataset
from fedpact.datasets.errors import DataCode, DataError


def load_diabetes() -> Dataset:
    """Return 442 diabetes patients and their progression after one year, in raw units.

    Glucose and the cholesterols are taken as mg/dL and the blood pressure as the mean arterial one, as their
    ranges show; the source gives no units.
    """
    bunch = _sklearn().load_diabetes(scaled=False)
    return Dataset(
        name="diabetes",
        category="endocrinology",
        task_kind="regression",
        metric="mae",
        features=np.asarray(bunch.data, np.float64),
        target=np.asarray(bunch.target, np.float64),
        target_name="progression",
        feature_names=(
            "age",
            "sex",
            "bmi",
            "blood_pressure_mean",
            "cholesterol",
            "ldl",
            "hdl",
            "cholesterol_ratio",
            "log_triglycerides",
            "glucose",
        ),
        units=("years", "", "kg/m2", "mmHg", "mg/dL", "mg/dL", "mg/dL", "", "", "mg/dL"),
        vitals=("blood_pressure_mean", "cholesterol", "glucose"),
        citation="Efron, Hastie, Johnstone, Tibshirani (2004): Least Angle Regression. Ann. Statist. 32(2)",
    )


def load_breast_cancer() -> Dataset:
    """Return 569 biopsies with 30 measures of cell nuclei; class 1 is malignant."""
    bunch = _sklearn().load_breast_cancer()
    return Dataset(
        name="breast-cancer",
        category="oncology",
        task_kind="classification",
        metric="accuracy",
        features=np.asarray(bunch.data, np.float64),
        # scikit-learn calls malignant 0; the class that is looked for is 1 here
        target=1 - np.asarray(bunch.target, np.float64),
        target_name="malignant",
        feature_names=tuple(str(name).replace(" ", "_") for name in bunch.feature_names),
        units=("",) * bunch.data.shape[1],
        citation="Street, Wolberg, Mangasarian (1993): Nuclear feature extraction for breast tumor diagnosis",
    )


def load_digits() -> Dataset:
    """Return 1,797 handwritten digits of 8 x 8 pixels, brightness 0 to 1."""
    bunch = _sklearn().load_digits()
    return Dataset(
        name="digits",
        category="handwriting",
        task_kind="classification",
        metric="accuracy",
        features=np.asarray(bunch.data, np.float64) / 16,
        target=np.asarray(bunch.target, np.float64),
        target_name="digit",
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        units=("",) * 64,
        citation="Alpaydin, Kaynak (1998): Optical Recognition of Handwritten Digits. UCI, CC BY 4.0",
    )


def _sklearn() -> ModuleType:
    try:
        import sklearn.datasets
    except ImportError:
        advice = "scikit-learn is missing: install fedpact[demo]"
        raise DataError(DataCode.EXTRA_MISSING, advice) from None
    module: ModuleType = sklearn.datasets
    return module
