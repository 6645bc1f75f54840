"""Where downloaded datasets lie: a folder that is given, or that FEDPACT_DATA names."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

from fedpact.datasets.errors import DataCode, DataError

ENVIRONMENT_VARIABLE = "FEDPACT_DATA"


def data_folder(name: str, folder: Path | str | None = None) -> Path:
    """Return the folder of datasets.

    Parameters
    ----------
    name : the dataset that is looked for, for the error's advice.
    folder : the folder; None: the one that FEDPACT_DATA names.

    Raises
    ------
    DataError
        FOLDER_UNSET if neither is given, FILE_MISSING if it is no folder.
    """
    chosen = folder or os.environ.get(ENVIRONMENT_VARIABLE)
    if not chosen:
        raise DataError(
            DataCode.FOLDER_UNSET,
            f"{name} is not shipped: set {ENVIRONMENT_VARIABLE} to a folder that holds it, or bring it with "
            f"`fedpact data fetch {name}`",
        )
    path = Path(chosen)
    if not path.is_dir():
        raise missing(name, path)
    return path


def missing(name: str, path: Path) -> DataError:
    """Return the error for a file or folder that is not there."""
    return DataError(
        DataCode.FILE_MISSING, f"{name} is not complete: no {path}; bring it with `fedpact data fetch {name}`"
    )


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """Read a file, unpacked if it ends in .gz.

    Raises
    ------
    DataError
        MALFORMED if it cannot be unpacked or holds more than the limit.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                data = packed.read(limit_bytes + 1)
        else:
            with path.open("rb") as file:
                data = file.read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(DataCode.MALFORMED, f"{path.name} cannot be read: {error}") from None
    if len(data) > limit_bytes:
        raise DataError(DataCode.MALFORMED, f"{path.name} holds more than {limit_bytes} bytes")
    return data
