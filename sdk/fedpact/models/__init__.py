"""Models at rest: content-addressed, canonical safetensors, encrypted for recipients, signed by owners.

What needs numpy is imported on first use: the base is installed without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from fedpact.models.errors import ModelCode, ModelError

if TYPE_CHECKING:
    from fedpact.models.recipients import KeyAgreement
    from fedpact.models.reference import ModelRef
    from fedpact.models.sealed import ModelHeader, Verifier
    from fedpact.models.store import ModelStore
    from fedpact.models.tensors import Array, decode_tensors, encode_tensors, hash_tensors

_HOME = {
    "Array": "tensors",
    "KeyAgreement": "recipients",
    "ModelHeader": "sealed",
    "ModelRef": "reference",
    "ModelStore": "store",
    "Verifier": "sealed",
    "decode_tensors": "tensors",
    "encode_tensors": "tensors",
    "hash_tensors": "tensors",
}

__all__ = [
    "Array",
    "KeyAgreement",
    "ModelCode",
    "ModelError",
    "ModelHeader",
    "ModelRef",
    "ModelStore",
    "Verifier",
    "decode_tensors",
    "encode_tensors",
    "hash_tensors",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(f"{__name__}.{_HOME[name]}")
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        advice = "models need numpy, which is not installed: install fedpact[models]"
        raise ModelError(ModelCode.EXTRA_MISSING, advice) from None
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
