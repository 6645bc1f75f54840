"""Exact search over all profiles: an inverted index over hashed terms.

A node that holds the whole state needs nothing better: a query over 10,000 profiles of 48 terms takes 14
to 17 ms of one core where it meets 100,000 postings, 1.4 ms where it meets 5,000; a posting takes 10 bytes.
"""

from __future__ import annotations

import heapq
from array import array
from dataclasses import dataclass
from itertools import accumulate

from fedpact.retrieval.hashing import TOTAL_WEIGHT, HashedProfile

_COMPACT_FROM = 64


@dataclass(frozen=True, slots=True)
class Match:
    """A dataset that was found.

    Attributes
    ----------
    dataset_id : its id.
    overlap : sum of the smaller weights with the query, 1 to 65,535.
    """

    dataset_id: str
    overlap: int

    @property
    def similarity(self) -> float:
        """Weighted Jaccard similarity, 0 to 1."""
        return self.overlap / (2 * TOTAL_WEIGHT - self.overlap)


class ExactIndex:
    """Profiles by dataset, searchable by weighted Jaccard similarity.

    Datasets can be added, replaced and removed at any time. Not safe for threads that change it.
    """

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._ids: list[str] = []
        self._alive = bytearray()
        self._postings: dict[str, tuple[array[int], array[int]]] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, dataset_id: object) -> bool:
        return dataset_id in self._slots

    def add(self, dataset_id: str, profile: HashedProfile) -> None:
        """Add a dataset, or replace its profile. O(terms)."""
        self.remove(dataset_id)
        slot = self._slots[dataset_id] = len(self._ids)
        self._ids.append(dataset_id)
        self._alive.append(1)
        for term, weight in profile:
            if term not in self._postings:
                self._postings[term] = (array("q"), array("H"))
            slots, weights = self._postings[term]
            slots.append(slot)
            weights.append(weight)

    def remove(self, dataset_id: str) -> None:
        """Take a dataset out; nothing happens if it is not in. O(1), amortised O(terms)."""
        slot = self._slots.pop(dataset_id, None)
        if slot is None:
            return
        self._alive[slot] = 0
        if len(self._ids) >= _COMPACT_FROM and len(self._ids) > 2 * len(self._slots):
            self._compact()

    def search(self, query: HashedProfile, k: int) -> list[Match]:
        """Return the k datasets most similar to the query, best first, ties by dataset id.

        Parameters
        ----------
        query : the request's profile, hashed under the same key.
        k : at least 1.

        Returns
        -------
        At most k matches; datasets that share no term with the query are never returned. Exact: the same
        answer as comparing with every profile. Cost O(postings of the query's terms).
        """
        if k < 1:
            raise ValueError("k must be at least 1")
        found = ((-shared, self._ids[slot]) for slot, shared in self._overlaps(query).items())
        return [Match(dataset_id, -negated) for negated, dataset_id in heapq.nsmallest(k, found)]

    def _overlaps(self, query: HashedProfile) -> dict[int, int]:
        """Return the overlap by slot, of the datasets that share a term with the query."""
        overlaps: dict[int, int] = {}
        so_far = overlaps.get
        for term, wanted in query:
            if term not in self._postings:
                continue
            for slot, weight in zip(*self._postings[term], strict=True):
                overlaps[slot] = so_far(slot, 0) + (weight if weight < wanted else wanted)
        return {slot: shared for slot, shared in overlaps.items() if self._alive[slot]}

    def _compact(self) -> None:
        moved = list(accumulate(self._alive, initial=0))
        for term, postings in list(self._postings.items()):
            kept = [pair for pair in zip(*postings, strict=True) if self._alive[pair[0]]]
            if not kept:
                del self._postings[term]
                continue
            self._postings[term] = (
                array("q", [moved[slot] for slot, _ in kept]),
                array("H", [weight for _, weight in kept]),
            )
        self._ids = [name for name, alive in zip(self._ids, self._alive, strict=True) if alive]
        self._slots = {name: slot for slot, name in enumerate(self._ids)}
        self._alive = bytearray(b"\x01" * len(self._ids))
