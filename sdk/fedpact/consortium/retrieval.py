"""Finding the datasets that fit a request: exact search over all profiles on the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.retrieval import ExactIndex, Match, Profile


class Retrieval:
    """Search by weighted Jaccard similarity (Lu et al., III.A-B), recall 1 by construction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(self, profile: Profile, *, k: int = 10, category: str | None = None) -> list[Match]:
        """Return the k published datasets most similar to a profile, best first, ties by dataset id.

        Parameters
        ----------
        profile : weights of the terms that are looked for.
        k : at most so many.
        category : only datasets of this category.
        """
        return self.index(category=category).search(self._session.data.hashed(profile), k)

    def index(self, *, category: str | None = None) -> ExactIndex:
        """Build an index of what is published now; keep it for many searches. O(profiles)."""
        from fedpact.retrieval import ExactIndex, HashedProfile
        from fedpact_chaincode.contracts.catalog import DatasetStatus

        index = ExactIndex()
        for dataset in self._session.data.list(category=category):
            if dataset.status is DatasetStatus.PUBLISHED and dataset.terms:
                index.add(dataset.id, HashedProfile({term.hash: term.weight for term in dataset.terms}))
        return index
