"""Profiles of datasets, by which they are found without being shown (Lu III.B, Fig. 4).

    records.py   what is kept, and the error codes 150-199
    profiles.py  publishing, changing, withdrawing, listing

For other contracts: `dataset` and `rows_at`.
"""

from fedpact_chaincode.contracts.catalog.profiles import (
    DatasetPage,
    DatasetsAfter,
    OneDataset,
    Publish,
    Update,
    dataset,
    rows_at,
)
from fedpact_chaincode.contracts.catalog.records import (
    DATASETS,
    Dataset,
    DatasetStatus,
    Field,
    Form,
    Size,
    Term,
    contract,
)

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetPage",
    "DatasetStatus",
    "DatasetsAfter",
    "Field",
    "Form",
    "OneDataset",
    "Publish",
    "Size",
    "Term",
    "Update",
    "contract",
    "dataset",
    "rows_at",
]
