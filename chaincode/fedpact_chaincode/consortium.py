"""The consortium's chaincode: every contract, over one state."""

from __future__ import annotations

from fedpact_chaincode.chaincode import Chaincode
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
        ]
    )
