"""NHANES 2017-2018: does a person have a fatty liver, from blood pressure and blood values?

Target: median controlled attenuation parameter (LUXCAPM) of 274 dB/m or more, the cut-off for steatosis of
grade 1 and more in Eddowes et al. 2019. Rows: everybody with all six readings and a measurement of the
liver (5,266 of 6,401 with blood values). Age, sex and BMI are left out on purpose: the readings alone reach
a cross-validated AUC of 0.77 (gradient boosting; logistic regression on raw values 0.75, on their
logarithms 0.76); with age and sex 0.77, with BMI too 0.84.

NCHS asks that the data be used for statistics only and that nobody try to identify a person in them; its
cholesterol and glucose are the standard battery's values, which are not meant for diagnosis.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets.dataset import Dataset
from fedpact.datasets.errors import DataCode, DataError
from fedpact.datasets.folder import data_folder, missing, read_bytes
from fedpact.datasets.xport import read_xport

FOLDER = "nhanes_2017_2018"
MERGED = "nhanes_2017_2018_merged.csv.gz"
STEATOSIS_DB_M = 274
MAX_FILE_BYTES = 64 * 1024 * 1024

_FEATURES = {
    "blood_pressure_systolic": ("sbp_mean", "mmHg"),
    "blood_pressure_diastolic": ("dbp_mean", "mmHg"),
    "cholesterol": ("LBXSCH", "mg/dL"),
    "glucose": ("LBXSGL", "mg/dL"),
    "ast": ("LBXSASSI", "U/L"),
    "alt": ("LBXSATSI", "U/L"),
}
_COLUMNS = ("SEQN", *(column for column, _ in _FEATURES.values()), "LUXCAPM", "SDMVSTRA")
_SYSTOLIC = ("BPXSY1", "BPXSY2", "BPXSY3", "BPXSY4")
_DIASTOLIC = ("BPXDI1", "BPXDI2", "BPXDI3", "BPXDI4")

Table = dict[str, NDArray[np.float64]]


def load_nhanes(folder: Path | str | None = None) -> Dataset:
    """Read NHANES from CDC's transport files, or from the merged table, whichever is there.

    Parameters
    ----------
    folder : the folder of datasets; None: FEDPACT_DATA. The files are in its folder nhanes_2017_2018:
        DEMO_J, BPX_J, BIOPRO_J and LUX_J as .XPT, .xpt or .XPT.gz; or nhanes_2017_2018_merged.csv.gz.

    Returns
    -------
    The dataset, rows by respondent's number, groups by the survey's 15 strata (SDMVSTRA).

    Raises
    ------
    DataError
        FOLDER_UNSET, FILE_MISSING, MALFORMED.
    """
    place = data_folder("nhanes", folder) / FOLDER
    merged = place / MERGED
    table = _merged(merged) if merged.is_file() else _official(place)
    rows = np.column_stack([table[column] for column in _COLUMNS])
    rows = rows[np.isfinite(rows).all(axis=1)]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    if not len(rows):
        raise DataError(DataCode.MALFORMED, "no complete row in NHANES")
    return Dataset(
        name="nhanes",
        category="hepatology",
        task_kind="classification",
        metric="auc",
        features=np.ascontiguousarray(rows[:, 1:7]),
        target=(rows[:, 7] >= STEATOSIS_DB_M).astype(np.float64),
        target_name="liver_steatosis",
        feature_names=tuple(_FEATURES),
        units=tuple(unit for _, unit in _FEATURES.values()),
        vitals=tuple(_FEATURES),
        groups=rows[:, 8].astype(np.int64),
        citation="CDC/NCHS: National Health and Nutrition Examination Survey 2017-2018, public use files",
    )


def _merged(path: Path) -> Table:
    text = read_bytes(path, MAX_FILE_BYTES)
    try:
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
        return {
            column: np.array([float(row[column]) if row[column] else np.nan for row in rows])
            for column in _COLUMNS
        }
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(DataCode.MALFORMED, f"{path.name}: {error!r}") from None


def _official(place: Path) -> Table:
    people = _transport(place, "BIOPRO_J", ("SEQN", "LBXSCH", "LBXSGL", "LBXSASSI", "LBXSATSI"))
    pressure = _transport(place, "BPX_J", ("SEQN", *_SYSTOLIC, *_DIASTOLIC))
    liver = _transport(place, "LUX_J", ("SEQN", "LUXCAPM"))
    survey = _transport(place, "DEMO_J", ("SEQN", "SDMVSTRA"))
    systolic = np.column_stack([pressure[name] for name in _SYSTOLIC])
    diastolic = np.column_stack([pressure[name] for name in _DIASTOLIC])
    # a diastolic pressure of 0 says that the sounds never vanished: no reading
    diastolic[diastolic == 0] = np.nan
    pressure["sbp_mean"], pressure["dbp_mean"] = _mean(systolic), _mean(diastolic)
    for other, names in (
        (pressure, ("sbp_mean", "dbp_mean")),
        (liver, ("LUXCAPM",)),
        (survey, ("SDMVSTRA",)),
    ):
        places = {number: place for place, number in enumerate(other["SEQN"].tolist())}
        found = [places.get(number, -1) for number in people["SEQN"].tolist()]
        for name in names:
            people[name] = np.append(other[name], np.nan)[found]
    return people


def _transport(place: Path, name: str, columns: tuple[str, ...]) -> Table:
    for suffix in (".XPT", ".xpt", ".XPT.gz"):
        path = place / (name + suffix)
        if path.is_file():
            return read_xport(read_bytes(path, MAX_FILE_BYTES), columns)
    raise missing("nhanes", place / f"{name}.XPT")


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the readings that are there, to hundredths; NaN without any."""
    count = np.isfinite(values).sum(axis=1)
    total = np.where(np.isfinite(values), values, 0).sum(axis=1)
    means = np.full(len(values), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means.round(2)
