"""Anchors of readings: what proves, on the ledger, a batch that is stored elsewhere (Korenev, 3).

A device numbers its readings; a manager checks them, stores them as a batch and anchors the batch here.
Batches of one device follow one another without overlap, so a reading is anchored once, whichever
manager the device turned to and however often the batch was sent. Error codes 200-249.
"""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec

from fedpact_chaincode.contract import Context, Contract, Count, Digest, Event, Id, Message, Result, TimeMs
from fedpact_chaincode.contracts.catalog import dataset
from fedpact_chaincode.contracts.registry import Limit, Mspid, require_active_device, require_member
from fedpact_chaincode.errors import NOT_THE_OWNER, Kind, Rejected, code
from fedpact_chaincode.state import Map, Record

contract = Contract("telemetry", "Anchors of batches of readings (Korenev, 3)")

CLOCK_ERROR_MS = 300_000
"""By how much a device's clock may be ahead of the ledger's."""

Positive = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class Anchor(Record, frozen=True, kw_only=True):
    """One batch of readings of one device.

    Attributes
    ----------
    dataset_id : what the readings belong to.
    device : id of the device that took them.
    first_sequence, last_sequence : the device's numbers of the first and the last reading.
    content_hash : SHA-256 of the batch as it was before compression; it is found by this.
    root : Merkle root over the readings (RFC 6962): a single one is proven against it.
    count : number of readings; numbers may be missing between the first and the last.
    subjects : number of different pseudonyms among them.
    first_ms, last_ms : earliest and latest time of measurement.
    schema, schema_digest : id and SHA-256 of the schema the manager checked them against.
    size_bytes : of the batch before compression.
    manager : who checked, stored and anchored it.
    anchored_ms : when.
    """

    dataset_id: Id
    device: Id
    first_sequence: Count
    last_sequence: Count
    content_hash: Digest
    root: Digest
    count: Positive
    subjects: Positive
    first_ms: TimeMs
    last_ms: TimeMs
    schema: Id
    schema_digest: Digest
    size_bytes: Positive
    manager: Id
    anchored_ms: TimeMs


class Feed(Record, frozen=True, kw_only=True):
    """How far a device's readings have been anchored in a dataset.

    Attributes
    ----------
    dataset_id, device : whose readings, and where.
    last_sequence : number of the last reading anchored; the next batch begins after it.
    batches, readings : how many there are.
    anchored_ms : when the last batch was anchored.
    """

    dataset_id: Id
    device: Id
    last_sequence: Count
    batches: Count
    readings: Count
    anchored_ms: TimeMs


class AnchorBatch(Message, frozen=True, kw_only=True):
    """Anchor a batch. See `Anchor` for the fields."""

    dataset_id: Id
    device: Id
    first_sequence: Count
    last_sequence: Count
    content_hash: Digest
    root: Digest
    count: Positive
    subjects: Positive
    first_ms: TimeMs
    last_ms: TimeMs
    schema: Id
    schema_digest: Digest
    size_bytes: Positive


class OneAnchor(Message, frozen=True, kw_only=True):
    """Name one batch, by its first reading."""

    dataset_id: Id
    device: Id
    first_sequence: Count


class AnchorsOf(Message, frozen=True, kw_only=True):
    """Ask for a page of a device's anchors in a dataset, in order; after the batch that begins at `after`."""

    dataset_id: Id
    device: Id
    after: Count | None = None
    limit: Limit = 100


class FeedsOf(Message, frozen=True, kw_only=True):
    """Ask for a page of a dataset's feeds, in order of device, after the device `after`."""

    dataset_id: Id
    after: Id | None = None
    limit: Limit = 100


class OneFeed(Message, frozen=True, kw_only=True):
    """Name one device's feed of a dataset."""

    dataset_id: Id
    device: Id


class AnchorPage(Result, frozen=True, kw_only=True):
    """Some anchors of one device, in order of its readings."""

    anchors: list[Anchor]


class FeedPage(Result, frozen=True, kw_only=True):
    """Some feeds of one dataset, in order of device."""

    feeds: list[Feed]


class BatchAnchored(Event, frozen=True, kw_only=True):
    """A batch can be proven from now on."""

    dataset_id: str
    device: str
    owner: Mspid
    first_sequence: int
    last_sequence: int
    content_hash: str


ANCHORS = Map("telemetry.anchor", Anchor, key=("dataset_id", "device", "first_sequence"))
FEEDS = Map("telemetry.feed", Feed, key=("dataset_id", "device"))

