"""fedpact: consortium data sharing and federated learning on permissioned ledgers.

    session = fedpact.connect("embedded:///path/ledger.db", identity=wallet.get("Hospital1MSP@node"))
    session.data.publish(...)

Everything here is imported on first use, so that `import fedpact` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedpact.audit.findings import AuditReport, Finding
    from fedpact.consortium.connecting import connect
    from fedpact.consortium.founding import Consortium, FoundingRules, found
    from fedpact.consortium.session import Session
    from fedpact.gateway.errors import CommitError, GatewayError, OutcomeUnknown
    from fedpact.identity import CertificateAuthority, Identity, Wallet
    from fedpact.ledger import Ledger, LedgerError, create_ledger, open_ledger
    from fedpact.models import ModelRef, ModelStore
    from fedpact_chaincode.errors import Rejected

_HOME = {
    "AuditReport": "fedpact.audit.findings",
    "CertificateAuthority": "fedpact.identity",
    "CommitError": "fedpact.gateway.errors",
    "Consortium": "fedpact.consortium.founding",
    "Finding": "fedpact.audit.findings",
    "FoundingRules": "fedpact.consortium.founding",
    "GatewayError": "fedpact.gateway.errors",
    "Identity": "fedpact.identity",
    "Ledger": "fedpact.ledger",
    "LedgerError": "fedpact.ledger",
    "ModelRef": "fedpact.models",
    "ModelStore": "fedpact.models",
    "OutcomeUnknown": "fedpact.gateway.errors",
    "Rejected": "fedpact_chaincode.errors",
    "Session": "fedpact.consortium.session",
    "Wallet": "fedpact.identity",
    "connect": "fedpact.consortium.connecting",
    "create_ledger": "fedpact.ledger",
    "found": "fedpact.consortium.founding",
    "open_ledger": "fedpact.ledger",
}

__all__ = [
    "AuditReport",
    "CertificateAuthority",
    "CommitError",
    "Consortium",
    "Finding",
    "FoundingRules",
    "GatewayError",
    "Identity",
    "Ledger",
    "LedgerError",
    "ModelRef",
    "ModelStore",
    "OutcomeUnknown",
    "Rejected",
    "Session",
    "Wallet",
    "connect",
    "create_ledger",
    "found",
    "open_ledger",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fedpact' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
