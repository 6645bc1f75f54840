"""Every write of approvals and commits against those of Fabric's own code."""

from __future__ import annotations

from pathlib import Path

import msgspec
from tests.chaincode.lifecycle.lifecycle_ledger import Ledger

from fedpact.wire.chaincode_terms import ChaincodeTerms, CollectionTerms, OwnPolicy

LINES = [
    line.split()
    for line in Path(__file__).with_name("fabric_lifecycle.txt").read_text().splitlines()
    if not line.startswith("#")
]
FIRST = ChaincodeTerms(name="mycc", sequence=1, version="1.0", policy="/Channel/Application/Endorsement")
SECOND = ChaincodeTerms(
    name="mycc",
    sequence=2,
    version="1.1",
    policy="AND('AlphaMSP.peer', 'BetaMSP.peer')",
    collections=(
        CollectionTerms(
            name="secrets",
            policy="OR('AlphaMSP.member', 'BetaMSP.member')",
            block_to_live=100,
            member_only_read=True,
            endorsement_policy=OwnPolicy(signature_policy="OR('AlphaMSP.peer')"),
        ),
    ),
    init_required=True,
)
AGAIN = msgspec.structs.replace(SECOND, version="1.2")


def written(step: str) -> dict[str, bytes]:
    """What Fabric's code wrote in a step."""
    return {key: bytes.fromhex(value) for name, key, value in LINES if name == step}


def package(identifier: str) -> dict[str, dict[str, str]]:
    return {"local_package": {"package_id": identifier}}


def test_the_same_calls_write_the_same_bytes(ledger: Ledger) -> None:
    for step, terms, source in (
        ("approve1", FIRST, package("mycc_1.0:abcd")),
        ("commit1", FIRST, None),
        ("approve2", SECOND, None),
        ("again2", AGAIN, package("mycc_1.2:ef")),
        ("commit2", AGAIN, None),
    ):
        if step.startswith("commit"):
            ledger.commit("AlphaMSP", **terms.as_fields())
            expected = (written(step), {})
        else:
            ledger.approve("AlphaMSP", **terms.as_fields(), source=source)
            expected = ({}, {"_implicit_org_AlphaMSP": written(step)})
        assert written(step)
        assert ledger.last is not None
        assert (ledger.last.writes, ledger.last.private_writes) == expected, step
