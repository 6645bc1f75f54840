from __future__ import annotations

from pathlib import Path

import pytest

from fedpact.identity import CertificateAuthority, Identity
from fedpact.models import ModelStore
from fedpact.wire.membership import Membership


@pytest.fixture(scope="session")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("North Hospital", "NorthMSP")


@pytest.fixture(scope="session")
def owner(authority) -> Identity:
    return authority.issue("owner", role="member")


@pytest.fixture(scope="session")
def reader(authority) -> Identity:
    return authority.issue("reader", role="member")


@pytest.fixture(scope="session")
def stranger(authority) -> Identity:
    return authority.issue("stranger", role="member")


@pytest.fixture(scope="session")
def members(authority) -> Membership:
    return Membership({"NorthMSP": [authority.certificate_pem]})


@pytest.fixture
def store(tmp_path: Path, owner, members) -> ModelStore:
    return ModelStore(str(tmp_path), owner, members=members)
