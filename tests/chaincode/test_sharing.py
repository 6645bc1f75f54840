"""Grants, requests, the cache of models, deliveries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.chaincode.conftest import Stage

from fedpact_chaincode.caller import caller_of
from fedpact_chaincode.chaincode import Chaincode
from fedpact_chaincode.contract import Context, Contract, Message
from fedpact_chaincode.contracts.catalog import OneDataset
from fedpact_chaincode.contracts.catalog.records import DATASET_WITHDRAWN
from fedpact_chaincode.contracts.registry.records import NOT_A_MEMBER, UNKNOWN_ORGANISATION
from fedpact_chaincode.contracts.sharing import (
    AskForModel,
    CachedModel,
    Deliver,
    Delivery,
    Grant,
    GrantAccess,
    GrantsOf,
    GrantStatus,
    OneFingerprint,
    OneGrant,
    OneRequest,
    Outcome,
    Request,
    RequestsAfter,
    remember,
    require_grant,
)
from fedpact_chaincode.contracts.sharing.records import (
    CACHE,
    DELIVERED_ALREADY,
    EXPIRY_PASSED,
    GRANT_EXPIRED,
    GRANT_REVOKED,
    GRANTS,
    NOT_GRANTED,
    NOT_THE_ANSWER,
    NOT_THE_HOLDER,
)
from fedpact_chaincode.errors import (
    MALFORMED_MESSAGE,
    NOT_THE_OWNER,
    RECORD_EXISTS,
    RECORD_NOT_FOUND,
    ROLE_REQUIRED,
    TIME_RUNS_BACKWARDS,
)
from fedpact_chaincode.testing import refused

FINGERPRINT = "f" * 64
HOUR = 3_600_000
NEVER = 10**13
ALPHA, BETA = "AlphaMSP/node-data", "BetaMSP/node-data"
CATEGORY = Stage.CATEGORY

completing = Contract("completing", "Lets tests call what other contracts call")


class Completed(Message, frozen=True, kw_only=True):
    fingerprint: str
    requester: str
    category: str
    task_id: str
    model: str
    location: str
    datasets: list[str]
    quality_nano: int


class Required(Message, frozen=True, kw_only=True):
    dataset_id: str
    requester: str
    purpose: str


@completing.transaction
def complete(ctx: Context, message: Completed) -> CachedModel:
    fields = msgspec.structs.asdict(message)
    return remember(ctx, fields.pop("fingerprint"), **fields)


@completing.query
def require(ctx: Context, message: Required) -> None:
    require_grant(ctx, message.dataset_id, message.requester, message.purpose)


@pytest.fixture
def market(stage: Stage) -> Stage:
    """Alpha and Beta have a dataset each, granted to Gamma; a task of Gamma's was trained on both."""
    stage.ledger.chaincode = Chaincode([*stage.ledger.chaincode.contracts.values(), completing])
    for mspid in ("AlphaMSP", "BetaMSP"):
        stage.provider(f"{mspid}/node", credit=0, requester="GammaMSP")
    finish(stage, "task-1")
    return stage


def finish(stage: Stage, task_id: str, **changes: Any) -> CachedModel:
    fields = {
        "fingerprint": FINGERPRINT,
        "requester": "GammaMSP",
        "category": CATEGORY,
        "task_id": task_id,
        "model": "a" * 64,
        "location": "store://models",
        "datasets": [BETA, ALPHA, BETA],
        "quality_nano": 5,
    }
    return stage.do("AlphaMSP/node", "completing:complete", Completed(**{**fields, **changes}))


def grant(stage: Stage, dataset: str = ALPHA, requester: str = "DeltaMSP", **changes: Any) -> Grant:
    fields = {"purpose": CATEGORY, "expires_ms": NEVER, **changes}
    message = GrantAccess(dataset_id=dataset, requester=requester, **fields)
    return stage.do(f"{dataset.partition('/')[0]}/node", "sharing:grant", message)


def revoke(stage: Stage, dataset: str = ALPHA, requester: str = "GammaMSP") -> Grant:
    message = OneGrant(dataset_id=dataset, requester=requester, purpose=CATEGORY)
    return stage.do(f"{dataset.partition('/')[0]}/node", "sharing:revoke", message)


def ask(stage: Stage, name: str, who: str = "GammaMSP/researcher", **changes: Any) -> Request:
    fields = {"fingerprint": FINGERPRINT, "category": CATEGORY, "max_age_ms": HOUR, **changes}
    return stage.do(who, "sharing:request", AskForModel(name=name, **fields))


