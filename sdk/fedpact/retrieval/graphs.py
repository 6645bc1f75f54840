"""Weighted context graphs: terms as vertices, co-occurrence as edges (Lu et al. 2020, section III.A).

On 20 Newsgroups and Reuters edges added nothing to retrieval over a profile of 48 terms, at seven times the
size; they are an option for whoever wants the paper's vectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from fedpact.retrieval.terms import Profile, words

DEFAULT_WINDOW = 8


@dataclass(frozen=True, slots=True)
class ContextGraph:
    """A profile with the co-occurrences of its terms.

    Attributes
    ----------
    vertices : weight per term.
    edges : weight per pair of terms, each pair in alphabetical order; the weights add up to 1.
    """

    vertices: Profile
    edges: Mapping[tuple[str, str], float]


def context_graph(
    documents: Sequence[str], vertices: Profile, *, window: int = DEFAULT_WINDOW
) -> ContextGraph:
    """Count how often two of the vertices stand within a window of words of each other.

    Parameters
    ----------
    documents : the texts that the profile was made of.
    vertices : the profile.
    window : number of words, at least 2, stop words not counted.
    """
    if window < 2:
        raise ValueError("a window has at least two words")
    counts: dict[tuple[str, str], int] = {}
    for text in documents:
        sequence = words(text)
        for start, first in enumerate(sequence):
            if first not in vertices:
                continue
            for second in sequence[start + 1 : start + window]:
                if second in vertices and second != first:
                    pair = (first, second) if first < second else (second, first)
                    counts[pair] = counts.get(pair, 0) + 1
    total = sum(counts.values())
    return ContextGraph(vertices, {pair: count / total for pair, count in sorted(counts.items())})


def serialise(graph: ContextGraph, order: Sequence[str]) -> list[float]:
    """Return the paper's vector: V (k weights), then E (k(k-1)/2 weights).

    Parameters
    ----------
    graph : the graph.
    order : the k terms of the global graph, in the order that all owners agreed on.

    Returns
    -------
    k + k(k-1)/2 weights; 0 for what the graph lacks. Pairs come as (1,2), (1,3), ..., (k-1,k).
    """
    edges = [graph.edges.get((min(pair), max(pair)), 0.0) for pair in combinations(order, 2)]
    return [graph.vertices.get(term, 0.0) for term in order] + edges
