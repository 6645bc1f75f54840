"""Teams: who may join, who is chosen, and what members answer with (Miao eq. 1-3)."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaincode.conftest import Fault, Finish, Stage, data_of

from fedpact_chaincode.contracts.credit import AccountOf
from fedpact_chaincode.contracts.privacy import Bound
from fedpact_chaincode.contracts.sharing import OneGrant
from fedpact_chaincode.contracts.tasks.records import LearningKind, Rules, Task, TaskStatus, Variant
from fedpact_chaincode.contracts.tasks.transactions import OneTask
from fedpact_chaincode.contracts.teams.discipline import Slash
from fedpact_chaincode.contracts.teams.forming import Assess, TeamState
from fedpact_chaincode.contracts.teams.mortgages import compensate
from fedpact_chaincode.contracts.teams.records import SEATS, SOURCES, SeatStatus
from fedpact_chaincode.contracts.teams.recruiting import Apply, OneTeam, OpenTeam
from fedpact_chaincode.errors import Rejected

REQUESTER = "AlphaMSP/researcher"
LEADER, FIRST, SECOND, THIRD = "BetaMSP/node", "GammaMSP/node", "DeltaMSP/node", "AlphaMSP/node"
TEAM = OneTeam(task_id="task")


def balance(stage: Stage, account: str) -> int:
    return int(stage.ask("credit:account", AccountOf(account=account)).balance)


def code(stage: Stage, who: str, function: str, message: msgspec.Struct) -> str:
    before = dict(stage.ledger.state)
    with pytest.raises(Rejected) as caught:
        stage.do(who, function, message)
    assert stage.ledger.state == before
    return caught.value.code.name


def team(stage: Stage) -> TeamState:
    state: TeamState = stage.ask("teams:team", TEAM)
    return state


def opening(**changes: object) -> OpenTeam:
    fields = {"task_id": "task", "dataset_id": data_of(LEADER), "mortgage": 2_000}
    return OpenTeam(**{**fields, **changes})


def application(node: str = FIRST, **changes: object) -> Apply:
    fields = {
        "task_id": "task",
        "dataset_id": data_of(node),
        "mortgage": 1_000,
        "preference_nano": 500_000_000,
    }
    return Apply(**{**fields, **changes})


def fault(stage: Stage, node: str, kind: str, number: int = 0) -> None:
    stage.do(LEADER, "rounds:fault", Fault(task_id="task", node=node, kind=kind, round=number))


@pytest.fixture
def providers(stage: Stage) -> Stage:
    for node in (LEADER, FIRST, SECOND, THIRD):
        stage.provider(node)
    return stage


@pytest.fixture
def recruiting(providers: Stage) -> Stage:
    """A task for three, sponsored by LEADER."""
    providers.task()
    providers.do(LEADER, "teams:open_team", opening())
    return providers


def run(stage: Stage, *others: str, **terms: object) -> Stage:
    """Let the providers work on a task with these terms."""
    stage.task(**terms)
    stage.team("task", LEADER, *others)
    stage.start("task", LEADER)
    return stage


@pytest.fixture
def running(providers: Stage) -> Stage:
    """A running task of ten rounds: LEADER, FIRST and SECOND work, THIRD waits."""
    return run(providers, FIRST, SECOND, THIRD)


# Recruiting


def test_the_sponsor_deposits_twice_the_minimum(providers: Stage) -> None:
    providers.task()
    assert code(providers, LEADER, "teams:open_team", opening(mortgage=1_999)) == "MORTGAGE_TOO_LOW"
    opened = providers.do(LEADER, "teams:open_team", opening())
    assert (opened.leader, opened.status) == (LEADER, "recruiting")
    assert balance(providers, "mortgage:task:BetaMSP/node") == 2_000
    assert balance(providers, LEADER) == 8_000
    assert code(providers, FIRST, "teams:open_team", opening(dataset_id=data_of(FIRST))) == "RECORD_EXISTS"


@pytest.mark.parametrize("respond_by_ms", [1, 10**13])
def test_candidates_get_time_to_respond_within_the_task_s(providers: Stage, respond_by_ms: int) -> None:
    providers.task()
    late = opening(respond_by_ms=respond_by_ms)
    assert code(providers, LEADER, "teams:open_team", late) == "TASK_TERMS"


def test_the_time_to_respond_is_kept(providers: Stage) -> None:
    providers.task(team_size=2)
    end = providers.ledger.time_ms + 10
    providers.do(LEADER, "teams:open_team", opening(respond_by_ms=end))
    providers.do(FIRST, "teams:apply", application(FIRST))
    assert code(providers, LEADER, "teams:form", TEAM) == "RECRUITMENT_OPEN"
    providers.ledger.time_ms = end
    assert code(providers, LEADER, "teams:form", TEAM) == "RECRUITMENT_OPEN"
    providers.do(SECOND, "teams:apply", application(SECOND))
    assert code(providers, THIRD, "teams:apply", application(THIRD)) == "RECRUITMENT_OVER"
    providers.do(LEADER, "teams:form", TEAM)


@pytest.mark.parametrize(
    ("who", "change", "expected"),
    [
        (FIRST, {"mortgage": 999}, "MORTGAGE_TOO_LOW"),
        (FIRST, {"mortgage": 10_001}, "INSUFFICIENT_CREDIT"),
        (FIRST, {"dataset_id": data_of(SECOND)}, "NOT_THE_OWNER"),
        (FIRST, {"dataset_id": "GammaMSP/none"}, "RECORD_NOT_FOUND"),
        (FIRST, {"preference_nano": 10**9 + 1}, "MALFORMED_MESSAGE"),
        (FIRST, {"task_id": "none"}, "RECORD_NOT_FOUND"),
        (LEADER, {"dataset_id": data_of(LEADER)}, "RECORD_EXISTS"),
        ("GammaMSP/device", {}, "ROLE_REQUIRED"),
        ("GammaMSP/newcomer", {}, "NODE_NOT_REGISTERED"),
        ("ForeignMSP/node", {}, "NOT_A_MEMBER"),
    ],
)
def test_refused_applications(recruiting: Stage, who: str, change: dict[str, object], expected: str) -> None:
    assert code(recruiting, who, "teams:apply", application(**change)) == expected


def test_terms_of_the_task_are_checked(providers: Stage) -> None:
    providers.task(min_credit=1, category="another")
    assert code(providers, LEADER, "teams:open_team", opening()) == "DATASET_UNSUITABLE"
    providers.task("task-2", min_credit=1)
    assert code(providers, LEADER, "teams:open_team", opening(task_id="task-2")) == "CREDIT_TOO_LOW"
    providers.task("task-3", privacy_required=True)
    assert code(providers, LEADER, "teams:open_team", opening(task_id="task-3")) == "NO_BUDGET_FOR_TASK"
    bound = Bound(dataset_id=data_of(LEADER), requester="AlphaMSP", epsilon_nano=1, delta_pico=0)
    providers.do(LEADER, "privacy:grant", bound)
    providers.do(LEADER, "teams:open_team", opening(task_id="task-3"))


def test_a_dataset_counts_as_it_was_when_the_task_was_created(recruiting: Stage) -> None:
    recruiting.provider("GammaMSP/late")
    late = application("GammaMSP/late")
    assert code(recruiting, "GammaMSP/late", "teams:apply", late) == "NOT_YET_PUBLISHED"


def test_the_requester_needs_a_grant(recruiting: Stage) -> None:
    grant = OneGrant(dataset_id=data_of(FIRST), requester="AlphaMSP", purpose=recruiting.CATEGORY)
    recruiting.do(FIRST, "sharing:revoke", grant)
    assert code(recruiting, FIRST, "teams:apply", application()) == "GRANT_REVOKED"


def test_one_application_a_node_and_one_node_a_dataset(recruiting: Stage) -> None:
    recruiting.do(FIRST, "teams:apply", application())
    assert code(recruiting, FIRST, "teams:apply", application()) == "RECORD_EXISTS"
    recruiting.provider("GammaMSP/other")
    assert code(recruiting, "GammaMSP/other", "teams:apply", application()) == "DATASET_TAKEN"
    recruiting.do(FIRST, "teams:withdraw", TEAM)
    assert balance(recruiting, FIRST) == 10_000
    recruiting.do("GammaMSP/other", "teams:apply", application())


def test_who_has_not_applied_cannot_withdraw(recruiting: Stage) -> None:
    assert code(recruiting, FIRST, "teams:withdraw", TEAM) == "RECORD_NOT_FOUND"
    assert code(recruiting, LEADER, "teams:withdraw", TEAM) == "RECORD_NOT_FOUND"


def test_a_dissolved_team_makes_way_for_another(recruiting: Stage) -> None:
    recruiting.do(FIRST, "teams:apply", application(FIRST))
    assert code(recruiting, FIRST, "teams:dissolve", TEAM) == "NOT_THE_LEADER"
    recruiting.do(LEADER, "teams:dissolve", TEAM)
    assert [balance(recruiting, node) for node in (LEADER, FIRST)] == [10_000, 10_000]
    recruiting.do(FIRST, "teams:open_team", opening(dataset_id=data_of(FIRST)))
    recruiting.do(LEADER, "teams:apply", application(LEADER))
    assert [seat.node for seat in team(recruiting).seats] == [FIRST]


# Forming


def test_the_first_by_integrated_value_sit_and_the_others_wait(providers: Stage) -> None:
    """I_V = 0.5 W_p + 0.5 A_b; ties by mortgage, then by time (Miao Alg. 1)."""
    providers.provider("DeltaMSP/late")
    providers.task(team_size=3)
    providers.do(LEADER, "teams:open_team", opening())
    for node, mortgage, wish, ability in (
        (FIRST, 1_000, 900_000_000, 0),  # 0.45
        (SECOND, 1_000, 0, 1_000_000_000),  # 0.5
        ("DeltaMSP/late", 1_001, 400_000_000, 600_000_000),  # 0.5, larger mortgage
        (THIRD, 1_001, 500_000_000, 500_000_000),  # 0.5, as large, later
    ):
        applied = application(node, mortgage=mortgage, preference_nano=wish)
        providers.do(node, "teams:apply", applied)
        providers.do(LEADER, "teams:assess", Assess(task_id="task", node=node, ability_nano=ability))
    providers.do(LEADER, "teams:form", TEAM)
    formed = team(providers)
    assert [seat.node for seat in formed.seats] == [LEADER, "DeltaMSP/late", THIRD]
    assert [seat.standing for seat in formed.seats] == [0, 1, 2]
    assert [candidate.node for candidate in formed.waiting] == [FIRST, SECOND]
    assert balance(providers, f"mortgage:task:{FIRST}") == 1_000


def test_equal_candidates_of_one_moment_go_by_name(recruiting: Stage) -> None:
    for node in (SECOND, FIRST, THIRD):
        recruiting.do(node, "teams:apply", application(node))
        recruiting.ledger.time_ms -= 1
    recruiting.do(LEADER, "teams:form", TEAM)
    assert [seat.node for seat in team(recruiting).seats] == [LEADER, THIRD, SECOND]


def test_forming_needs_candidates_and_the_leader(recruiting: Stage) -> None:
    recruiting.do(FIRST, "teams:apply", application(FIRST))
    assert code(recruiting, LEADER, "teams:form", TEAM) == "TEAM_TOO_SMALL"
    assert code(recruiting, FIRST, "teams:form", TEAM) == "NOT_THE_LEADER"
    assess = Assess(task_id="task", node=FIRST, ability_nano=1)
    assert code(recruiting, FIRST, "teams:assess", assess) == "NOT_THE_LEADER"
    nobody = Assess(task_id="task", node=SECOND, ability_nano=1)
    assert code(recruiting, LEADER, "teams:assess", nobody) == "RECORD_NOT_FOUND"
    assert code(recruiting, LEADER, "teams:start", TEAM) == "TASK_STATUS"


def test_rows_are_those_of_the_task_s_creation(running: Stage) -> None:
    assert {seat.rows for seat in team(running).seats} == {100}


def test_a_formed_team_takes_no_applications(running: Stage) -> None:
    assert code(running, THIRD, "teams:apply", application(THIRD)) == "TASK_STATUS"
    assert code(running, LEADER, "teams:dissolve", TEAM) == "TASK_STATUS"
    assert running.ask("tasks:task", OneTask(task_id="task")).status is TaskStatus.RUNNING


def test_only_two_and_more_can_start(providers: Stage) -> None:
    providers.task(team_size=2)
    providers.team("task", LEADER, FIRST)
    providers.do(LEADER, "teams:form", TEAM)
    assert code(providers, FIRST, "teams:start", TEAM) == "NOT_THE_LEADER"
    providers.do(FIRST, "teams:leave", TEAM)
    assert balance(providers, FIRST) == 10_000
    assert code(providers, LEADER, "teams:start", TEAM) == "TEAM_TOO_SMALL"
    assert code(providers, LEADER, "teams:leave", TEAM) == "LAST_MEMBER"


# Punishment


def test_punishment_goes_by_missed_rounds_and_is_shared(running: Stage) -> None:
    """k = (p + q) / v: two faults in ten rounds cost a fifth of 1,000, once; the others get it all."""
    slash = Slash(task_id="task", node=FIRST)
    assert code(running, LEADER, "teams:slash", slash) == "NO_EVIDENCE"
    fault(running, FIRST, "missed")
    fault(running, FIRST, "lazy")
    assert code(running, SECOND, "teams:slash", slash) == "NOT_THE_LEADER"
    assert running.do(LEADER, "teams:slash", slash).slashed_micros == 200
    assert [balance(running, node) for node in (LEADER, FIRST, SECOND, THIRD)] == [8_100, 9_000, 9_100, 9_000]
    assert code(running, LEADER, "teams:slash", slash) == "NO_EVIDENCE"
    fault(running, FIRST, "missed")
    running.do(LEADER, "teams:slash", slash)
    assert balance(running, f"mortgage:task:{FIRST}") == 700


def test_who_has_lost_everything_loses_the_place(running: Stage) -> None:
    for _ in range(11):
        fault(running, FIRST, "missed")
    assert running.do(LEADER, "teams:slash", Slash(task_id="task", node=FIRST)).status == "slashed"
    assert balance(running, f"mortgage:task:{FIRST}") == 0
    assert running.read(SOURCES, "task", data_of(FIRST)) is None
    assert code(running, LEADER, "teams:slash", Slash(task_id="task", node=FIRST)) == "NOT_SEATED"
    assert code(running, FIRST, "teams:leave", TEAM) == "NOT_SEATED"
    before = running.read(SEATS, "task", FIRST)
    for kind in ("missed", "lazy", "eliminate"):
        fault(running, FIRST, kind)
    assert running.read(SEATS, "task", FIRST) == before


def test_the_printed_compensation_leaves_a_remainder_in_escrow(providers: Stage) -> None:
    run(providers, FIRST, SECOND, rules={"compensation": "paper"})
    fault(providers, FIRST, "missed")
    providers.do(LEADER, "teams:slash", Slash(task_id="task", node=FIRST))
    assert [balance(providers, node) for node in (LEADER, SECOND)] == [8_033, 9_033]
    assert balance(providers, "escrow:task") == 1_000 + 100 - 2 * 33


@given(st.integers(0, 10**12), st.integers(2, 50), st.integers(0, 49), st.sampled_from(Variant))
def test_compensations_add_up(amount: int, size: int, others: int, variant: Variant) -> None:
    task = msgspec.structs.replace(TASK, team_size=size, rules=Rules(compensation=variant))
    nodes = [f"node-{number}" for number in range(min(others, size - 1))]
    given_out = compensate(task, amount, nodes)
    assert sum(given_out.shares.values()) + given_out.rest == amount
    assert list(given_out.shares) == nodes
    exact = Fraction(amount, size if variant is Variant.PAPER else max(1, len(nodes)))
    assert all(abs(part - exact) < 1 for part in given_out.shares.values())
    if nodes and variant is Variant.DEFAULT:
        assert given_out.rest == 0


TASK = Task(
    id="task",
    requester=REQUESTER,
    requester_mspid="AlphaMSP",
    category="diabetes",
    kind=LearningKind.REGRESSION,
    rounds=10,
    deadline_ms=1,
    target_quality_nano=None,
    reward_per_round=1,
    team_size=3,
    min_credit=0,
    min_mortgage=0,
    privacy_required=False,
    rules=Rules(),
    fingerprint="f" * 64,
    request_id=None,
    status=TaskStatus.RUNNING,
    created_ms=0,
    updated_ms=0,
)


def test_the_leader_is_not_slashed_but_accused(running: Stage) -> None:
    fault(running, LEADER, "missed")
    assert code(running, LEADER, "teams:slash", Slash(task_id="task", node=LEADER)) == "LEADER_IS_ACCUSED"


def test_a_majority_of_the_other_organisations_takes_the_lead(running: Stage) -> None:
    """Nothing on the ledger against the leader: one round's part of 2,000 is taken all the same."""
    assert running.do(FIRST, "teams:accuse_leader", TEAM).leader == LEADER
    assert code(running, FIRST, "teams:accuse_leader", TEAM) == "ACCUSED_ALREADY"
    assert code(running, LEADER, "teams:accuse_leader", TEAM) == "OWN_LEADER"
    assert code(running, THIRD, "teams:accuse_leader", TEAM) == "NOT_SEATED"
    assert running.do(SECOND, "teams:accuse_leader", TEAM).leader == FIRST
    assert [balance(running, node) for node in (LEADER, FIRST, SECOND)] == [8_000, 9_100, 9_100]
    assert running.read(SEATS, "task", LEADER).deposed
    assert code(running, LEADER, "teams:slash", Slash(task_id="task", node=SECOND)) == "NOT_THE_LEADER"
    fault(running, LEADER, "missed")
    fault(running, LEADER, "missed")
    assert running.do(FIRST, "teams:slash", Slash(task_id="task", node=LEADER)).slashed_micros == 400


