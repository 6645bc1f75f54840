"""Tasks: terms, funding, who may end them and when, and where the money goes."""

from __future__ import annotations

import msgspec
import pytest
from tests.chaincode.conftest import Fault, Finish, Payment, Stage

from fedpact_chaincode.contracts.credit import AccountOf, Reason
from fedpact_chaincode.contracts.credit.records import ENTRIES
from fedpact_chaincode.contracts.sharing import AskForModel, OneFingerprint
from fedpact_chaincode.contracts.tasks.life import close
from fedpact_chaincode.contracts.tasks.records import FinalModel, Task, TaskStatus
from fedpact_chaincode.contracts.tasks.transactions import Appoint, OneTask, TasksAfter
from fedpact_chaincode.contracts.teams.recruiting import OneTeam
from fedpact_chaincode.errors import Rejected

REQUESTER = "AlphaMSP/researcher"
LEADER, FIRST, SECOND, THIRD = "BetaMSP/node", "GammaMSP/node", "DeltaMSP/node", "AlphaMSP/node"
ONE = OneTask(task_id="task")
TEAM = OneTeam(task_id="task")
MODEL = FinalModel(digest="e" * 64, location="store://model", quality_nano=45 * 10**9)


def balance(stage: Stage, account: str) -> int:
    return int(stage.ask("credit:account", AccountOf(account=account)).balance)


def code(stage: Stage, who: str, function: str, message: msgspec.Struct) -> str:
    before = dict(stage.ledger.state)
    with pytest.raises(Rejected) as caught:
        stage.do(who, function, message)
    assert stage.ledger.state == before
    return caught.value.code.name


def status(stage: Stage) -> TaskStatus:
    task: Task = stage.ask("tasks:task", ONE)
    return task.status


@pytest.fixture
def staffed(stage: Stage) -> Stage:
    """Four providers with 10,000 each, an open task, and a team of all four recruited for three places."""
    for node in (LEADER, FIRST, SECOND, THIRD):
        stage.provider(node)
    stage.task()
    stage.team("task", LEADER, FIRST, SECOND, THIRD)
    return stage


@pytest.fixture
def running(staffed: Stage) -> Stage:
    staffed.start("task", LEADER)
    return staffed


def test_creation_funds_all_rounds(stage: Stage) -> None:
    task = stage.task(rounds=10, reward_per_round=100)
    assert (task.status, task.requester_mspid, task.created_ms) == (
        "open",
        "AlphaMSP",
        stage.ledger.time_ms - 1,
    )
    assert balance(stage, "escrow:task") == 1_000
    assert balance(stage, REQUESTER) == 9_000
    assert stage.read(ENTRIES, "escrow:task", 0).reason is Reason.FUNDING


def test_the_printed_rewards_are_funded_with_their_excess(stage: Stage) -> None:
    """C (1 + W_leader / N) at most C + C/N a round: 100 + 34 for a team of three."""
    stage.task(rules={"rewards": "paper"}, rounds=10, reward_per_round=100, team_size=3)
    assert balance(stage, "escrow:task") == 1_340


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"deadline_ms": 1}, "TASK_TERMS"),
        ({"rules": {"validators_per_model": 3}}, "TASK_TERMS"),
        ({"kind": "classification", "target_quality_nano": 10**9 + 1}, "TASK_TERMS"),
        ({"reward_per_round": 1_001}, "INSUFFICIENT_CREDIT"),
        ({"request_id": "AlphaMSP/none"}, "RECORD_NOT_FOUND"),
    ],
)
def test_terms_that_are_refused(stage: Stage, change: dict[str, object], expected: str) -> None:
    with pytest.raises(Rejected) as caught:
        stage.task(**change)
    assert caught.value.code.name == expected


