"""What the ledger knows of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Where a model is: what goes onto the ledger.

    Attributes
    ----------
    hash : SHA-256 of the canonical safetensors bytes, hexadecimal.
    size_bytes : their length.
    location : "store://<hash>", the same wherever the store's files are.
    """

    hash: str
    size_bytes: int
    location: str