def test_many_nodes_of_one_organisation_are_one_accuser(providers: Stage) -> None:
    providers.provider("GammaMSP/second")
    run(providers, FIRST, "GammaMSP/second", SECOND, THIRD, team_size=5)
    providers.do(FIRST, "teams:accuse_leader", TEAM)
    assert code(providers, "GammaMSP/second", "teams:accuse_leader", TEAM) == "ACCUSED_ALREADY"
    assert providers.do(SECOND, "teams:accuse_leader", TEAM).leader == FIRST


def test_accusations_of_organisations_that_left_do_not_count(running: Stage) -> None:
    running.do(FIRST, "teams:accuse_leader", TEAM)
    running.do(FIRST, "teams:leave", TEAM)
    running.do(LEADER, "teams:promote", TEAM)
    assert running.do(SECOND, "teams:accuse_leader", TEAM).leader == LEADER
    assert running.do(THIRD, "teams:accuse_leader", TEAM).leader == SECOND


def test_a_leader_that_has_lost_everything_is_out(providers: Stage) -> None:
    run(providers, FIRST, SECOND, rounds=1)
    for accuser in (FIRST, SECOND):
        providers.do(accuser, "teams:accuse_leader", TEAM)
    former = providers.read(SEATS, "task", LEADER)
    assert (former.status, former.slashed_micros) == (SeatStatus.SLASHED, 2_000)
    assert providers.read(SOURCES, "task", data_of(LEADER)) is None
    assert team(providers).team.leader == FIRST


