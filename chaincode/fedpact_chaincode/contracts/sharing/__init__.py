"""Who may learn from which data; requests, cached models and deliveries (Lu II.B, III.B, Fig. 4).

    records.py   what is kept, and the error codes 250-299
    grants.py    an owner's consent: given, checked, taken back
    requests.py  requests, the cache that answers them, deliveries

For other contracts: `require_grant`, and `remember` when a task has completed.
"""

from fedpact_chaincode.contracts.sharing.grants import (
    GrantAccess,
    GrantPage,
    GrantsOf,
    OneGrant,
    require_grant,
)
from fedpact_chaincode.contracts.sharing.records import (
    CachedModel,
    Delivery,
    Grant,
    GrantStatus,
    Outcome,
    Request,
    contract,
)
from fedpact_chaincode.contracts.sharing.requests import (
    AskForModel,
    CachedModels,
    Deliver,
    OneFingerprint,
    OneRequest,
    RequestPage,
    RequestsAfter,
    remember,
)

__all__ = [
    "AskForModel",
    "CachedModel",
    "CachedModels",
    "Deliver",
    "Delivery",
    "Grant",
    "GrantAccess",
    "GrantPage",
    "GrantStatus",
    "GrantsOf",
    "OneFingerprint",
    "OneGrant",
    "OneRequest",
    "Outcome",
    "Request",
    "RequestPage",
    "RequestsAfter",
    "contract",
    "remember",
    "require_grant",
]
