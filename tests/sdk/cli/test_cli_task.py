"""Tasks from options and files, and the life of their teams."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedpact.cli import task as task_command
from fedpact.cli.sharing import KINDS as SHARING_KINDS
from fedpact.records import LearningKind, TaskStatus

RESEARCHER = "GammaMSP/admin"
ALPHA, BETA = "AlphaMSP/node", "BetaMSP/node"
FINGERPRINT = "ab" * 32
OPTIONS = {
    "--category": "diabetes",
    "--kind": "regression",
    "--rounds": "3",
    "--deadline": "+30d",
    "--reward-per-round": "100",
    "--team-size": "2",
    "--fingerprint": FINGERPRINT,
}
FILE = f"""
id = "progression"
category = "diabetes"
kind = "regression"
rounds = 3
deadline = 2099-01-31
reward_per_round = 100
team_size = 2
fingerprint = "{FINGERPRINT}"
target_quality = 44.5
min_mortgage = 7
privacy_required = true

[rules]
elimination = "paper"
score_time_ms = 1000
"""


def words(**changes: str | None) -> list[str]:
    chosen = {**OPTIONS, **{f"--{name.replace('_', '-')}": value for name, value in changes.items()}}
    return [word for name, value in chosen.items() if value is not None for word in (name, value)]


@pytest.fixture
def funded(fedpact):
    fedpact.carry("funds", "issue_credit", RESEARCHER, "--amount", "10000")
    return fedpact


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "task.toml"
    found.write_text(FILE)
    return found


def test_what_options_offer_is_what_the_contracts_know() -> None:
    assert list(task_command.KINDS) == list(SHARING_KINDS) == [kind.value for kind in LearningKind]
    assert list(task_command.STATUSES) == [status.value for status in TaskStatus]


def test_a_task_from_options_is_funded_at_once(funded) -> None:
    rule = ["--rule", "margin_nano=5", "--rule", "committee=all"]
    task = funded.ok("task", "create", "progression", *words(target_quality="0.5"), *rule, who=RESEARCHER).one
    assert (task["id"], task["status"], task["requester"]) == ("progression", "open", RESEARCHER)
    assert task["target_quality_nano"] == 500_000_000
    assert (task["rules"]["margin_nano"], task["rules"]["committee"]) == (5, "all")
    assert task["privacy_required"] is False
    assert funded.ok("credit", "account", who=RESEARCHER).one["balance"] == 10_000 - 300
    assert funded.ok("task", "show", "progression", who=ALPHA).one == task


def test_a_task_from_a_file(funded, file: Path) -> None:
    task = funded.ok("task", "create", "--file", file, who=RESEARCHER).one
    assert task["deadline_ms"] == 4_073_500_800_000
    assert (task["target_quality_nano"], task["min_mortgage"]) == (44_500_000_000, 7)
    assert task["privacy_required"] is True
    assert (task["rules"]["elimination"], task["rules"]["score_time_ms"]) == ("paper", 1_000)


def test_an_option_comes_before_the_file(funded, file: Path) -> None:
    options = ["--rounds", "2", "--no-privacy-required", "--rule", "elimination=none"]
    task = funded.ok("task", "create", "other", "--file", file, *options, who=RESEARCHER).one
    assert (task["id"], task["rounds"], task["privacy_required"]) == ("other", 2, False)
    assert (task["rules"]["elimination"], task["rules"]["score_time_ms"]) == ("none", 1_000)


@pytest.mark.parametrize("deadline", ['"+30d"', "2099-01-31T12:00:00", "2099-01-31T12:00:00+01:00"])
def test_deadlines_in_a_file(funded, file: Path, deadline: str) -> None:
    file.write_text(FILE.replace("2099-01-31", deadline))
    assert funded.ok("task", "create", "--file", file, who=RESEARCHER).one["deadline_ms"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("rounds = 3", "roudns = 3", "unknown key 'roudns'; did you mean 'rounds'?"),
        ("elimination", "eliminatoin", "rules: unknown key 'eliminatoin'; did you mean 'elimination'?"),
        ("rounds = 3", 'rounds = "three"', "$.rounds"),
        ("rounds = 3", "rounds = 0", "$.rounds"),
        ("2099-01-31", '"tomorrow"', "deadline"),
        ("2099-01-31", "7", "deadline"),
        ('"regression"', '"poetry"', "$.kind"),
        ('"paper"', '"lottery"', "$.elimination"),
        ("[rules]", "[rules", "task.toml"),
        ("rounds = 3", "", "a task needs --rounds"),
        ('id = "progression"', "", "a task needs an id"),
        ('id = "progression"', 'id = "../x"', "$.id"),
    ],
)
def test_a_wrong_file_says_where(funded, file: Path, old: str, new: str, reason: str) -> None:
    file.write_text(FILE.replace(old, new))
    assert reason in funded.refused("task", "create", "--file", file, who=RESEARCHER, code=2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (words(rounds=None, kind=None), "a task needs --kind, --rounds"),
        (words(deadline="soon"), "no moment"),
        (words(reward_per_round="-1"), "range"),
        (words(fingerprint="xyz"), "$.fingerprint"),
        (words(target_quality="nan"), "no number"),
        ([*words(), "--rule", "margin=5"], "unknown key 'margin'; did you mean 'margin_nano'?"),
        ([*words(), "--rule", "margin_nano=much"], "$.margin_nano"),
    ],
)
def test_usage_of_create(funded, options: list[str], reason: str) -> None:
    assert reason in funded.refused("task", "create", "t", *options, who=RESEARCHER, code=2)


def test_the_contract_has_the_last_word(funded) -> None:
    expensive = words(reward_per_round="9999")
    assert "INSUFFICIENT_CREDIT" in funded.refused("task", "create", "t", *expensive, who=RESEARCHER)
    past = words(deadline="2020-01-01")
    assert "TASK_TERMS" in funded.refused("task", "create", "t", *past, who=RESEARCHER)


def test_a_task_answers_a_request(funded) -> None:
    wanted = ["--column", "bmi=kg/m2", "--target", "progression", "--category", "diabetes"]
    asked = funded.ok("sharing", "request", "r1", *wanted, "--kind", "regression", who=RESEARCHER).one
    assert asked["outcome"] == "unknown"
    options = [*words(category=None, fingerprint=None), "--request", "GammaMSP/r1"]
    task = funded.ok("task", "create", "t", *options, who=RESEARCHER).one
    assert (task["fingerprint"], task["category"]) == (asked["fingerprint"], "diabetes")
    assert task["request_id"] == "GammaMSP/r1"
    none = [*words(category=None, fingerprint=None), "--request", "GammaMSP/r2"]
    assert "RECORD_NOT_FOUND" in funded.refused("task", "create", "t2", *none, who=RESEARCHER)


def test_tasks_are_listed_by_status_and_cancelled_by_their_requester(funded) -> None:
    for name in ("a", "b"):
        funded.ok("task", "create", name, *words(), who=RESEARCHER)
    assert "NOT_THE_OWNER" in funded.refused("task", "cancel", "a", who=ALPHA)
    assert "TASK_NOT_DUE" in funded.refused("task", "expire", "a", who=ALPHA)
    funded.ok("task", "cancel", "a", who=RESEARCHER)
    assert [task["id"] for task in funded.ok("task", "list", who=ALPHA).lines] == ["a", "b"]
    listed = funded.ok("task", "list", "--status", "open", who=ALPHA).lines
    assert [task["id"] for task in listed] == ["b"]


@pytest.fixture
def recruiting(funded, patients: Path):
    """A task that Alpha leads, with datasets, consent and deposits for everybody."""
    for mspid, node in (("AlphaMSP", ALPHA), ("BetaMSP", BETA)):
        publish = [
            "data",
            "publish",
            "patients",
            patients,
            "--category",
            "diabetes",
            "--target",
            "progression",
        ]
        funded.ok(*publish, who=node)
        consent = ["sharing", "grant", f"{mspid}/patients", "GammaMSP", "diabetes", "--expires", "+90d"]
        funded.ok(*consent, who=f"{mspid}/admin")
        funded.ok("credit", "transfer", node, "500", "--reference", "deposit", who=RESEARCHER)
    funded.ok("task", "create", "t", *words(min_mortgage="50"), who=RESEARCHER)
    return funded


def test_a_team_opens_recruits_forms_and_starts(recruiting) -> None:
    team = ["task", "team"]
    assert "MORTGAGE_TOO_LOW" in recruiting.refused(
        *team, "open", "t", "AlphaMSP/patients", "--mortgage", "99", who=ALPHA
    )
    opened = recruiting.ok(*team, "open", "t", "AlphaMSP/patients", "--mortgage", "100", who=ALPHA).one
    assert opened["leader"] == ALPHA
    applied = recruiting.ok(
        *team, "apply", "t", "BetaMSP/patients", "--mortgage", "50", "--preference", "0.75", who=BETA
    ).one
    assert applied["preference_nano"] == 750_000_000
    assessed = recruiting.ok(*team, "assess", "t", BETA, "0.5", who=ALPHA).one
    assert assessed["ability_nano"] == 500_000_000
    assert "NOT_THE_LEADER" in recruiting.refused(*team, "form", "t", who=BETA)
    assert recruiting.ok(*team, "form", "t", who=ALPHA).one["status"] == "formed"
    seats = recruiting.ok(*team, "show", "t", who=RESEARCHER).one["seats"]
    assert [seat["node"] for seat in seats] == [ALPHA, BETA]
    assert recruiting.ok("task", "appoint", "t", BETA, who=RESEARCHER).one["aggregator"] == BETA
    assert recruiting.ok(*team, "start", "t", who=ALPHA).one["status"] == "running"
    assert "NO_EVIDENCE" in recruiting.refused(*team, "slash", "t", BETA, who=ALPHA)
    assert "TEAM_FULL" in recruiting.refused(*team, "promote", "t", who=BETA)
    accused = recruiting.ok(*team, "accuse", "t", who=BETA).one
    assert (accused["leader"], accused["term"]) == (BETA, 1)


def test_a_member_may_leave(recruiting) -> None:
    team = ["task", "team"]
    recruiting.ok(*team, "open", "t", "AlphaMSP/patients", "--mortgage", "100", who=ALPHA)
    recruiting.ok(*team, "apply", "t", "BetaMSP/patients", "--mortgage", "50", who=BETA)
    recruiting.ok(*team, "form", "t", who=ALPHA)
    assert recruiting.ok(*team, "leave", "t", who=BETA).one["status"] == "left"


@pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "much"])
def test_preference_and_ability_are_between_0_and_1(fedpact, value: str) -> None:
    assess = ["task", "team", "assess", "--as", ALPHA, "--", "t", BETA, value]
    assert "no number from 0 to 1" in fedpact.refused(*assess, code=2)
