"""Consent, requests, cached results and deliveries (Lu et al., II.B and Fig. 3-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedpact_chaincode.contracts.sharing.grants import GrantAccess, GrantPage, GrantsOf, OneGrant
from fedpact_chaincode.contracts.sharing.records import CachedModel, Delivery, Grant, Request
from fedpact_chaincode.contracts.sharing.requests import (
    AskForModel,
    CachedModels,
    Deliver,
    OneFingerprint,
    OneRequest,
)

if TYPE_CHECKING:
    from fedpact.consortium.session import Session


class Sharing:
    """Who may learn from which data, and what was asked and delivered."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def grant(
        self, dataset_id: str, requester: str, purpose: str, *, expires_ms: int, conditions: str = ""
    ) -> Grant:
        """Consent to a requester's tasks of one category on the organisation's dataset."""
        message = GrantAccess(
            dataset_id=dataset_id,
            requester=requester,
            purpose=purpose,
            expires_ms=expires_ms,
            conditions=conditions,
        )
        return self._session.submit("sharing:grant", message, Grant)

    def revoke(self, dataset_id: str, requester: str, purpose: str) -> Grant:
        """Take a consent back."""
        message = OneGrant(dataset_id=dataset_id, requester=requester, purpose=purpose)
        return self._session.submit("sharing:revoke", message, Grant)

    def grants(self, dataset_id: str) -> list[Grant]:
        """Return up to a hundred grants of a dataset, whatever their status."""
        return self._session.evaluate("sharing:grants", GrantsOf(dataset_id=dataset_id), GrantPage).grants

    def request(self, name: str, fingerprint: str, category: str, *, max_age_ms: int) -> Request:
        """Record a request; its outcome says whether a model computed before answers it.

        Parameters
        ----------
        name : the caller's own name for it; its id is `mspid/name`.
        fingerprint : `fedpact.retrieval.fingerprint` of what is asked.
        category : of the data.
        max_age_ms : how old a cached model may be.
        """
        message = AskForModel(name=name, fingerprint=fingerprint, category=category, max_age_ms=max_age_ms)
        return self._session.submit("sharing:request", message, Request)

    def find_request(self, request_id: str) -> Request:
        """Return a request with its immediate answer."""
        return self._session.evaluate("sharing:find_request", OneRequest(id=request_id), Request)

    def deliver(self, request_id: str, task_id: str, *, note: str = "") -> Delivery:
        """Record that the caller, who holds the model, delivered it."""
        message = Deliver(request_id=request_id, task_id=task_id, note=note)
        return self._session.submit("sharing:deliver", message, Delivery)

    def delivery(self, request_id: str) -> Delivery:
        """Return the delivery of a request."""
        return self._session.evaluate("sharing:delivery", OneRequest(id=request_id), Delivery)

    def cached(self, fingerprint: str) -> list[CachedModel]:
        """Return the models that were computed for a fingerprint."""
        message = OneFingerprint(fingerprint=fingerprint)
        return self._session.evaluate("sharing:cached", message, CachedModels).models