def test_ids_are_taken_once_and_roles_are_checked(stage: Stage) -> None:
    stage.task()
    for requester, expected in (
        (REQUESTER, "RECORD_EXISTS"),
        ("AlphaMSP/device", "ROLE_REQUIRED"),
    ):
        with pytest.raises(Rejected) as caught:
            stage.task(requester=requester)
        assert caught.value.code.name == expected


@pytest.mark.parametrize("wrong", ["team size", "id", "rounds", "rules"])
def test_messages_out_of_bounds(stage: Stage, wrong: str) -> None:
    change = {
        "team size": {"team_size": 1},
        "id": {"task_id": "a:b"},
        "rounds": {"rounds": 1_001},
        "rules": {"rules": {"no such rule": 1}},
    }[wrong]
    with pytest.raises(msgspec.ValidationError):
        stage.task(**change)


def test_a_linked_request_is_the_requester_s_own_and_was_missed(stage: Stage) -> None:
    def ask(who: str, name: str, fingerprint: str) -> None:
        message = AskForModel(name=name, fingerprint=fingerprint, category=stage.CATEGORY, max_age_ms=10**6)
        stage.do(who, "sharing:request", message)

    ask(REQUESTER, "mine", "f" * 64)
    ask(REQUESTER, "another", "a" * 64)
    ask("BetaMSP/node", "theirs", "f" * 64)
    assert stage.task(request_id="AlphaMSP/mine").request_id == "AlphaMSP/mine"
    for request in ("AlphaMSP/another", "BetaMSP/theirs"):
        with pytest.raises(Rejected, match="REQUEST_MISMATCH"):
            stage.task("task-2", request_id=request)


def test_cancelling_gives_everything_back(staffed: Stage) -> None:
    staffed.do(LEADER, "teams:form", TEAM)
    assert [balance(staffed, node) for node in (LEADER, FIRST, SECOND, THIRD)] == [8_000, 9_000, 9_000, 9_000]
    assert code(staffed, "AlphaMSP/admin", "tasks:cancel", ONE) == "NOT_THE_OWNER"
    staffed.do(REQUESTER, "tasks:cancel", ONE)
    assert [balance(staffed, node) for node in (LEADER, FIRST, SECOND, THIRD)] == [10_000] * 4
    assert balance(staffed, REQUESTER) == 10_000
    assert balance(staffed, "escrow:task") == 0
    assert status(staffed) is TaskStatus.CANCELLED
    assert code(staffed, REQUESTER, "tasks:cancel", ONE) == "TASK_STATUS"
    assert code(staffed, LEADER, "teams:start", TEAM) == "TASK_STATUS"


def test_a_running_task_cannot_be_cancelled(running: Stage) -> None:
    assert code(running, REQUESTER, "tasks:cancel", ONE) == "TASK_STATUS"


def test_anyone_ends_a_task_after_its_deadline_and_nobody_before(running: Stage) -> None:
    running.do(LEADER, "rounds:reward", Payment(task_id="task", node=FIRST, amount=100))
    assert code(running, THIRD, "tasks:expire", ONE) == "TASK_NOT_DUE"
    running.ledger.time_ms = running.ask("tasks:task", ONE).deadline_ms
    assert code(running, THIRD, "tasks:expire", ONE) == "TASK_NOT_DUE"
    running.ledger.time_ms += 1
    for who, function, message in (
        (LEADER, "teams:leave", TEAM),
        (THIRD, "teams:withdraw", TEAM),
        (FIRST, "teams:accuse_leader", TEAM),
        (LEADER, "rounds:finish", Finish(task_id="task")),
        (REQUESTER, "tasks:appoint", Appoint(task_id="task", node=FIRST)),
    ):
        assert code(running, who, function, message) == "TASK_DEADLINE"
    assert code(running, "ForeignMSP/node", "tasks:expire", ONE) == "NOT_A_MEMBER"
    running.do("DeltaMSP/admin", "tasks:expire", ONE)
    assert status(running) is TaskStatus.EXPIRED
    assert [balance(running, node) for node in (LEADER, FIRST, SECOND, THIRD)] == [
        10_000,
        10_100,
        10_000,
        10_000,
    ]
    assert balance(running, REQUESTER) == 9_900
    assert code(running, THIRD, "tasks:expire", ONE) == "TASK_STATUS"


