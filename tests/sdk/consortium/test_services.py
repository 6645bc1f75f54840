"""Devices, data, retrieval, sharing, credit, privacy and the audit, from sessions on a real ledger."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fedpact import Rejected, connect
from fedpact.records import Field, Form, Gaussian, Laplace
from fedpact.retrieval import DataRequest, TermHasher, fingerprint, table_profile
from fedpact.telemetry import Measurement, SubjectKey, open_batch, schema_of
from fedpact_chaincode.contracts.catalog import Dataset, Publish, Term

DAY_MS = 86_400_000
COLUMNS = {"age": "", "bmi": "kg/m2", "bp": "mmHg"}
PROFILE = table_profile(COLUMNS, "progression")
MONITOR = "AlphaMSP/monitor"


def publish(session, name: str = "patients", profile=PROFILE, rows: int = 40) -> Dataset:
    return session.data.publish(name, profile, category="diabetes", form=Form.TABULAR, rows=rows)


def code_of(caught) -> str:
    return caught.value.code.name


def test_a_profile_is_published_hashed_changed_and_withdrawn(stage) -> None:
    data = stage.node.data
    fields = [Field(name="age", unit="", low_milli=0, high_milli=120_000)]
    dataset = data.publish(
        "patients", PROFILE, category="diabetes", form=Form.TABULAR, rows=40, fields=fields
    )
    assert (dataset.id, dataset.owner, dataset.custodian) == (
        "AlphaMSP/patients",
        "AlphaMSP",
        "AlphaMSP/node",
    )
    assert (dataset.rows, dataset.fields) == (40, tuple(fields))
    hasher = TermHasher(stage.consortium.retrieval_key)
    assert {term.hash: term.weight for term in dataset.terms} == dict(hasher.profile(PROFILE))
    changed = data.update(dataset.id, rows=41, profile=table_profile({"age": ""}, "progression"))
    assert (changed.rows, changed.revision, len(changed.terms)) == (41, 2, 2)
    assert stage.researcher.data.get(dataset.id) == changed
    assert data.withdraw(dataset.id).status == "withdrawn"
    with pytest.raises(Rejected) as caught:
        data.update(dataset.id, rows=1)
    assert code_of(caught) == "DATASET_WITHDRAWN"


def test_every_page_of_the_catalogue_is_listed(stage) -> None:
    for number in range(103):
        publish(stage.node, f"set-{number:03}")
    publish(stage.session("BetaMSP/node"), "last")
    listed = [dataset.id for dataset in stage.researcher.data.list()]
    assert listed == [f"AlphaMSP/set-{number:03}" for number in range(103)] + ["BetaMSP/last"]
    assert len(list(stage.researcher.data.list(category="diabetes"))) == 104
    assert list(stage.researcher.data.list(category="heart")) == []


def test_terms_are_hashed_under_the_consortiums_key_or_not_at_all(stage) -> None:
    with (
        connect(stage.ledger, identity=stage.node.identity) as session,
        pytest.raises(ValueError, match="retrieval key"),
    ):
        publish(session)


def test_a_search_returns_the_most_similar_first(stage) -> None:
    publish(stage.node)
    publish(stage.session("BetaMSP/node"), "near", table_profile({"age": "", "bmi": "kg/m2"}, "progression"))
    publish(stage.session("BetaMSP/node"), "far", table_profile({"age": ""}, "mortality"))
    publish(stage.node, "unrelated", table_profile({"price": "EUR"}, "demand"))
    retrieval = stage.researcher.retrieval
    found = retrieval.search(PROFILE)
    assert [match.dataset_id for match in found] == ["AlphaMSP/patients", "BetaMSP/near", "BetaMSP/far"]
    assert found[0].similarity == 1
    assert len(retrieval.search(PROFILE, k=1)) == 1
    assert retrieval.search(PROFILE, category="heart") == []
    stage.node.data.withdraw("AlphaMSP/patients")
    assert [match.dataset_id for match in retrieval.search(PROFILE)] == ["BetaMSP/near", "BetaMSP/far"]


def test_a_profile_with_other_weights_is_left_out_of_searches_and_logged(
    stage, caplog: pytest.LogCaptureFixture
) -> None:
    publish(stage.node)
    terms = tuple(
        Term(hash=term, weight=1) for term, _ in TermHasher(stage.consortium.retrieval_key).profile(PROFILE)
    )
    light = Publish(name="light", category="diabetes", form=Form.TABULAR, rows=1, terms=terms)
    none = Publish(name="none", category="diabetes", form=Form.TABULAR, rows=1)
    for message in (light, none):
        stage.session("BetaMSP/node").submit("catalog:publish", message, Dataset)
    with caplog.at_level(logging.WARNING, "fedpact.consortium.retrieval"):
        found = stage.researcher.retrieval.search(PROFILE)
    assert [match.dataset_id for match in found] == ["AlphaMSP/patients"]
    assert ["BetaMSP/light" in record.getMessage() for record in caplog.records] == [True]


def test_readings_of_an_active_device_are_anchored_and_provable(stage) -> None:
    dataset = publish(stage.node)
    admin, manager = stage.session("AlphaMSP/admin"), stage.session("AlphaMSP/manager")
    monitor = admin.devices.register(stage.consortium.identity(MONITOR).certificate, description="bed 3")
    assert (monitor.id, monitor.status) == (MONITOR, "pending")
    stage.carry("monitor", "activate_device", MONITOR)
    key, now_ms = SubjectKey(b"s" * 32), manager.time_ms
    readings = [
        key.reading(Measurement(MONITOR, number, now_ms, f"p{number % 2}", "glucose", "mg/dL", 90 + number))
        for number in range(4)
    ]
    schema = schema_of(["glucose"])
    anchor, batch = manager.devices.anchor(dataset.id, readings, schema)
    assert (anchor.count, anchor.subjects, anchor.root) == (4, 2, batch.summary.root)
    assert open_batch(batch.payload, batch.summary, schema) == tuple(readings)
    assert list(stage.researcher.devices.anchors(dataset.id, MONITOR)) == [anchor]
    with pytest.raises(Rejected) as caught:
        manager.devices.anchor_batch(dataset.id, batch.summary)
    assert code_of(caught) == "ALREADY_ANCHORED"
    assert admin.devices.suspend(MONITOR).status == "suspended"
    assert stage.researcher.devices.get(MONITOR).status == "suspended"
    assert [device.id for device in admin.devices.list()] == [MONITOR]
    assert stage.researcher.devices.list() == []


def test_consent_covers_a_requester_and_a_purpose_until_it_is_taken_back(stage) -> None:
    dataset = publish(stage.node)
    sharing = stage.node.sharing
    expires_ms = stage.node.time_ms + DAY_MS
    granted = sharing.grant(dataset.id, "GammaMSP", "diabetes", expires_ms=expires_ms, conditions="cite us")
    assert stage.researcher.sharing.grants(dataset.id) == [granted]
    assert sharing.revoke(dataset.id, "GammaMSP", "diabetes").status == "revoked"
    with pytest.raises(Rejected) as caught:
        stage.session("BetaMSP/node").sharing.revoke(dataset.id, "GammaMSP", "diabetes")
    assert code_of(caught) == "NOT_THE_OWNER"


def test_a_request_is_recorded_with_its_outcome(stage) -> None:
    terms = stage.researcher.data.hashed(PROFILE)
    digest = fingerprint(DataRequest("diabetes", "regression", "progression", terms))
    asked = stage.researcher.sharing.request("r1", digest, "diabetes", max_age_ms=DAY_MS)
    assert (asked.id, asked.outcome, asked.hits, asked.misses) == ("GammaMSP/r1", "unknown", 0, 1)
    assert stage.node.sharing.find_request(asked.id) == asked
    assert stage.node.sharing.cached(digest) == []
    with pytest.raises(Rejected) as caught:
        stage.node.sharing.delivery(asked.id)
    assert code_of(caught) == "RECORD_NOT_FOUND"


def test_credit_is_issued_paid_and_conserved(stage) -> None:
    stage.carry("funds", "issue_credit", "AlphaMSP/node", amount=1_000)
    assert stage.node.credit.transfer("BetaMSP/node", 300, reference="thanks").balance == 700
    admin = stage.session("AlphaMSP/admin")
    assert admin.credit.transfer("AlphaMSP", 100, source="AlphaMSP/node").id == "AlphaMSP/node"
    assert stage.session("BetaMSP/node").credit.account().balance == 300
    entries = stage.researcher.credit.entries("AlphaMSP/node")
    assert [entry.amount for entry in entries] == [1_000, -300, -100]
    assert stage.researcher.credit.entries("AlphaMSP/node", start=2) == entries[2:]
    assert stage.researcher.credit.supply().issued == 1_000
    checked = stage.researcher.credit.conservation()
    assert (checked.issued, checked.held, checked.conserved) == (1_000, 1_000, True)


def test_a_budget_of_privacy_is_granted_forecast_and_amended(stage) -> None:
    dataset = publish(stage.node)
    privacy = stage.node.privacy
    granted = privacy.grant(dataset.id, "GammaMSP", epsilon=1.5, delta=1e-6)
    assert (granted.epsilon_nano, granted.delta_pico) == (1_500_000_000, 1_000_000)
    state = stage.researcher.privacy.budget(dataset.id, "GammaMSP")
    assert (state.spent_nano, state.remaining_nano) == (0, 1_500_000_000)
    asks = stage.researcher.privacy.would_fit
    assert asks(dataset.id, "GammaMSP", [Laplace(epsilon_nano=10**9)]).fits
    assert not asks(dataset.id, "GammaMSP", [Laplace(epsilon_nano=10**9, count=2)]).fits
    assert asks(dataset.id, "GammaMSP", [Gaussian(noise_multiplier_nano=20 * 10**9)]).fits
    assert privacy.amend(dataset.id, "GammaMSP", epsilon=3, delta=1e-6).epsilon_nano == 3 * 10**9
    assert asks(dataset.id, "GammaMSP", [Laplace(epsilon_nano=10**9, count=2)]).fits
    assert privacy.charges(dataset.id, "GammaMSP") == []


def test_the_audit_from_a_session_checks_everything(stage) -> None:
    publish(stage.node)
    seen: list[tuple[int, int]] = []
    report = stage.researcher.audit.run(progress=lambda done, total: seen.append((done, total)))
    assert report.ok, report.findings
    assert seen[-1] == (report.height, report.height)
    assert report.state_hash == stage.ledger.state_hash()


def test_a_model_is_shared_through_the_sessions_stores(stage) -> None:
    reader = stage.researcher
    assert stage.node.models is not None
    assert reader.models is not None
    stored = stage.node.models.put({"w": np.arange(4.0)}, recipients=[reader.identity.certificate_pem])
    assert reader.models.get(stored.hash, owner="AlphaMSP/node")["w"].tolist() == [0, 1, 2, 3]
