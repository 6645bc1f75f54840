"""The canonical fingerprint of a request, under which a model that was computed before is found again."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from fedpact.retrieval.hashing import HashedProfile

MAX_ENTRIES = 1_024
MAX_TEXT = 1_024


@dataclass(frozen=True, slots=True)
class DataRequest:
    """What is asked, whoever asks.

    Attributes
    ----------
    category : of the data.
    kind : of the task, "classification" or "regression".
    target : what is to be predicted.
    terms : the hashed profile of the data that is looked for.
    fields : the fields to learn from; order and repetition do not matter.
    parameters : everything else that makes another model: rounds, privacy, model family.
    """

    category: str
    kind: str
    target: str
    terms: HashedProfile
    fields: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)


def fingerprint(request: DataRequest) -> str:
    """Return the request's SHA-256, hexadecimal, over its canonical JSON.

    Requests that differ only in case, width or composition of letters, outer blanks or order have the same.

    Raises
    ------
    ValueError
        If a text is over 1,024 characters, there are over 1,024 fields or parameters, or two
        parameters' names fold to the same.
    """
    if len(request.fields) > MAX_ENTRIES or len(request.parameters) > MAX_ENTRIES:
        raise ValueError(f"at most {MAX_ENTRIES} fields and parameters")
    parameters = {_folded(name): _folded(value) for name, value in request.parameters.items()}
    if len(parameters) < len(request.parameters):
        raise ValueError("two parameters have the same name")
    document = {
        "category": _folded(request.category),
        "fields": sorted({_folded(name) for name in request.fields}),
        "kind": _folded(request.kind),
        "parameters": parameters,
        "target": _folded(request.target),
        "terms": dict(request.terms),
        "version": 1,
    }
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _folded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ValueError(f"a text of a request has at most {MAX_TEXT} characters")
    return unicodedata.normalize("NFKC", text).casefold().strip()
