from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with NHANES and MNIST."""
    named = os.environ.get("FEDPACT_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("FEDPACT_DATA names no folder: NHANES and MNIST are not tested")
    return Path(named)
