"""Batches of readings: what a manager stores off the ledger, and the summary it anchors.

The content hash is taken over the canonical bytes before compression: compressors differ between
machines and versions, and what the ledger says must not.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fedpact.telemetry.errors import TelemetryCode, TelemetryError
from fedpact.telemetry.merkle import MerkleProof, MerkleTree, verify_inclusion
from fedpact.telemetry.readings import Reading, decode_reading, encode_reading
from fedpact.telemetry.schema import ReadingSchema

MAX_READINGS = 65_536
MAX_BATCH_BYTES = 32 * 1024 * 1024


class BatchSummary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is anchored of a batch.

    Attributes
    ----------
    device : whose readings they are.
    schema, schema_digest : id and SHA-256 of the schema they were checked against.
    count : number of readings.
    subjects : number of different pseudonyms among them.
    first_sequence, last_sequence : of the first and last reading: the key under which a batch is
        anchored once, however often it is sent.
    first_ms, last_ms : earliest and latest time of measurement.
    root : Merkle root over the canonical readings, hexadecimal.
    content_hash : SHA-256 of the canonical bytes, hexadecimal; the stored batch is found by it.
    size_bytes : length of the canonical bytes.
    """

    device: str
    schema: str
    schema_digest: str
    count: int
    subjects: int
    first_sequence: int
    last_sequence: int
    first_ms: int
    last_ms: int
    root: str
    content_hash: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A sealed batch: the summary for the ledger, the compressed payload for the store."""

    summary: BatchSummary
    payload: bytes


def seal_batch(readings: Sequence[Reading], schema: ReadingSchema) -> Batch:
    """Check readings and make a batch of them.

    Parameters
    ----------
    readings : 1 to 65,536 readings of one device in growing sequence.
    schema : what every reading must fit.

    Raises
    ------
    TelemetryError
        EMPTY, TOO_LARGE, MALFORMED, MIXED_DEVICES, OUT_OF_ORDER, or why the reading at `index` does not
        fit the schema.
    """
    _check(readings, schema)
    lines = _encode_all(readings)
    content = b"".join(line + b"\n" for line in lines)
    if len(content) > MAX_BATCH_BYTES:
        raise TelemetryError(TelemetryCode.TOO_LARGE, f"{len(content)} bytes in one batch")
    return Batch(_summary(readings, schema, lines, content), zlib.compress(content))


def open_batch(payload: bytes, summary: BatchSummary, schema: ReadingSchema) -> tuple[Reading, ...]:
    """Read a stored batch back and check it against its anchor in every respect.

    Parameters
    ----------
    payload : the compressed bytes; nothing in them is trusted, at most 32 MiB are unpacked.
    summary : from the ledger.
    schema : the schema that the summary names.

    Raises
    ------
    TelemetryError
        HASH_MISMATCH if content, root or any entry of the summary differs; MALFORMED, TOO_LARGE.
    """
    content = _unpack(payload)
    if hashlib.sha256(content).hexdigest() != summary.content_hash:
        raise TelemetryError(TelemetryCode.HASH_MISMATCH, "the stored batch is not the anchored one")
    lines = content.split(b"\n")[:-1]
    if len(lines) > MAX_READINGS:
        raise TelemetryError(TelemetryCode.TOO_LARGE, f"{len(lines)} readings in one batch")
    readings = tuple(decode_reading(line) for line in lines)
    _check(readings, schema)
    if _summary(readings, schema, lines, content) != summary:
        raise TelemetryError(TelemetryCode.HASH_MISMATCH, "the anchor does not describe its batch")
    return readings


def prove_reading(readings: Sequence[Reading], index: int) -> MerkleProof:
    """Prove that one reading is in its batch's anchor.

    Raises
    ------
    IndexError
        If there is no such reading.
    """
    return MerkleTree([encode_reading(reading) for reading in readings]).proof(index)


def verify_reading(reading: Reading, proof: MerkleProof, root: str) -> bool:
    """Whether the reading belongs to the batch whose anchored root (hexadecimal) this is."""
    return verify_inclusion(encode_reading(reading), proof, bytes.fromhex(root))


def _check(readings: Sequence[Reading], schema: ReadingSchema) -> None:
    if not readings:
        raise TelemetryError(TelemetryCode.EMPTY, "a batch needs a reading")
    if len(readings) > MAX_READINGS:
        raise TelemetryError(TelemetryCode.TOO_LARGE, f"{len(readings)} readings in one batch")
    previous = -1
    for index, reading in enumerate(readings):
        if reading.device != readings[0].device:
            raise TelemetryError(TelemetryCode.MIXED_DEVICES, "a batch is of one device", index=index)
        if reading.sequence <= previous:
            detail = f"sequence {reading.sequence} after {previous}"
            raise TelemetryError(TelemetryCode.OUT_OF_ORDER, detail, index=index)
        previous = reading.sequence
        try:
            schema.check(reading)
        except TelemetryError as error:
            raise error.at(index) from None


def _summary(
    readings: Sequence[Reading], schema: ReadingSchema, lines: Sequence[bytes], content: bytes
) -> BatchSummary:
    times = [reading.time_ms for reading in readings]
    return BatchSummary(
        device=readings[0].device,
        schema=schema.id,
        schema_digest=schema.digest,
        count=len(readings),
        subjects=len({reading.subject for reading in readings}),
        first_sequence=readings[0].sequence,
        last_sequence=readings[-1].sequence,
        first_ms=min(times),
        last_ms=max(times),
        root=MerkleTree(lines).root.hex(),
        content_hash=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


def _encode_all(readings: Sequence[Reading]) -> list[bytes]:
    lines = []
    for index, reading in enumerate(readings):
        lines.append(encode_reading(reading))
        try:
            # a struct made in Python is not validated by msgspec: what is anchored must be readable later
            decode_reading(lines[-1])
        except TelemetryError as error:
            raise error.at(index) from None
    return lines


def _unpack(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(payload, MAX_BATCH_BYTES)
    except zlib.error as error:
        raise TelemetryError(TelemetryCode.MALFORMED, f"not a compressed batch: {error}") from None
    if unpacker.unconsumed_tail:
        raise TelemetryError(TelemetryCode.TOO_LARGE, "the batch unpacks to more than the limit")
    if not unpacker.eof or unpacker.unused_data or not content.endswith(b"\n"):
        raise TelemetryError(TelemetryCode.MALFORMED, "the compressed batch is cut off or continues")
    return content
