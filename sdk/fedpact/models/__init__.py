"""Models at rest: content-addressed, canonical safetensors, encrypted for recipients, signed by owners.

What needs numpy is imported on first use: the base is installed without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedpact.lazy_names import lazily
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


__getattr__ = lazily(__name__, _HOME, lambda advice: ModelError(ModelCode.EXTRA_MISSING, advice))


def __dir__() -> list[str]:
    return sorted(__all__)
