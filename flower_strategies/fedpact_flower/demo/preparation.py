"""Before anybody asks: organisations, devices, profiles, readings, consent, budgets and credit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets import Dataset, Split, load
from fedpact.records import Field, Form, MotionStatus, NodeKind
from fedpact.retrieval import Profile, image_profile, label_histogram, table_profile
from fedpact.telemetry import Measurement, Reading, SubjectKey, schema_of
from fedpact_flower.demo.clock import SimulatedClock
from fedpact_flower.demo.learning import usual_range
from fedpact_flower.demo.members import DATASET, RESEARCH, Cast, Hospital, derived
from fedpact_flower.demo.settings import DemoSettings

Rows = NDArray[np.int64]
YEAR_MS = 365 * 24 * 3600 * 1000
FUNDS = 20_000_000
"""Micro-credits that the council issues to the research institute; each hospital gets a fifth of it."""

OTHER = "archive"
_IMAGES = {"digits": (8, 8, 255 / 16), "mnist": (28, 28, 1.0)}


@dataclass(frozen=True)
class Anchored:
    """What was anchored: counts of batches and readings."""

    batches: int
    readings: int


def prepare(
    cast: Cast, dataset: Dataset, split: Split, settings: DemoSettings, clock: SimulatedClock
) -> Anchored:
    """Bring the consortium to the point where a request can be answered."""
    cast.chair.council.found(cast.consortium.organisations)
    for hospital in cast.hospitals:
        hospital.node.council.register_node(NodeKind.PROVIDER)
        hospital.admin.devices.register(hospital.device.certificate, description="bedside monitor")
        motion = hospital.admin.council.propose("monitor", "activate_device", hospital.device.id)
        _carry(cast, motion.id)
    issue(cast, f"{RESEARCH}/researcher", FUNDS)
    for hospital in cast.hospitals:
        issue(cast, f"{hospital.mspid}/node", FUNDS // 5)
    anchored = []
    for hospital, part in zip(cast.hospitals, split.owners, strict=True):
        rows = np.sort(np.concatenate([part.train.rows, part.validation.rows]))
        publish(hospital, dataset, len(part.train), profile_of(dataset, rows))
        _consent(hospital, dataset, settings, clock)
        anchored.append(_anchor(hospital, dataset, rows, settings, clock))
    for hospital in cast.hospitals[:2]:  # what does not fit the request, so that finding means something
        other = load("breast-cancer" if dataset.name != "breast-cancer" else "diabetes")
        profile = profile_of(other, np.arange(len(other)))
        hospital.node.data.publish(
            OTHER, profile, category=other.category, form=Form.TABULAR, rows=len(other)
        )
    return Anchored(sum(a.batches for a in anchored), sum(a.readings for a in anchored))


def issue(cast: Cast, account: str, amount: int) -> None:
    """Let the council issue credit."""
    name = f"credit-{account.replace('/', '-')}"
    _carry(cast, cast.chair.council.propose(name, "issue_credit", account, amount=amount).id)


def _carry(cast: Cast, motion: str) -> None:
    """Vote until the motion is decided."""
    for member in cast.council:
        if member.council.vote(motion).status is not MotionStatus.OPEN:
            return


def profile_of(dataset: Dataset, rows: Rows) -> Profile:
    """Return the profile of some rows; of none, that of a request for such data."""
    target = dataset.target[rows]
    edges = np.linspace(dataset.target.min(), dataset.target.max(), 6)[1:-1] if not dataset.classes else None
    labels = label_histogram(target, edges=None if edges is None else edges.tolist()) if len(rows) else None
    if dataset.name in _IMAGES:
        height, width, scale = _IMAGES[dataset.name]
        images = (dataset.features[rows] * scale).astype(np.uint8).reshape(len(rows), height, width)
        return image_profile(images, dataset.target_name, labels=labels)
    columns = dict(zip(dataset.feature_names, dataset.units, strict=True))
    return table_profile(columns, dataset.target_name, labels=labels)


def publish(hospital: Hospital, dataset: Dataset, rows: int, profile: Profile) -> None:
    """Publish a hospital's profile: hashed terms, columns with units and ranges, never a record."""
    image = dataset.name in _IMAGES
    low, high = usual_range(dataset)
    fields = [
        Field(name=name, unit=unit, low_milli=int(low[i] * 1000), high_milli=int(high[i] * 1000))
        for i, (name, unit) in enumerate(zip(dataset.feature_names, dataset.units, strict=True))
    ]
    hospital.node.data.publish(
        DATASET,
        profile,
        category=dataset.category,
        form=Form.IMAGE if image else Form.TABULAR,
        rows=rows,
        fields=[] if image else fields,
    )


def _consent(hospital: Hospital, dataset: Dataset, settings: DemoSettings, clock: SimulatedClock) -> None:
    expires_ms = clock.peek() // 1_000_000 + YEAR_MS
    hospital.admin.sharing.grant(hospital.dataset_id, RESEARCH, dataset.category, expires_ms=expires_ms)
    hospital.admin.privacy.grant(
        hospital.dataset_id, RESEARCH, epsilon=settings.epsilon, delta=settings.delta
    )


def _anchor(
    hospital: Hospital, dataset: Dataset, rows: Rows, settings: DemoSettings, clock: SimulatedClock
) -> Anchored:
    """The monitor measures every patient, the manager anchors the readings; the batch stays off-chain."""
    readings = _measured(hospital, dataset, rows, settings, clock.peek() // 1_000_000)
    if not readings:
        return Anchored(0, 0)
    schema = schema_of(dataset.vitals)
    _, batch = hospital.manager.devices.anchor(hospital.dataset_id, readings, schema)
    folder = Path(settings.home) / "readings"
    folder.mkdir(exist_ok=True)
    (folder / batch.summary.content_hash).write_bytes(batch.payload)
    return Anchored(1, len(readings))


def _measured(
    hospital: Hospital, dataset: Dataset, rows: Rows, settings: DemoSettings, now_ms: int
) -> list[Reading]:
    key = SubjectKey(derived(settings.seed, f"subjects {hospital.mspid}"))
    measured = [(f"patient-{row}", vital) for row in rows.tolist() for vital in dataset.readings(row)]
    return [
        key.reading(
            Measurement(
                device=hospital.device.id,
                sequence=sequence,
                time_ms=now_ms - (len(measured) - sequence) * 1000,
                subject=subject,
                field=vital.field,
                unit=vital.unit,
                value=vital.value,
            )
        )
        for sequence, (subject, vital) in enumerate(measured)
    ]
