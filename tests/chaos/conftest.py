"""Folders for runs with processes: short ones, because a socket's path has at most 107 bytes."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder; kept where the test fails in a run that asks for it (FEDPACT_CHAOS_KEEP)."""
    made = Path(tempfile.mkdtemp(prefix="chaos-"))
    yield made
    if not os.environ.get("FEDPACT_CHAOS_KEEP"):
        shutil.rmtree(made)


@pytest.fixture
def seed(record_property: pytest.FixtureRequest) -> int:
    """A random seed, or FEDPACT_CHAOS_SEED; pytest shows it where the test fails."""
    chosen = int(os.environ.get("FEDPACT_CHAOS_SEED") or random.randrange(2**31))
    print(f"FEDPACT_CHAOS_SEED={chosen}")
    return chosen
