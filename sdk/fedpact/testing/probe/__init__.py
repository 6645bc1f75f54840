"""The suite's own chaincode: the smallest one that shows every property of a ledger."""

from __future__ import annotations

from fedpact.testing.probe import cells, keys, secrets, tallies
from fedpact_chaincode.chaincode import Chaincode

NAME = "probe"
"""The chaincode's name: the namespace of its state."""


def chaincode() -> Chaincode:
    """Return the suite's chaincode: `cells:`, `keys:`, `secrets:` and `tallies:`."""
    return Chaincode([cells.contract, keys.contract, secrets.contract, tallies.contract])
