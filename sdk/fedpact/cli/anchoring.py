"""From readings to anchored batches: one device at a time, kept before they are anchored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fedpact.identity.private_files import make_private_folder, write_private_file
from fedpact.telemetry import Reading, ReadingSchema, seal_batch
from fedpact.telemetry.batch import MAX_READINGS
from fedpact_chaincode.errors import Rejected

if TYPE_CHECKING:
    from fedpact.consortium.session import Session

ALREADY = "ALREADY_ANCHORED"


class AnchoredBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch, as listed.

    Attributes
    ----------
    status : `anchored` by this run, or `already` before.
    """

    dataset_id: str
    device: str
    first_sequence: int
    last_sequence: int
    count: int
    content_hash: str
    root: str
    status: str


def anchor_readings(
    session: Session,
    dataset_id: str,
    readings: Sequence[Reading],
    schema: ReadingSchema,
    *,
    store: Path,
    progress: Callable[[int, int], None],
) -> Iterator[AnchoredBatch]:
    """Seal, keep and anchor readings; batches that are anchored already are left as they are.

    Parameters
    ----------
    session : a manager's.
    dataset_id : what the readings belong to.
    readings : of one device or several; those of one device in growing sequence.
    schema : what every reading must fit.
    store : folder for the payloads, each under its content hash.
    progress : called with (readings done, readings).

    Raises
    ------
    TelemetryError
        A reading does not fit; the batches before it are anchored.
    Rejected
        READINGS_OVERLAP with the number after which the device goes on, DEVICE_NOT_ACTIVE, ...
    """
    make_private_folder(store)
    done = 0
    for part in _batches(readings):
        batch = seal_batch(part, schema)
        summary = batch.summary
        write_private_file(store / summary.content_hash, batch.payload)
        status = "anchored"
        try:
            session.devices.anchor_batch(dataset_id, summary)
        except Rejected as refusal:
            if refusal.code.name != ALREADY:
                raise
            status = "already"
        done += len(part)
        progress(done, len(readings))
        yield AnchoredBatch(
            dataset_id=dataset_id,
            device=summary.device,
            first_sequence=summary.first_sequence,
            last_sequence=summary.last_sequence,
            count=summary.count,
            content_hash=summary.content_hash,
            root=summary.root,
            status=status,
        )


def _batches(readings: Sequence[Reading]) -> Iterator[Sequence[Reading]]:
    devices: dict[str, list[Reading]] = {}
    for reading in readings:
        devices.setdefault(reading.device, []).append(reading)
    for own in devices.values():
        for first in range(0, len(own), MAX_READINGS):
            yield own[first : first + MAX_READINGS]
