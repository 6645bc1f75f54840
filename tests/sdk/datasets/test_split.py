from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.datasets import DataCode, DataError, Dataset, Split, SplitRules, split


def dataset_of(rows: int, *, classes: int = 0, groups: int = 0, holdout: int = 0) -> Dataset:
    numbers = np.arange(rows, dtype=np.float64)
    return Dataset(
        name="made up",
        category="tests",
        task_kind="classification" if classes else "regression",
        metric="accuracy" if classes else "mae",
        features=numbers[:, None],
        target=numbers % classes if classes else numbers,
        target_name="number",
        feature_names=("number",),
        units=("",),
        citation="none",
        groups=(numbers.astype(np.int64) % groups) if groups else None,
        holdout=np.arange(rows - holdout, rows) if holdout else None,
    )


def parts(spread: Split) -> list[np.ndarray]:
    return [part.rows for owner in spread.owners for part in (owner.train, owner.validation)] + [
        spread.test.rows
    ]


@given(st.integers(60, 400), st.integers(0, 4), st.integers(0, 12), st.integers(1, 6), st.integers(0, 9))
@settings(deadline=None)
def test_every_row_has_one_place(rows, classes, groups, owners, seed):
    dataset = dataset_of(rows, classes=classes, groups=groups if groups >= owners else 0)
    spread = split(dataset, owners, seed)
    assert len(spread.owners) == owners
    assert sorted(np.concatenate(parts(spread)).tolist()) == list(range(rows))
    for part in parts(spread):
        assert part.tolist() == sorted(part.tolist())
    assert np.array_equal(spread.test.features[:, 0], spread.test.rows)
    assert abs(len(spread.test) - 0.2 * rows) <= 1


@given(st.integers(200, 500), st.integers(2, 5), st.integers(1, 6), st.integers(0, 9))
@settings(deadline=None)
def test_classes_are_spread_evenly(rows, classes, owners, seed):
    dataset = dataset_of(rows, classes=classes)
    for part in parts(split(dataset, owners, seed)):
        counts = np.bincount(dataset.target[part].astype(int), minlength=classes)
        assert counts.max() - counts.min() <= 3


def test_owners_are_equal():
    spread = split(dataset_of(442), 6, 3)
    sizes = [len(owner.train) + len(owner.validation) for owner in spread.owners]
    assert max(sizes) - min(sizes) <= 1
    assert {len(owner.validation) for owner in spread.owners} <= {14, 15}


def test_a_seed_decides():
    dataset = dataset_of(100, classes=2)
    one, same, other = (split(dataset, 3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(parts(one), parts(same), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(parts(one), parts(other), strict=True))


def test_groups_stay_together():
    dataset = dataset_of(400, classes=2, groups=10)
    spread = split(dataset, 4, 0)
    held = [
        set(dataset.groups[np.concatenate([owner.train.rows, owner.validation.rows])])
        for owner in spread.owners
    ]
    assert sum(len(groups) for groups in held) == 10 == len(set().union(*held))
    assert {len(groups) for groups in held} == {2, 3}
    assert set(dataset.groups[spread.test.rows]) == set(range(10))
    dealt = split(dataset, 4, 0, rules=SplitRules(by="iid"))
    assert len(set(dataset.groups[dealt.owners[0].train.rows])) == 10


def test_what_was_held_out_is_the_test_set():
    dataset = dataset_of(100, classes=2, holdout=30)
    spread = split(dataset, 3, 0)
    assert spread.test.rows.tolist() == list(range(70, 100))
    taken = dataset.take(np.array([99, 3, 75]))
    assert taken.holdout.tolist() == [0, 2]


def test_rules():
    spread = split(dataset_of(100), 2, 0, rules=SplitRules(test_fraction=0.5, validation_fraction=0.1))
    assert len(spread.test) == 50
    assert sorted(len(owner.validation) for owner in spread.owners) in ([2, 2], [2, 3], [3, 3])
    for fractions in ({"test_fraction": 0}, {"test_fraction": 1}, {"validation_fraction": 1.5}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            SplitRules(**fractions)


def test_too_little_data():
    for dataset, owners in ((dataset_of(5), 6), (dataset_of(40, groups=3), 4), (dataset_of(0), 1)):
        with pytest.raises(DataError) as refused:
            split(dataset, owners, 0)
        assert refused.value.code is DataCode.TOO_FEW_ROWS
    with pytest.raises(ValueError, match="owner"):
        split(dataset_of(50), 0, 0)
    with pytest.raises(ValueError, match="no groups"):
        split(dataset_of(50), 2, 0, rules=SplitRules(by="groups"))
