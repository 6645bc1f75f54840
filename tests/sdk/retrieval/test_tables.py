from __future__ import annotations

import math

import numpy as np
import pytest

from fedpact.retrieval import image_profile, label_histogram, table_profile, weighted_jaccard

COLUMNS = {"age": "years", "bmi": "kg/m2", "glucose": "mg/dL", "sex": ""}


def test_histogram_of_classes():
    assert label_histogram([1, 0, 1, 1.0]) == {"0": 1, "1": 3}
    assert label_histogram(np.array([True, False])) == {"0": 1, "1": 1}
    assert label_histogram([]) == {}


def test_histogram_of_values():
    assert label_histogram([-5, 0, 9.9, 10, 99], edges=[0, 10, 20]) == {
        "bin0": 1,
        "bin1": 2,
        "bin2": 1,
        "bin3": 1,
    }
    with pytest.raises(ValueError, match="grow"):
        label_histogram([1], edges=[2, 1])


def test_table_profile():
    profile = table_profile(COLUMNS, "progression", labels={"bin0": 3, "bin2": 1})
    assert math.isclose(math.fsum(profile.values()), 1)
    assert set(profile) == {
        *(f"column:{name}" for name in COLUMNS),
        "unit:age=years",
        "unit:bmi=kg/m2",
        "unit:glucose=mg/dL",
        "target:progression",
        "label:progression=bin0",
        "label:progression=bin2",
    }
    assert math.isclose(profile["label:progression=bin0"], 3 * profile["label:progression=bin2"])


def test_a_request_finds_the_right_table(hasher):
    request = hasher.profile(table_profile(COLUMNS, "progression"))
    same = hasher.profile(table_profile(COLUMNS, "progression", labels={"bin0": 1, "bin1": 9}))
    other_target = hasher.profile(table_profile(COLUMNS, "survival", labels={"0": 1, "1": 1}))
    other_unit = hasher.profile(table_profile(COLUMNS | {"glucose": "mmol/L"}, "progression"))
    foreign = hasher.profile(table_profile({"torque": "Nm"}, "failure", labels={"0": 5}))
    found = [weighted_jaccard(request, profile) for profile in (same, other_unit, other_target, foreign)]
    assert found[0] > 0.7
    assert found[1] > 0.8
    assert found[2] < 0.6
    assert found[3] == 0


def test_image_profile():
    generator = np.random.default_rng(0)
    dark = generator.integers(0, 60, (20, 8, 8), dtype=np.uint8)
    stripes = np.zeros((20, 8, 8), np.uint8)
    stripes[:, ::2] = 255
    first = image_profile(dark, "digit", labels={"0": 10, "1": 10})
    second = image_profile(stripes, "digit", labels={"0": 10, "1": 10})
    for profile in (first, second):
        assert math.isclose(math.fsum(profile.values()), 1)
        assert {"image:8x8x1", "target:digit", "label:digit=0"} <= profile.keys()
    assert "tone:0" in first
    assert "tone:3" in second
    # horizontal stripes: all gradients point up or down
    assert {term for term in second if term.startswith("direction")} == {"direction:4"}
    assert image_profile(dark[:0], "digit").keys() == {"image:8x8x1", "target:digit"}


def test_colour_images():
    colour = np.full((3, 4, 5, 3), 255, np.uint8)
    profile = image_profile(colour, "animal")
    assert {"image:4x5x3", "tone:7"} <= profile.keys()
    with pytest.raises(ValueError, match="height"):
        image_profile(np.zeros((4, 5), np.uint8), "animal")