def deliver(stage: Stage, request_id: str, task_id: str = "task-1", who: str = "AlphaMSP/node") -> Delivery:
    return stage.do(who, "sharing:deliver", Deliver(request_id=request_id, task_id=task_id, note="wrapped"))


class TestGrants:
    def test_the_owner_grants_and_takes_back(self, market: Stage) -> None:
        granted = grant(market, conditions="no re-identification")
        assert (granted.status, granted.granted_by) == (GrantStatus.ACTIVE, "AlphaMSP/node")
        name = OneGrant(dataset_id=ALPHA, requester="DeltaMSP", purpose=CATEGORY)
        assert market.ask("sharing:find_grant", name) == granted
        needed = Required(dataset_id=ALPHA, requester="DeltaMSP", purpose=CATEGORY)
        market.ask("completing:require", needed)
        revoked = revoke(market, ALPHA, "DeltaMSP")
        assert (revoked.status, revoked.changed_ms > granted.changed_ms) == (GrantStatus.REVOKED, True)
        with refused(GRANT_REVOKED, dataset_id=ALPHA, requester="DeltaMSP", purpose=CATEGORY):
            market.ask("completing:require", needed)
        with refused(GRANT_REVOKED):
            revoke(market, ALPHA, "DeltaMSP")
        assert grant(market).status is GrantStatus.ACTIVE
        market.ask("completing:require", needed)

    def test_a_grant_covers_one_dataset_one_requester_one_purpose(self, market: Stage) -> None:
        grant(market)
        for dataset, requester, purpose in [
            (BETA, "DeltaMSP", CATEGORY),
            (ALPHA, "BetaMSP", CATEGORY),
            (ALPHA, "DeltaMSP", "marketing"),
        ]:
            with refused(NOT_GRANTED, dataset_id=dataset, requester=requester, purpose=purpose):
                market.ask(
                    "completing:require", Required(dataset_id=dataset, requester=requester, purpose=purpose)
                )

    def test_an_owner_needs_no_grant(self, market: Stage) -> None:
        market.ask("completing:require", Required(dataset_id=ALPHA, requester="AlphaMSP", purpose=CATEGORY))

    def test_it_covers_the_time_before_its_expiry(self, market: Stage) -> None:
        expires = market.ledger.time_ms + 100
        grant(market, expires_ms=expires)
        needed = Required(dataset_id=ALPHA, requester="DeltaMSP", purpose=CATEGORY)
        market.ledger.time_ms = expires - 1
        market.ask("completing:require", needed)
        market.ledger.time_ms = expires
        with refused(GRANT_EXPIRED):
            market.ask("completing:require", needed)
        with refused(EXPIRY_PASSED, expires_ms=expires, time_ms=expires):
            grant(market, expires_ms=expires)
        grant(market, expires_ms=expires + 2)
        market.ask("completing:require", needed)

    def test_who_may_grant_what_to_whom(self, market: Stage) -> None:
        message = GrantAccess(dataset_id=ALPHA, requester="DeltaMSP", purpose=CATEGORY, expires_ms=NEVER)
        with refused(NOT_THE_OWNER, owner="AlphaMSP"):
            market.do("DeltaMSP/node", "sharing:grant", message)
        with refused(ROLE_REQUIRED, required=["admin", "member"]):
            market.do("AlphaMSP/validator", "sharing:grant", message)
        with refused(UNKNOWN_ORGANISATION, mspid="OmegaMSP"):
            grant(market, requester="OmegaMSP")
        with refused(RECORD_NOT_FOUND):
            grant(market, dataset="AlphaMSP/none")
        with refused(RECORD_NOT_FOUND):
            revoke(market, requester="DeltaMSP")
        taken = OneGrant(dataset_id=ALPHA, requester="GammaMSP", purpose=CATEGORY)
        with refused(NOT_THE_OWNER, owner="AlphaMSP"):
            market.do("GammaMSP/node", "sharing:revoke", taken)

    def test_a_withdrawn_dataset_grants_nothing_but_can_be_revoked(self, market: Stage) -> None:
        market.do("AlphaMSP/node", "catalog:withdraw", OneDataset(id=ALPHA))
        with refused(DATASET_WITHDRAWN):
            market.ask(
                "completing:require", Required(dataset_id=ALPHA, requester="GammaMSP", purpose=CATEGORY)
            )
        with refused(DATASET_WITHDRAWN):
            grant(market)
        assert revoke(market).status is GrantStatus.REVOKED

    def test_time_does_not_run_backwards(self, market: Stage) -> None:
        grant(market)
        market.ledger.time_ms -= 10
        with refused(TIME_RUNS_BACKWARDS):
            grant(market)
        with refused(TIME_RUNS_BACKWARDS):
            revoke(market, ALPHA, "DeltaMSP")

    def test_pages(self, market: Stage) -> None:
        for requester in ("BetaMSP", "DeltaMSP"):
            for purpose in ("a", "b", "c"):
                grant(market, requester=requester, purpose=purpose)
        found: list[tuple[str, str]] = []
        after: dict[str, str] = {}
        while page := market.ask("sharing:grants", GrantsOf(dataset_id=ALPHA, limit=2, **after)).grants:
            found += [(item.requester, item.purpose) for item in page]
            after = {"after_requester": found[-1][0], "after_purpose": found[-1][1]}
        assert found == [
            *(("BetaMSP", purpose) for purpose in "abc"),
            *(("DeltaMSP", purpose) for purpose in "abc"),
            ("GammaMSP", CATEGORY),
        ]
        rest = market.ask("sharing:grants", GrantsOf(dataset_id=ALPHA, after_requester="DeltaMSP")).grants
        assert [item.requester for item in rest] == ["GammaMSP"]