def test_the_lead_goes_to_who_has_not_lost_it_yet(running: Stage) -> None:
    for accusers, leader in (((FIRST, SECOND), FIRST), ((LEADER, SECOND), SECOND), ((LEADER, FIRST), LEADER)):
        for accuser in accusers:
            running.do(accuser, "teams:accuse_leader", TEAM)
        assert team(running).team.leader == leader
    for accuser in (FIRST, SECOND):  # a second time: what one round costs is taken already
        running.do(accuser, "teams:accuse_leader", TEAM)
    assert running.read(SEATS, "task", LEADER).slashed_micros == 200
    assert team(running).team.term == 4


# Leaving, elimination, the waiting list


def test_leaving_costs_the_rounds_that_are_left(running: Stage) -> None:
    for _ in range(4):
        running.do(LEADER, "rounds:finish", Finish(task_id="task"))
    left = running.do(FIRST, "teams:leave", TEAM)
    assert (left.status, left.missed, left.slashed_micros) == (SeatStatus.LEFT, 6, 600)
    assert [balance(running, node) for node in (LEADER, FIRST, SECOND)] == [8_300, 9_400, 9_300]


def test_a_leader_that_leaves_hands_the_lead_on(running: Stage) -> None:
    running.do(LEADER, "teams:leave", TEAM)
    assert team(running).team.leader == FIRST


