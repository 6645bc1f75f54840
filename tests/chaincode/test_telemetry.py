"""Anchors: who may anchor what, once, in order, and nothing implausible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaincode.conftest import People, Stage

from fedpact_chaincode.contracts.catalog import Form, OneDataset, Publish
from fedpact_chaincode.contracts.catalog.records import DATASET_WITHDRAWN
from fedpact_chaincode.contracts.registry import (
    CastVote,
    NodeKind,
    OneDevice,
    Propose,
    RegisterDevice,
    RegisterNode,
)
from fedpact_chaincode.contracts.registry.records import DEVICE_NOT_ACTIVE, NOT_A_MEMBER
from fedpact_chaincode.contracts.telemetry import (
    ALREADY_ANCHORED,
    ANCHORS,
    CLOCK_ERROR_MS,
    FEEDS,
    IMPLAUSIBLE_BATCH,
    READINGS_OVERLAP,
    Anchor,
    AnchorBatch,
    AnchorsOf,
    FeedsOf,
    OneAnchor,
    OneFeed,
)
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    NOT_THE_OWNER,
    RECORD_NOT_FOUND,
    ROLE_REQUIRED,
)
from fedpact_chaincode.testing import refused

DATASET = "AlphaMSP/patients"
DEVICE = "AlphaMSP/monitor"
MANAGER = "AlphaMSP/manager"


def activate(stage: Stage, device: str) -> None:
    mspid, _, name = device.partition("/")
    message = RegisterDevice(name=name, public_key="04" + "ab" * 64)
    stage.do(f"{mspid}/nurse", "registry:register_device", message)
    proposed = Propose(name=name, kind="activate_device", subject=device)
    motion = stage.do(f"{mspid}/admin", "registry:propose", proposed)
    for voter in Stage.ORGANISATIONS[:3]:
        stage.do(f"{voter}/validator", "registry:vote", CastVote(motion=motion.id, approve=True))


def prepare(stage: Stage) -> Stage:
    for mspid in ("AlphaMSP", "BetaMSP"):
        stage.do(f"{mspid}/node", "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))
        message = Publish(name="patients", category="diabetes", form=Form.TABULAR, rows=10)
        stage.do(f"{mspid}/node", "catalog:publish", message)
        activate(stage, f"{mspid}/monitor")
    return stage


@pytest.fixture
def ward(stage: Stage) -> Stage:
    """Two hospitals with a dataset and an active device each."""
    return prepare(stage)


def batch(first: int = 1, last: int = 10, content: str = "c", **changes: Any) -> AnchorBatch:
    fields: dict[str, Any] = {
        "dataset_id": DATASET,
        "device": DEVICE,
        "first_sequence": first,
        "last_sequence": last,
        "content_hash": content * 64,
        "root": "d" * 64,
        "count": last - first + 1,
        "subjects": 1,
        "first_ms": 1_600_000_000_000,
        "last_ms": 1_600_000_000_900,
        "schema": "vitals/1",
        "schema_digest": "e" * 64,
        "size_bytes": 1_000,
    }
    return AnchorBatch(**{**fields, **changes})


def anchor(stage: Stage, message: AnchorBatch, who: str = MANAGER) -> Anchor:
    return stage.do(who, "telemetry:anchor", message)


def test_an_anchor_says_all_that_proves_a_batch(ward: Stage) -> None:
    anchored = anchor(ward, batch(subjects=3))
    assert (anchored.manager, anchored.anchored_ms) == (MANAGER, ward.ledger.time_ms - 1)
    name = OneAnchor(dataset_id=DATASET, device=DEVICE, first_sequence=1)
    assert ward.ask("telemetry:find_anchor", name) == anchored
    assert ward.ledger.events[-1].name == "BatchAnchored"
    feed = ward.ask("telemetry:feed", OneFeed(dataset_id=DATASET, device=DEVICE))
    assert (feed.last_sequence, feed.batches, feed.readings) == (10, 1, 10)


def test_a_batch_is_anchored_once_whoever_sends_it_again(ward: Stage) -> None:
    anchor(ward, batch())
    before = dict(ward.ledger.state)
    with refused(ALREADY_ANCHORED, content_hash="c" * 64):
        anchor(ward, batch())
    anchor(ward, batch(11, 20, "f"))
    with refused(ALREADY_ANCHORED):
        anchor(ward, batch())
    assert set(ward.ledger.state) - set(before) == {ANCHORS.key_of(DATASET, DEVICE, 11)}


def test_readings_that_are_anchored_are_not_anchored_in_another_batch(ward: Stage) -> None:
    anchor(ward, batch())
    for first, last in [(1, 10), (5, 15), (10, 11), (0, 0), (1, 20)]:
        with refused(READINGS_OVERLAP, last_sequence=10):
            anchor(ward, batch(first, last, "f"))
    anchor(ward, batch(15, 20, "f"))
    with refused(READINGS_OVERLAP, last_sequence=20):
        anchor(ward, batch(11, 14, "a"))


def test_a_device_feeds_each_dataset_on_its_own(ward: Stage) -> None:
    message = Publish(name="more", category="diabetes", form=Form.TABULAR, rows=10)
    ward.do("AlphaMSP/node", "catalog:publish", message)
    anchor(ward, batch())
    anchor(ward, batch(dataset_id="AlphaMSP/more"))
    feeds = ward.ask("telemetry:feeds", FeedsOf(dataset_id=DATASET)).feeds
    assert [(feed.dataset_id, feed.device) for feed in feeds] == [(DATASET, DEVICE)]


def test_who_may_anchor(ward: Stage) -> None:
    with refused(ROLE_REQUIRED, required=["manager"]):
        anchor(ward, batch(), "AlphaMSP/nurse")
    with refused(NOT_THE_OWNER, caller="BetaMSP/manager", owner="AlphaMSP"):
        anchor(ward, batch(), "BetaMSP/manager")
    with refused(NOT_A_MEMBER):
        anchor(ward, batch(), "OmegaMSP/manager")
    with refused(NOT_THE_OWNER, caller="BetaMSP/monitor", owner="AlphaMSP"):
        anchor(ward, batch(device="BetaMSP/monitor"))
    with refused(RECORD_NOT_FOUND, key=["AlphaMSP/none"]):
        anchor(ward, batch(dataset_id="AlphaMSP/none"))
    with refused(RECORD_NOT_FOUND, key=["AlphaMSP/unknown"]):
        anchor(ward, batch(device="AlphaMSP/unknown"))


def test_only_active_devices_and_published_datasets(ward: Stage) -> None:
    anchor(ward, batch())
    ward.do("AlphaMSP/admin", "registry:suspend_device", OneDevice(id=DEVICE))
    with refused(DEVICE_NOT_ACTIVE, status="suspended"):
        anchor(ward, batch(11, 20))
    ward.do("AlphaMSP/node", "catalog:withdraw", OneDataset(id=DATASET))
    with refused(DATASET_WITHDRAWN):
        anchor(ward, batch(11, 20))


@pytest.mark.parametrize(
    "changes",
    [
        {"last_sequence": 0},
        {"count": 11},
        {"subjects": 11},
        {"first_ms": 1_600_000_000_901},
        {"last_ms": 1_800_000_000_000},
    ],
    ids=str,
)
def test_implausible_batches(ward: Stage, changes: dict[str, int]) -> None:
    with refused(IMPLAUSIBLE_BATCH):
        anchor(ward, batch(**changes))


def test_a_devices_clock_may_be_a_little_ahead(ward: Stage) -> None:
    ahead = ward.ledger.time_ms + CLOCK_ERROR_MS
    with refused(IMPLAUSIBLE_BATCH, last_ms=ahead + 1):
        anchor(ward, batch(last_ms=ahead + 1))
    assert anchor(ward, batch(last_ms=ahead, count=1)).count == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0},
        {"subjects": 0},
        {"size_bytes": 0},
        {"root": "D" * 64},
        {"schema": ""},
        {"first_sequence": -1},
    ],
    ids=str,
)
def test_bounds(ward: Stage, changes: dict[str, Any]) -> None:
    with refused(MALFORMED_MESSAGE):
        anchor(ward, batch(**changes))


def test_pages_follow_the_readings(ward: Stage) -> None:
    activate(ward, "AlphaMSP/second")
    for number in range(5):
        anchor(ward, batch(number * 100, number * 100 + 9))
    anchor(ward, batch(device="AlphaMSP/second"))
    message = AnchorsOf(dataset_id=DATASET, device=DEVICE, after=100, limit=2)
    assert [a.first_sequence for a in ward.ask("telemetry:anchors", message).anchors] == [200, 300]
    feeds = ward.ask("telemetry:feeds", FeedsOf(dataset_id=DATASET, limit=1)).feeds
    assert [feed.device for feed in feeds] == [DEVICE]
    feeds = ward.ask("telemetry:feeds", FeedsOf(dataset_id=DATASET, after=DEVICE)).feeds
    assert [feed.device for feed in feeds] == ["AlphaMSP/second"]
    with refused(RECORD_NOT_FOUND):
        ward.ask("telemetry:feed", OneFeed(dataset_id=DATASET, device="AlphaMSP/none"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from("abc")), max_size=12))
def test_every_reading_is_anchored_at_most_once(people: People, sent: list[tuple[int, int, str]]) -> None:
    """Whatever is sent, in whatever order: no number is covered twice, and what is refused says why."""
    stage = prepare(Stage(people))
    covered: set[int] = set()
    batches: dict[int, str] = {}
    for first, count, content in sent:
        message = batch(first, first + count - 1, content)
        if first <= max(covered, default=-1):
            with refused(ALREADY_ANCHORED if batches.get(first) == content else READINGS_OVERLAP):
                anchor(stage, message)
            continue
        anchor(stage, message)
        covered |= set(range(first, first + count))
        batches[first] = content
    if covered:
        feed = stage.read(FEEDS, DATASET, DEVICE)
        assert (feed.last_sequence, feed.readings, feed.batches) == (max(covered), len(covered), len(batches))
