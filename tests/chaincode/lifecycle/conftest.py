from __future__ import annotations

import pytest
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()
