from __future__ import annotations

import pytest

from fedpact.retrieval import TermHasher


@pytest.fixture(scope="session")
def hasher() -> TermHasher:
    return TermHasher(bytes(range(32)))