ALREADY_ANCHORED = code(
    200, "ALREADY_ANCHORED", Kind.CONFLICT, "the batch is anchored; nothing is left to do"
)
READINGS_OVERLAP = code(
    201, "READINGS_OVERLAP", Kind.CONFLICT, "readings up to last_sequence are anchored; send those after it"
)
IMPLAUSIBLE_BATCH = code(
    202, "IMPLAUSIBLE_BATCH", Kind.INVALID_ARGUMENT, "the batch's numbers contradict each other or the clock"
)


@contract.transaction
def anchor(ctx: Context, message: AnchorBatch) -> Anchor:
    """Anchor a batch; the caller is a manager of the organisation that owns dataset and device.

    Raises
    ------
    Rejected
        NOT_A_MEMBER, ROLE_REQUIRED (managers), RECORD_NOT_FOUND, DATASET_WITHDRAWN, NOT_THE_OWNER,
        DEVICE_NOT_ACTIVE, IMPLAUSIBLE_BATCH; READINGS_OVERLAP with the number after which the device
        goes on; ALREADY_ANCHORED for the same batch again, which a manager takes as success.
    """
    require_member(ctx)
    ctx.caller.require_role("manager")
    owner = dataset(ctx, message.dataset_id).owner
    ctx.caller.require_organisation(owner)
    device = require_active_device(ctx, message.device)
    if device.mspid != owner:
        raise Rejected(NOT_THE_OWNER, caller=device.id, owner=owner)
    _require_plausible(ctx, message)
    known = FEEDS.get(ctx.state, message.dataset_id, message.device)
    if known is not None:
        _require_next(ctx, known, message)
    FEEDS.save(ctx.state, _continued(ctx, known, message))
    ctx.emit(
        BatchAnchored(
            dataset_id=message.dataset_id,
            device=device.id,
            owner=owner,
            first_sequence=message.first_sequence,
            last_sequence=message.last_sequence,
            content_hash=message.content_hash,
        )
    )
    fields = msgspec.structs.asdict(message)
    return ANCHORS.create(ctx.state, Anchor(**fields, manager=ctx.caller.id, anchored_ms=ctx.time_ms))


@contract.query
def find_anchor(ctx: Context, message: OneAnchor) -> Anchor:
    """Return one batch's anchor."""
    return ANCHORS.load(ctx.state, message.dataset_id, message.device, message.first_sequence)


@contract.query
def anchors(ctx: Context, message: AnchorsOf) -> AnchorPage:
    """Return a page of a device's anchors."""
    found = ANCHORS.scan(ctx.state, message.dataset_id, message.device, after=message.after)
    return AnchorPage(anchors=list(islice(found, message.limit)))


@contract.query
def feed(ctx: Context, message: OneFeed) -> Feed:
    """Return how far a device's readings are anchored: where it goes on after a failure."""
    return FEEDS.load(ctx.state, message.dataset_id, message.device)


@contract.query
def feeds(ctx: Context, message: FeedsOf) -> FeedPage:
    """Return a page of a dataset's feeds."""
    found = FEEDS.scan(ctx.state, message.dataset_id, after=message.after)
    return FeedPage(feeds=list(islice(found, message.limit)))


def _require_plausible(ctx: Context, message: AnchorBatch) -> None:
    numbers = message.last_sequence - message.first_sequence + 1
    if not (
        message.subjects <= message.count <= numbers
        and message.first_ms <= message.last_ms <= ctx.time_ms + CLOCK_ERROR_MS
    ):
        raise Rejected(
            IMPLAUSIBLE_BATCH,
            count=message.count,
            subjects=message.subjects,
            numbers=numbers,
            first_ms=message.first_ms,
            last_ms=message.last_ms,
            time_ms=ctx.time_ms,
        )


def _require_next(ctx: Context, known: Feed, message: AnchorBatch) -> None:
    if message.first_sequence > known.last_sequence:
        return
    same = ANCHORS.get(ctx.state, message.dataset_id, message.device, message.first_sequence)
    if same is not None and same.content_hash == message.content_hash:
        raise Rejected(ALREADY_ANCHORED, device=message.device, content_hash=message.content_hash)
    raise Rejected(READINGS_OVERLAP, device=message.device, last_sequence=known.last_sequence)


def _continued(ctx: Context, known: Feed | None, message: AnchorBatch) -> Feed:
    return Feed(
        dataset_id=message.dataset_id,
        device=message.device,
        last_sequence=message.last_sequence,
        batches=(known.batches if known else 0) + 1,
        readings=(known.readings if known else 0) + message.count,
        anchored_ms=ctx.time_ms,
    )
