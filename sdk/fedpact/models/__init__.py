"""Models at rest: content-addressed, canonical safetensors, encrypted for recipients, signed by owners."""

from fedpact.models.errors import ModelCode, ModelError
from fedpact.models.recipients import KeyAgreement
from fedpact.models.sealed import ModelHeader, Verifier
from fedpact.models.store import ModelRef, ModelStore
from fedpact.models.tensors import Array, decode_tensors, encode_tensors, hash_tensors

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
