"""The consortium's chaincode: every contract, over one state."""

from __future__ import annotations

from pathlib import Path

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.code_hash import code_version
from fedpact_chaincode.contracts import (
    catalog,
    credit,
    elections,
    privacy,
    registry,
    sharing,
    telemetry,
    training,
)
from fedpact_chaincode.contracts.tasks import transactions as tasks
from fedpact_chaincode.contracts.teams import transactions as teams

NAME = "fedpact"
"""The chaincode's name on a channel: the namespace of its state."""
RELEASE = "0.1.0"
"""The package's version: the first part of the chaincode's."""
_BESIDE = frozenset({"lifecycle", "testing.py", "memory_stub.py"})
"""The node's system chaincode and what tests need: no part of what a contract does."""


def version() -> str:
    """Return the version that members agree on: release and hash of the code."""
    return code_version(RELEASE, Path(__file__).parent, _BESIDE)


def chaincode() -> Chaincode:
    """Return the consortium's chaincode, as every node and the audit run it."""
    return Chaincode(
        [
            registry.contract,
            catalog.contract,
            telemetry.contract,
            sharing.contract,
            credit.contract,
            privacy.contract,
            tasks.contract,
            teams.contract,
            training.contract,
            elections.contract,
        ],
        version=version(),
    )
