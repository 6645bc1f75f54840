"""The consortium's chaincode: every contract, over one state."""

from __future__ import annotations

from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.contracts import catalog, registry, sharing, telemetry

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
        ]
    )
