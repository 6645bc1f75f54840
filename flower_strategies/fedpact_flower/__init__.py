"""Flower strategies, mods and runtime of fedpact.

::

    strategy = MutualValidation(trail=LedgerTrail(session, "task-1"))
    strategy = Recorded(FedAvg(), LedgerTrail(session, "task-1"))

Importing this package switches Flower's telemetry and update check off, unless the environment says
otherwise. Everything here is imported on first use.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

# Here and not beside the code that uses Flower: it reads them when it is first imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

if TYPE_CHECKING:
    from fedpact_flower.arrays import UnusableModel
    from fedpact_flower.client import Member, recorded_client, serve, validator
    from fedpact_flower.ledger_trail import LedgerTrail, RoundNotSealed
    from fedpact_flower.local_trail import LocalTrail
    from fedpact_flower.mutual_validation import MutualValidation, MutualValidationConfig
    from fedpact_flower.recorded import Recorded
    from fedpact_flower.trail import Plan, Trail

_HOME = {
    "LedgerTrail": "ledger_trail",
    "LocalTrail": "local_trail",
    "Member": "client",
    "MutualValidation": "mutual_validation",
    "MutualValidationConfig": "mutual_validation",
    "Plan": "trail",
    "Recorded": "recorded",
    "RoundNotSealed": "ledger_trail",
    "Trail": "trail",
    "UnusableModel": "arrays",
    "recorded_client": "client",
    "serve": "client",
    "validator": "client",
}

__all__ = [
    "LedgerTrail",
    "LocalTrail",
    "Member",
    "MutualValidation",
    "MutualValidationConfig",
    "Plan",
    "Recorded",
    "RoundNotSealed",
    "Trail",
    "UnusableModel",
    "recorded_client",
    "serve",
    "validator",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fedpact_flower' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fedpact_flower.{_HOME[name]}"), name)