class TestRequests:
    def test_a_hit_returns_the_model_that_was_computed_before(self, market: Stage) -> None:
        asked = ask(market, "second")
        assert (asked.id, asked.outcome, asked.task_id) == ("GammaMSP/second", Outcome.HIT, "task-1")
        assert (asked.model, asked.location) == ("a" * 64, "store://models")
        assert (asked.hits, asked.misses) == (1, 0)
        assert asked.public_key == caller_of(market.creator("GammaMSP/researcher")).public_key
        assert market.ask("sharing:find_request", OneRequest(id=asked.id)) == asked
        assert market.ledger.events[-1].name == "Requested"

    def test_misses_say_why_and_are_counted(self, market: Stage) -> None:
        unknown = ask(market, "a", fingerprint="0" * 64)
        category = ask(market, "b", category="digits")
        too_old = ask(market, "c", max_age_ms=0)
        not_granted = ask(market, "d", "DeltaMSP/researcher")
        outcomes = [request.outcome for request in (unknown, category, too_old, not_granted)]
        assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.TOO_OLD, Outcome.NOT_GRANTED]
        assert {r.model for r in (unknown, category, too_old, not_granted)} == {None}
        assert (unknown.hits, unknown.misses) == (0, 1)
        assert (not_granted.hits, not_granted.misses) == (0, 3)
        assert (ask(market, "e").hits, ask(market, "f").misses) == (1, 3)

    def test_every_owner_must_grant(self, market: Stage) -> None:
        grant(market, ALPHA)
        assert ask(market, "one", "DeltaMSP/researcher").outcome is Outcome.NOT_GRANTED
        grant(market, BETA, expires_ms=market.ledger.time_ms + 5)
        assert ask(market, "two", "DeltaMSP/researcher").outcome is Outcome.HIT
        market.ledger.time_ms += 5
        assert ask(market, "three", "DeltaMSP/researcher").outcome is Outcome.NOT_GRANTED

    def test_revocation_and_withdrawal_reach_the_cache(self, market: Stage) -> None:
        revoke(market)
        assert ask(market, "one").outcome is Outcome.NOT_GRANTED
        grant(market, requester="GammaMSP")
        assert ask(market, "two").outcome is Outcome.HIT
        market.do("BetaMSP/node", "catalog:withdraw", OneDataset(id=BETA))
        assert ask(market, "three").outcome is Outcome.NOT_GRANTED

    def test_the_youngest_model_that_may_be_had_answers(self, market: Stage) -> None:
        market.ledger.time_ms += HOUR
        finish(market, "task-2", datasets=[ALPHA], model="b" * 64)
        assert ask(market, "one", max_age_ms=10 * HOUR).task_id == "task-2"
        revoke(market, ALPHA)
        finish(market, "task-3", datasets=[BETA], model="c" * 64)
        market.ledger.time_ms += HOUR
        finish(market, "task-4", datasets=[ALPHA, BETA], model="d" * 64)
        assert ask(market, "two", max_age_ms=10 * HOUR).task_id == "task-3"
        models = market.ask("sharing:cached", OneFingerprint(fingerprint=FINGERPRINT)).models
        assert [model.task_id for model in models] == ["task-1", "task-2", "task-3", "task-4"]

    def test_age_is_exact(self, market: Stage) -> None:
        completed = market.read(CACHE, FINGERPRINT, "task-1").completed_ms
        market.ledger.time_ms = completed + HOUR - 1
        assert ask(market, "one").outcome is Outcome.HIT
        market.ledger.time_ms = completed + HOUR
        assert ask(market, "two").outcome is Outcome.TOO_OLD

    def test_who_may_ask(self, market: Stage) -> None:
        with refused(NOT_A_MEMBER):
            ask(market, "one", "OmegaMSP/researcher")
        with refused(ROLE_REQUIRED, required=["admin", "member"]):
            ask(market, "one", "GammaMSP/device")
        ask(market, "one")
        with refused(RECORD_EXISTS):
            ask(market, "one")
        for changes in ({"fingerprint": "F" * 64}, {"max_age_ms": -1}, {"category": ""}):
            with refused(MALFORMED_MESSAGE):
                ask(market, "two", **changes)

    def test_pages(self, market: Stage) -> None:
        for name in "abc":
            ask(market, name)
        page = market.ask("sharing:requests", RequestsAfter(after="GammaMSP/a", limit=1)).requests
        assert [request.id for request in page] == ["GammaMSP/b"]