def test_completion_pays_back_the_rest_and_is_remembered(running: Stage) -> None:
    running.do(LEADER, "rounds:reward", Payment(task_id="task", node=FIRST, amount=250))
    running.do(LEADER, "rounds:finish", Finish(task_id="task"))
    running.do(LEADER, "rounds:finish", Finish(task_id="task", model=MODEL))
    done = running.ask("tasks:task", ONE)
    assert (done.status, done.rounds_closed, done.model) == (TaskStatus.COMPLETED, 1, MODEL)
    assert balance(running, REQUESTER) == 9_750
    assert running.ask("credit:account", AccountOf(account=FIRST)).earned == 250
    [cached] = running.ask("sharing:cached", OneFingerprint(fingerprint="f" * 64)).models
    assert (cached.task_id, cached.model, cached.quality_nano) == ("task", MODEL.digest, MODEL.quality_nano)
    assert cached.datasets == ("BetaMSP/node-data", "DeltaMSP/node-data", "GammaMSP/node-data")
    assert code(running, LEADER, "rounds:finish", Finish(task_id="task")) == "TASK_STATUS"


def test_the_escrow_cannot_be_overdrawn(running: Stage) -> None:
    too_much = Payment(task_id="task", node=FIRST, amount=1_001)
    assert code(running, LEADER, "rounds:reward", too_much) == "INSUFFICIENT_CREDIT"


def test_time_never_runs_backwards_for_a_task(running: Stage) -> None:
    running.do(LEADER, "rounds:finish", Finish(task_id="task"))
    running.ledger.time_ms -= 2
    assert code(running, LEADER, "rounds:finish", Finish(task_id="task")) == "TIME_RUNS_BACKWARDS"


def test_the_requester_appoints_the_aggregator_among_the_members(staffed: Stage) -> None:
    appoint = Appoint(task_id="task", node=FIRST)
    assert code(staffed, REQUESTER, "tasks:appoint", appoint) == "TASK_STATUS"
    staffed.start("task", LEADER)
    assert code(staffed, LEADER, "tasks:appoint", appoint) == "NOT_THE_OWNER"
    assert code(staffed, REQUESTER, "tasks:appoint", Appoint(task_id="task", node=THIRD)) == "NOT_SEATED"
    assert staffed.do(REQUESTER, "tasks:appoint", appoint).aggregator == FIRST
    assert staffed.ask("rounds:aggregator", ONE).id == FIRST
    staffed.do(LEADER, "rounds:fault", Fault(task_id="task", node=FIRST, kind="eliminate"))
    assert staffed.ask("rounds:aggregator", ONE).id == FIRST
    staffed.do(FIRST, "teams:leave", TEAM)
    assert staffed.ask("rounds:aggregator", ONE).id == LEADER


def test_tasks_come_in_pages_and_by_status(stage: Stage) -> None:
    for number in range(5):
        stage.task(f"task-{number}")
    stage.do(REQUESTER, "tasks:cancel", OneTask(task_id="task-3"))

    def ids(**asked: object) -> list[str]:
        return [task.id for task in stage.ask("tasks:tasks", TasksAfter(**asked)).tasks]

    assert ids(limit=2) == ["task-0", "task-1"]
    assert ids(limit=2, after="task-1") == ["task-2", "task-3"]
    assert ids(after="task-1", status=TaskStatus.OPEN) == ["task-2", "task-4"]
    assert ids(status=TaskStatus.CANCELLED) == ["task-3"]


def test_a_model_belongs_to_a_completed_task_only() -> None:
    with pytest.raises(ValueError, match="a completed task has a model"):
        close(None, None, TaskStatus.EXPIRED, MODEL)  # type: ignore[arg-type]
