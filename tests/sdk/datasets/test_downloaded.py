"""NHANES and MNIST: the real files where FEDPACT_DATA has them, damaged ones everywhere."""

from __future__ import annotations

import gzip
import shutil
import struct

import numpy as np
import pytest

from fedpact.datasets import DataCode, DataError, load, read_mnist, split
from fedpact.datasets.nhanes import MERGED
from fedpact.telemetry import VITALS, Measurement, SubjectKey, seal_batch


def test_nhanes(data_folder):
    dataset = load("nhanes", data_folder)
    assert dataset.features.shape == (5266, 6)
    assert (dataset.classes, int(dataset.target.sum())) == (2, 2138)
    assert (dataset.task_kind, dataset.metric) == ("classification", "auc")
    assert np.unique(dataset.groups).tolist() == list(range(134, 149))
    assert len(dataset.readings(0)) == 6


def test_nhanes_from_both_kinds_of_files(data_folder, tmp_path):
    merged, official = tmp_path / "merged" / "nhanes_2017_2018", tmp_path / "official" / "nhanes_2017_2018"
    for place in (merged, official):
        place.mkdir(parents=True)
    source = data_folder / "nhanes_2017_2018"
    if not (source / MERGED).is_file() or not list(source.glob("LUX_J.XPT.gz")):
        pytest.skip("FEDPACT_DATA has only one kind of NHANES files")
    shutil.copy(source / MERGED, merged)
    for packed in source.glob("*_J.XPT.gz"):
        shutil.copy(packed, official)
    (official / "LUX_J.xpt").write_bytes(gzip.decompress((official / "LUX_J.XPT.gz").read_bytes()))
    (official / "LUX_J.XPT.gz").unlink()
    one, two = load("nhanes", merged.parent), load("nhanes", official.parent)
    assert np.array_equal(one.features, two.features)
    assert np.array_equal(one.target, two.target)
    assert np.array_equal(one.groups, two.groups)
    (official / "LUX_J.xpt").unlink()
    with pytest.raises(DataError) as refused:
        load("nhanes", official.parent)
    assert refused.value.code is DataCode.FILE_MISSING
    assert "LUX_J" in str(refused.value)


def test_nhanes_can_be_learned_from_the_readings_alone(data_folder):
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    dataset = load("nhanes", data_folder)
    logs = np.log(dataset.features)
    logs = (logs - logs.mean(0)) / logs.std(0)
    areas = []
    for seed in range(3):
        spread = split(dataset, 6, seed)
        test = spread.test.rows
        rest = np.setdiff1d(np.arange(len(dataset)), test)
        model = linear.LogisticRegression().fit(logs[rest], dataset.target[rest])
        areas.append(metrics.roc_auc_score(dataset.target[test], model.decision_function(logs[test])))
    assert 0.74 < np.mean(areas) < 0.79


def test_all_of_nhanes_fits_the_reading_schema(data_folder):
    dataset, key = load("nhanes", data_folder), SubjectKey(bytes(32))
    readings = [
        Measurement("WardMSP/ward", row * 6 + place, 0, str(row), one.field, one.unit, one.value)
        for row in range(len(dataset))
        for place, one in enumerate(dataset.readings(row))
    ]
    batch = seal_batch([key.reading(one) for one in readings], VITALS)
    assert batch.summary.count == 6 * 5266


def test_damaged_nhanes(tmp_path):
    place = tmp_path / "nhanes_2017_2018"
    place.mkdir()
    head = "SEQN,sbp_mean,dbp_mean,LBXSCH,LBXSGL,LBXSASSI,LBXSATSI,LUXCAPM,SDMVSTRA\n"
    for text in ("SEQN\n1\n", head, head + "1,a,70,180,90,20,20,300,134\n", head + "1\n"):
        (place / MERGED).write_bytes(gzip.compress(text.encode(), mtime=0))
        with pytest.raises(DataError) as refused:
            load("nhanes", tmp_path)
        assert refused.value.code is DataCode.MALFORMED
    (place / MERGED).write_bytes(b"not gzip")
    with pytest.raises(DataError) as refused:
        load("nhanes", tmp_path)
    assert refused.value.code is DataCode.MALFORMED
    row = "2,120,70,180,90,20,20,274,135\n1,120,70,180,90,20,20,273.9,134\n3,120,,180,90,20,20,300,136\n"
    (place / MERGED).write_bytes(gzip.compress((head + row).encode(), mtime=0))
    dataset = load("nhanes", tmp_path)
    assert dataset.target.tolist() == [0, 1]
    assert dataset.groups.tolist() == [134, 135]


def test_mnist(data_folder):
    images = read_mnist(data_folder)
    assert images.train_images.shape == (60_000, 28, 28)
    assert np.bincount(images.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    some = load("mnist", data_folder, limit=700)
    assert some.features.shape == (700, 784)
    assert (some.features.min(), some.features.max()) == (0, 1)
    assert len(some.holdout) == 100
    assert some.target[1] == images.train_labels[100]
    assert np.array_equal(some.features[-1] * 255, images.test_images[9_900].ravel())


def idx(kind: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape)


@pytest.mark.parametrize(
    "content",
    [
        b"not gzip",
        gzip.compress(b"", mtime=0),
        gzip.compress(idx(9, 60_000, 28, 28) + bytes(60_000 * 784), mtime=0),
        gzip.compress(idx(8, 60_000, 28, 28) + bytes(60_000 * 784 - 1), mtime=0),
        gzip.compress(idx(8, 60_000, 28, 28) + bytes(60_000 * 784 + 1), mtime=0),
        gzip.compress(idx(8, 2, 28, 28) + bytes(2 * 784), mtime=0),
        gzip.compress(idx(8, 60_000, 28, 28) + bytes(60_000 * 784), mtime=0)[:-20],
    ],
)
def test_damaged_mnist(tmp_path, content):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_mnist(tmp_path)
    assert refused.value.code is DataCode.MALFORMED
