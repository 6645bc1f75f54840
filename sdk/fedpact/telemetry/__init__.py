"""Readings of devices: schemas, pseudonyms, Merkle trees and batches. Pure functions, no I/O."""

from fedpact.telemetry.batch import (
    Batch,
    BatchSummary,
    open_batch,
    prove_reading,
    seal_batch,
    verify_reading,
)
from fedpact.telemetry.errors import TelemetryCode, TelemetryError
from fedpact.telemetry.merkle import MerkleProof, MerkleTree, verify_inclusion
from fedpact.telemetry.pseudonyms import Measurement, SubjectKey
from fedpact.telemetry.readings import Reading, decode_reading, encode_reading
from fedpact.telemetry.schema import FIELDS, VITALS, FieldRule, ReadingSchema, schema_of

__all__ = [
    "FIELDS",
    "VITALS",
    "Batch",
    "BatchSummary",
    "FieldRule",
    "Measurement",
    "MerkleProof",
    "MerkleTree",
    "Reading",
    "ReadingSchema",
    "SubjectKey",
    "TelemetryCode",
    "TelemetryError",
    "decode_reading",
    "encode_reading",
    "open_batch",
    "prove_reading",
    "schema_of",
    "seal_batch",
    "verify_inclusion",
    "verify_reading",
]
