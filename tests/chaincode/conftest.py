"""A ledger in memory, and people with real certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import pytest

from fedpact.identity import CertificateAuthority
from fedpact_chaincode.consortium import chaincode
from fedpact_chaincode.contracts.registry import Found, Founder
from fedpact_chaincode.testing import MemoryLedger

People = Callable[..., bytes]


@pytest.fixture(scope="session")
def people() -> People:
    """`people(mspid, name, role)`: the creator (serialised identity) of that person, made once."""

    @cache
    def authority(mspid: str) -> CertificateAuthority:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        return CertificateAuthority.create(mspid, mspid, seed=mspid.encode(), not_before=start)

    @cache
    def person(mspid: str, name: str, role: str | None = "member") -> bytes:
        return authority(mspid).issue(name, role=role).creator

    return person


@pytest.fixture
def ledger() -> MemoryLedger:
    """An empty ledger that runs the consortium's chaincode."""
    return MemoryLedger(chaincode())


@pytest.fixture
def founded(ledger: MemoryLedger, people: People) -> MemoryLedger:
    """A ledger with a consortium of AlphaMSP, BetaMSP and GammaMSP; motions need all three."""
    founders = [Founder(mspid=f"{name}MSP", name=name) for name in ("Alpha", "Beta", "Gamma")]
    ledger.submit(people("AlphaMSP", "admin", "admin"), "registry:found", Found(organisations=founders))
    return ledger