class TestCache:
    def test_a_result_is_remembered_once_with_its_datasets_in_order(self, market: Stage) -> None:
        known = market.read(CACHE, FINGERPRINT, "task-1")
        assert known.datasets == (ALPHA, BETA)
        assert known.providers == ["AlphaMSP", "BetaMSP"]
        with refused(RECORD_EXISTS):
            finish(market, "task-1")


class TestDeliveries:
    def test_a_delivery_records_who_shared_what_with_whom(self, market: Stage) -> None:
        asked = ask(market, "second")
        delivered = deliver(market, asked.id)
        assert (delivered.requester, delivered.holder) == ("GammaMSP", "AlphaMSP/node")
        assert delivered.providers == ("AlphaMSP", "BetaMSP")
        assert delivered.datasets == (ALPHA, BETA)
        assert (delivered.task_id, delivered.model, delivered.note) == ("task-1", "a" * 64, "wrapped")
        assert market.ask("sharing:delivery", OneRequest(id=asked.id)) == delivered
        assert market.ledger.events[-1].name == "Delivered"
        with refused(DELIVERED_ALREADY, request_id=asked.id):
            deliver(market, asked.id, who="BetaMSP/node")

    def test_a_miss_is_answered_by_a_task_completed_since(self, market: Stage) -> None:
        asked = ask(market, "new", fingerprint="0" * 64)
        with refused(RECORD_NOT_FOUND):
            deliver(market, asked.id, "task-2")
        finish(market, "task-2", fingerprint="0" * 64)
        assert deliver(market, asked.id, "task-2").task_id == "task-2"

    def test_only_the_model_that_was_asked_for(self, market: Stage) -> None:
        finish(market, "task-2")
        hit = ask(market, "one")
        with refused(NOT_THE_ANSWER, task_id="task-1", expected="task-2"):
            deliver(market, hit.id, "task-1")
        other = ask(market, "two", category="digits")
        with refused(NOT_THE_ANSWER):
            deliver(market, other.id, "task-2")
        with refused(RECORD_NOT_FOUND):
            deliver(market, "GammaMSP/none")

    def test_only_who_holds_the_model(self, market: Stage) -> None:
        asked = ask(market, "one")
        with refused(NOT_THE_HOLDER, caller="DeltaMSP/node"):
            deliver(market, asked.id, who="DeltaMSP/node")
        assert deliver(market, asked.id, who="GammaMSP/researcher").holder == "GammaMSP/researcher"

    def test_grants_must_hold_at_delivery_unless_the_task_was_the_requesters(self, market: Stage) -> None:
        grant(market, ALPHA)
        grant(market, BETA)
        foreign, own = ask(market, "one", "DeltaMSP/researcher"), ask(market, "one")
        assert {foreign.outcome, own.outcome} == {Outcome.HIT}
        revoke(market, ALPHA, "DeltaMSP")
        revoke(market, ALPHA, "GammaMSP")
        with refused(GRANT_REVOKED, requester="DeltaMSP"):
            deliver(market, foreign.id)
        assert deliver(market, own.id).requester == "GammaMSP"

    def test_time_does_not_run_backwards(self, market: Stage) -> None:
        asked = ask(market, "one")
        market.ledger.time_ms -= 100
        with refused(TIME_RUNS_BACKWARDS):
            deliver(market, asked.id)


def test_a_grant_is_found_under_its_own_key(market: Stage) -> None:
    grant(market)
    assert market.read(GRANTS, ALPHA, "DeltaMSP", CATEGORY).requester == "DeltaMSP"
