"""Exact search over all profiles: an inverted index over hashed terms.

A node that holds the whole state needs nothing better: a query over 10,000 profiles that meets 100,000
postings takes 0.7 ms on one core, and a posting takes 10 bytes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        answer as comparing with every profile. Cost O(datasets + postings of the query's terms), in numpy.
        """
        if k < 1:
            raise ValueError("k must be at least 1")
        overlaps = self._overlaps(query)
        found = np.flatnonzero(overlaps)
        if len(found) > k:
            # everything that ties with the k-th stays in until the ids decide
            border = np.partition(overlaps[found], len(found) - k)[len(found) - k]
            found = found[overlaps[found] >= border]
        matches = [Match(self._ids[slot], int(overlaps[slot])) for slot in found.tolist()]
        return sorted(matches, key=lambda match: (-match.overlap, match.dataset_id))[:k]

    def _overlaps(self, query: HashedProfile) -> NDArray[np.int64]:
        overlaps = np.zeros(len(self._ids), dtype=np.int64)
        for term, weight in query:
            if term in self._postings:
                slots, weights = self._postings[term]
                # a slot occurs once per term, so plain indexing adds every pair
                overlaps[np.frombuffer(slots, np.int64)] += np.minimum(
                    np.frombuffer(weights, np.ushort), weight
                )
        overlaps *= np.frombuffer(self._alive, np.uint8)
        return overlaps

    def _compact(self) -> None:
        alive = np.frombuffer(bytes(self._alive), np.uint8).astype(bool)
        moved = np.cumsum(alive) - 1
        for term, (slots, weights) in list(self._postings.items()):
            places = np.frombuffer(slots, np.int64)
            kept = alive[places]
            if not kept.any():
                del self._postings[term]
                continue
            self._postings[term] = (
                array("q", moved[places[kept]].astype(np.int64).tobytes()),
                array("H", np.frombuffer(weights, np.ushort)[kept].tobytes()),
            )
        self._ids = [name for name, is_alive in zip(self._ids, alive, strict=True) if is_alive]
        self._slots = {name: slot for slot, name in enumerate(self._ids)}
        self._alive = bytearray(b"\x01" * len(self._ids))
