"""Tasks and their teams, from the sessions of a requester and its providers."""

from __future__ import annotations

import pytest

from fedpact import Rejected
from fedpact.consortium.tasks import Tasks
from fedpact.records import CreateTask, Form, LearningKind, TaskStatus
from fedpact.retrieval import table_profile

DAY_MS = 86_400_000
REQUESTER = "GammaMSP/researcher"


@pytest.fixture
def market(stage):
    """A funded requester, and two providers with datasets, consent and credit."""
    stage.carry("research", "issue_credit", REQUESTER, amount=10_000)
    for mspid in ("AlphaMSP", "BetaMSP"):
        stage.carry(f"deposit-{mspid}", "issue_credit", f"{mspid}/node", amount=500)
        node = stage.session(f"{mspid}/node")
        profile = table_profile({"age": ""}, "progression")
        dataset = node.data.publish("patients", profile, category="diabetes", form=Form.TABULAR, rows=40)
        node.sharing.grant(dataset.id, "GammaMSP", "diabetes", expires_ms=node.time_ms + DAY_MS)
    return stage


def terms(stage, name: str = "t") -> CreateTask:
    return CreateTask(
        id=name,
        category="diabetes",
        kind=LearningKind.REGRESSION,
        rounds=3,
        deadline_ms=stage.researcher.time_ms + DAY_MS,
        reward_per_round=100,
        team_size=2,
        fingerprint="ab" * 32,
        min_mortgage=50,
    )


def teamed(stage) -> Tasks:
    leader, member = stage.node.tasks, stage.session("BetaMSP/node").tasks
    stage.researcher.tasks.create(terms(stage))
    leader.open_team("t", "AlphaMSP/patients", mortgage=100)
    member.apply("t", "BetaMSP/patients", mortgage=50, preference=0.75)
    leader.assess("t", "BetaMSP/node", ability=0.5)
    leader.form("t")
    return leader


def test_a_task_is_funded_listed_and_cancelled(market) -> None:
    tasks = market.researcher.tasks
    task = tasks.create(terms(market))
    assert (task.requester, task.status) == (REQUESTER, TaskStatus.OPEN)
    assert market.researcher.credit.account().balance == 10_000 - 300
    tasks.create(terms(market, "u"))
    assert [known.id for known in market.node.tasks.list()] == ["t", "u"]
    assert [known.id for known in market.node.tasks.list(after="t")] == ["u"]
    assert tasks.cancel("t").status is TaskStatus.CANCELLED
    assert [known.id for known in tasks.list(status=TaskStatus.OPEN)] == ["u"]
    assert market.researcher.credit.account().balance == 10_000 - 300
    with pytest.raises(Rejected) as caught:
        market.node.tasks.expire("u")
    assert caught.value.code.name == "TASK_NOT_DUE"


def test_a_team_recruits_forms_and_starts(market) -> None:
    leader = teamed(market)
    state = leader.team("t")
    assert [(seat.node, seat.rows) for seat in state.seats] == [("AlphaMSP/node", 40), ("BetaMSP/node", 40)]
    assert state.waiting == []
    assert market.researcher.tasks.appoint("t", "BetaMSP/node").aggregator == "BetaMSP/node"
    assert leader.start("t").status is TaskStatus.RUNNING
    assert leader.get("t").status is TaskStatus.RUNNING
    with pytest.raises(Rejected) as caught:
        leader.slash("t", "BetaMSP/node")
    assert caught.value.code.name == "NO_EVIDENCE"


def test_a_freed_place_can_be_filled_only_from_the_waiting_list(market) -> None:
    leader = teamed(market)
    assert market.session("BetaMSP/node").tasks.leave("t").status == "left"
    with pytest.raises(Rejected) as caught:
        leader.promote("t")
    assert caught.value.code.name == "NOBODY_WAITS"


def test_the_members_organisations_depose_a_leader(market) -> None:
    teamed(market)
    team = market.session("BetaMSP/node").tasks.accuse_leader("t")
    assert (team.leader, team.term) == ("BetaMSP/node", 1)
