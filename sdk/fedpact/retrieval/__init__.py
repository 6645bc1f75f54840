"""Finding data without seeing it: profiles, keyed hashes of their terms, similarity, exact search."""

from fedpact.retrieval.exact import ExactIndex, Match
from fedpact.retrieval.graphs import ContextGraph, context_graph, serialise
from fedpact.retrieval.hashing import HashedProfile, TermHasher
from fedpact.retrieval.request import DataRequest, fingerprint
from fedpact.retrieval.similarity import DistanceRule, logic_distance, overlap, weighted_jaccard
from fedpact.retrieval.tables import image_profile, label_histogram, table_profile
from fedpact.retrieval.terms import (
    DocumentFrequency,
    Profile,
    document_frequency,
    text_profile,
)

__all__ = [
    "ContextGraph",
    "DataRequest",
    "DistanceRule",
    "DocumentFrequency",
    "ExactIndex",
    "HashedProfile",
    "Match",
    "Profile",
    "TermHasher",
    "context_graph",
    "document_frequency",
    "fingerprint",
    "image_profile",
    "label_histogram",
    "logic_distance",
    "overlap",
    "serialise",
    "table_profile",
    "text_profile",
    "weighted_jaccard",
]
