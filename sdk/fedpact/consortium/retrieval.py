"""Finding the datasets that fit a request: exact search over all profiles on the ledger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedpact.consortium.session import Session
    from fedpact.retrieval import ExactIndex, Match, Profile

log = logging.getLogger(__name__)


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
        """Build an index of what is published now; keep it for many searches. O(profiles).

        A profile whose weights are not what `fedpact.retrieval` makes (65,535 in all) is left out: the
        contract takes any, and one member's mistake must not keep the others from searching.
        """
        from fedpact.retrieval import ExactIndex, HashedProfile
        from fedpact_chaincode.contracts.catalog import DatasetStatus

        index = ExactIndex()
        for dataset in self._session.data.list(category=category):
            if dataset.status is not DatasetStatus.PUBLISHED or not dataset.terms:
                continue
            try:
                profile = HashedProfile({term.hash: term.weight for term in dataset.terms})
            except ValueError as error:
                log.warning("dataset %s cannot be found: %s", dataset.id, error)
                continue
            index.add(dataset.id, profile)
        return index
