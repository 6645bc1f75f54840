"""Profiles of datasets: what is published, changed, withdrawn and found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaincode.conftest import Stage

from fedpact_chaincode.caller import caller_of
from fedpact_chaincode.contracts.catalog import (
    Dataset,
    DatasetsAfter,
    DatasetStatus,
    Field,
    Form,
    OneDataset,
    Publish,
    Size,
    Term,
    Update,
    rows_at,
)
from fedpact_chaincode.contracts.catalog.records import (
    DATASET_WITHDRAWN,
    DATASETS,
    EMPTY_RANGE,
    FOREIGN_CUSTODIAN,
    LISTINGS,
    MAX_FIELDS,
    MAX_SIZES,
    MAX_TERMS,
    NOT_YET_PUBLISHED,
    NOTHING_CHANGED,
    REPEATED_ENTRY,
    TOO_MANY_SIZES,
)
from fedpact_chaincode.contracts.registry import NodeKind, RegisterNode
from fedpact_chaincode.contracts.registry.records import NODE_NOT_REGISTERED, NOT_A_MEMBER
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    NOT_THE_OWNER,
    RECORD_EXISTS,
    RECORD_NOT_FOUND,
    ROLE_REQUIRED,
    TIME_RUNS_BACKWARDS,
)
from fedpact_chaincode.testing import refused

NODE = "AlphaMSP/node"
ID = "AlphaMSP/patients"
PRESSURE = Field(name="blood_pressure", unit="mmHg", low_milli=20_000, high_milli=250_000)


def term(byte: str, weight: int = 100) -> Term:
    return Term(hash=byte * 64, weight=weight)


def register_nodes(stage: Stage, *nodes: str) -> None:
    for node in nodes:
        stage.do(node, "registry:register_node", RegisterNode(kind=NodeKind.PROVIDER))


def publish(stage: Stage, who: str = NODE, **changes: Any) -> Dataset:
    terms = {"name": "patients", "category": "diabetes", "form": Form.TABULAR, "rows": 442}
    return stage.do(who, "catalog:publish", Publish(**{**terms, **changes}))


@pytest.fixture
def published(stage: Stage) -> Stage:
    register_nodes(stage, NODE)
    publish(stage, fields=(PRESSURE,), terms=(term("b"), term("a")))
    return stage


class TestPublishing:
    def test_a_profile_holds_what_is_needed_to_find_the_data(self, published: Stage) -> None:
        dataset = published.ask("catalog:get", OneDataset(id=ID))
        assert (dataset.owner, dataset.custodian, dataset.category) == ("AlphaMSP", NODE, "diabetes")
        assert dataset.public_key == caller_of(published.creator(NODE)).public_key
        assert dataset.fields == (PRESSURE,)
        assert dataset.terms == (term("a"), term("b")), "in order of hash, whatever the order of the message"
        assert (dataset.rows, dataset.revision, dataset.status) == (442, 1, DatasetStatus.PUBLISHED)
        assert published.ledger.events[-1].name == "DatasetPublished"

    def test_an_organisation_may_name_another_of_its_nodes(self, stage: Stage) -> None:
        register_nodes(stage, NODE, "BetaMSP/node")
        assert publish(stage, "AlphaMSP/admin", custodian=NODE).custodian == NODE
        with refused(FOREIGN_CUSTODIAN, custodian="BetaMSP/node", owner="AlphaMSP"):
            publish(stage, "AlphaMSP/admin", name="more", custodian="BetaMSP/node")
        with refused(NODE_NOT_REGISTERED, node="AlphaMSP/admin"):
            publish(stage, "AlphaMSP/admin", name="more")

    def test_who_may_publish(self, published: Stage) -> None:
        with refused(ROLE_REQUIRED, required=["admin", "member"]):
            publish(published, "AlphaMSP/validator", custodian=NODE)
        with refused(NOT_A_MEMBER):
            publish(published, "OmegaMSP/node")
        with refused(RECORD_EXISTS):
            publish(published)

    @pytest.mark.parametrize(
        "changes",
        [
            {"name": ""},
            {"name": "a/b"},
            {"category": "a/b"},
            {"rows": 0},
            {"rows": 10**12 + 1},
            {"form": "audio"},
            {"terms": (Term(hash="a" * 63, weight=1),)},
            {"terms": (term("a", 0),)},
            {"terms": (term("a", 65_536),)},
            {"terms": tuple(term("a") for _ in range(MAX_TERMS + 1))},
            {"fields": tuple(PRESSURE for _ in range(MAX_FIELDS + 1))},
            {"description": "x" * 1025},
        ],
        ids=str,
    )
    def test_bounds(self, stage: Stage, changes: dict[str, Any]) -> None:
        register_nodes(stage, NODE)
        with refused(MALFORMED_MESSAGE):
            publish(stage, **changes)

    def test_fields_and_terms_occur_once_and_ranges_hold_something(self, stage: Stage) -> None:
        register_nodes(stage, NODE)
        with refused(REPEATED_ENTRY, entry="a" * 64):
            publish(stage, terms=(term("b"), term("a", 1), term("a", 2)))
        with refused(REPEATED_ENTRY, entry="blood_pressure"):
            publish(stage, fields=(PRESSURE, PRESSURE))
        for low, high in [(2, 1), (None, 1), (1, None)]:
            with refused(EMPTY_RANGE, field="f", low_milli=low, high_milli=high):
                publish(stage, fields=(Field(name="f", low_milli=low, high_milli=high),))
        single = Field(name="f", unit="1", low_milli=0, high_milli=0)
        assert publish(stage, fields=(single, Field(name="g"))).fields[0] == single


class TestChanging:
    def test_terms_and_size_change_and_the_rest_stays(self, published: Stage) -> None:
        first = published.read(DATASETS, ID)
        second = published.do(NODE, "catalog:update", Update(id=ID, rows=500))
        third = published.do("AlphaMSP/admin", "catalog:update", Update(id=ID, terms=(term("c"),)))
        assert (second.rows, second.revision, second.terms) == (500, 2, first.terms)
        assert (third.rows, third.revision, third.terms) == (500, 3, (term("c"),))
        assert third.published_ms == first.published_ms < third.changed_ms
        assert [size.rows for size in third.sizes] == [442, 500]
        assert published.ledger.events[-1].name == "DatasetChanged"

    def test_who_may_change_and_withdraw(self, published: Stage) -> None:
        for function, message in (("update", Update(id=ID, rows=1)), ("withdraw", OneDataset(id=ID))):
            with refused(NOT_THE_OWNER, owner="AlphaMSP"):
                published.do("BetaMSP/node", f"catalog:{function}", message)
            with refused(ROLE_REQUIRED):
                published.do("AlphaMSP/validator", f"catalog:{function}", message)
        with refused(RECORD_NOT_FOUND):
            published.do(NODE, "catalog:update", Update(id="AlphaMSP/none", rows=1))

    def test_an_update_changes_something(self, published: Stage) -> None:
        known = published.read(DATASETS, ID)
        for message in (Update(id=ID), Update(id=ID, rows=442), Update(id=ID, rows=442, terms=known.terms)):
            with refused(NOTHING_CHANGED, dataset=ID):
                published.do(NODE, "catalog:update", message)
        with refused(REPEATED_ENTRY):
            published.do(NODE, "catalog:update", Update(id=ID, terms=(term("a"), term("a"))))

    def test_time_does_not_run_backwards(self, published: Stage) -> None:
        published.do(NODE, "catalog:update", Update(id=ID, rows=500))
        published.ledger.time_ms -= 10
        for function, message in (("update", Update(id=ID, rows=600)), ("withdraw", OneDataset(id=ID))):
            with refused(TIME_RUNS_BACKWARDS):
                published.do(NODE, f"catalog:{function}", message)

    def test_sizes_are_bounded(self, published: Stage) -> None:
        for rows in range(1, MAX_SIZES):
            published.do(NODE, "catalog:update", Update(id=ID, rows=rows))
        with refused(TOO_MANY_SIZES, limit=MAX_SIZES):
            published.do(NODE, "catalog:update", Update(id=ID, rows=10_000))
        assert published.do(NODE, "catalog:update", Update(id=ID, terms=())).rows == MAX_SIZES - 1

    def test_a_withdrawn_dataset_is_of_no_use_but_stays_on_record(self, published: Stage) -> None:
        withdrawn = published.do(NODE, "catalog:withdraw", OneDataset(id=ID))
        assert (withdrawn.status, withdrawn.revision) == (DatasetStatus.WITHDRAWN, 2)
        assert published.ask("catalog:get", OneDataset(id=ID)) == withdrawn
        for function, message in (("update", Update(id=ID, rows=1)), ("withdraw", OneDataset(id=ID))):
            with refused(DATASET_WITHDRAWN, dataset=ID):
                published.do(NODE, f"catalog:{function}", message)
        with refused(RECORD_EXISTS):
            publish(published)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=6),
    time_ms=st.integers(-3, 30),
)
def test_rows_at_a_time_are_those_registered_by_then(sizes: list[tuple[int, int]], time_ms: int) -> None:
    """Against a table of every millisecond; of two changes in one millisecond the later counts."""
    known, at = [], 0
    for pause, rows in sizes:
        at += pause
        known.append(Size(since_ms=at, rows=rows))
    table = {ms: next((s.rows for s in known[::-1] if s.since_ms <= ms), None) for ms in range(-3, 31)}
    dataset = msgspec.structs.replace(BARE, sizes=tuple(known), published_ms=known[0].since_ms)
    if table[time_ms] is None:
        with refused(NOT_YET_PUBLISHED, published_ms=known[0].since_ms, time_ms=time_ms):
            rows_at(dataset, time_ms)
    else:
        assert rows_at(dataset, time_ms) == table[time_ms]
    assert dataset.rows == sizes[-1][1]


BARE = Dataset(
    id=ID,
    owner="AlphaMSP",
    custodian=NODE,
    public_key="04" + "00" * 64,
    category="diabetes",
    form=Form.TABULAR,
    fields=(),
    terms=(),
    description="",
    sizes=(Size(since_ms=0, rows=1),),
    published_ms=0,
    changed_ms=0,
    revision=1,
    status=DatasetStatus.PUBLISHED,
)


def test_pages_of_all_and_of_one_category(stage: Stage) -> None:
    register_nodes(stage, NODE, "BetaMSP/node")
    for who in (NODE, "BetaMSP/node"):
        for number in range(5):
            publish(stage, who, name=f"d{number}", category=("diabetes", "digits", "digit")[number % 3])

    def every(category: str | None, limit: int) -> list[str]:
        found: list[str] = []
        while True:
            message = DatasetsAfter(category=category, after=found[-1] if found else None, limit=limit)
            page = stage.ask("catalog:page", message).datasets
            assert len(page) <= limit
            found += [dataset.id for dataset in page]
            if len(page) < limit:
                return found

    ids = [f"{mspid}/d{number}" for mspid in ("AlphaMSP", "BetaMSP") for number in range(5)]
    assert every(None, 3) == every(None, 1000) == ids
    assert every("digits", 1) == every("digits", 2) == [i for i in ids if i[-1] in "14"]
    assert every("digit", 2) == [i for i in ids if i[-1] == "2"]
    assert every("nothing", 2) == []
    assert stage.read(LISTINGS, "digits", "AlphaMSP/d1").dataset == "AlphaMSP/d1"


@pytest.mark.parametrize("limit", [0, 1001])
def test_pages_are_bounded(stage: Stage, limit: int) -> None:
    with refused(MALFORMED_MESSAGE):
        stage.ask("catalog:page", DatasetsAfter(limit=limit))