def test_an_eliminated_member_leaves_without_further_cost(running: Stage) -> None:
    fault(running, FIRST, "missed")
    fault(running, FIRST, "eliminate")
    left = running.do(FIRST, "teams:leave", TEAM)
    assert (left.status, left.slashed_micros) == (SeatStatus.LEFT, 100)
    assert balance(running, FIRST) == 9_900


def test_the_waiting_list_fills_a_freed_place(running: Stage) -> None:
    assert code(running, LEADER, "teams:promote", TEAM) == "TEAM_FULL"
    fault(running, FIRST, "eliminate")
    assert code(running, THIRD, "teams:promote", TEAM) == "NOT_SEATED"
    assert running.do(SECOND, "teams:promote", TEAM).seated == 4
    assert [seat.node for seat in team(running).seats] == [LEADER, FIRST, SECOND, THIRD]
    assert code(running, LEADER, "teams:promote", TEAM) == "TEAM_FULL"
    running.do(THIRD, "teams:leave", TEAM)
    assert code(running, LEADER, "teams:promote", TEAM) == "NOBODY_WAITS"


def test_an_appeal_keeps_the_place_while_it_is_free(running: Stage) -> None:
    fault(running, FIRST, "eliminate")
    fault(running, FIRST, "schedule", 5)
    assert running.read(SEATS, "task", FIRST).returns_at_round == 5
    assert code(running, LEADER, "teams:promote", TEAM) == "TEAM_FULL"
    fault(running, FIRST, "reinstate")
    assert running.read(SEATS, "task", FIRST).status is SeatStatus.ACTIVE
    fault(running, FIRST, "eliminate")
    running.do(LEADER, "teams:promote", TEAM)
    late = Fault(task_id="task", node=FIRST, kind="schedule", round=5)
    assert code(running, LEADER, "rounds:fault", late) == "TEAM_FULL"


def test_who_waits_may_stop_waiting(running: Stage) -> None:
    running.do(THIRD, "teams:withdraw", TEAM)
    assert balance(running, THIRD) == 10_000
    assert team(running).waiting == []


def test_everything_is_released_when_the_task_ends(running: Stage) -> None:
    fault(running, FIRST, "missed")
    running.do(LEADER, "teams:slash", Slash(task_id="task", node=FIRST))
    running.ledger.time_ms += 10**9
    running.do(LEADER, "tasks:expire", OneTask(task_id="task"))
    assert [balance(running, node) for node in (LEADER, FIRST, SECOND, THIRD)] == [
        10_050,
        9_900,
        10_050,
        10_000,
    ]
    assert running.ask("credit:conservation").conserved
