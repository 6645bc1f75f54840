"""Accounts and budgets from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

NODE = "AlphaMSP/node"


@pytest.fixture
def rich(fedpact):
    fedpact.carry("funds", "issue_credit", NODE, "--amount", "1000")
    return fedpact


def test_paying_and_the_books(rich) -> None:
    paid = rich.ok("credit", "transfer", "BetaMSP/node", "300", "--reference", "thanks", who=NODE).one
    assert (paid["id"], paid["balance"]) == (NODE, 700)
    assert rich.ok("credit", "account", "BetaMSP/node", who=NODE).one["balance"] == 300
    entries = rich.ok("credit", "entries", who=NODE).lines
    assert [(entry["amount"], entry["balance_after"]) for entry in entries] == [(1000, 1000), (-300, 700)]
    assert [entry["reference"] for entry in entries] == ["AlphaMSP/funds", "thanks"]
    assert rich.ok("credit", "entries", NODE, "--from", "1", who="BetaMSP/node").lines == entries[1:]
    supply = rich.ok("credit", "supply", who=NODE).one
    assert (supply["issued"], supply["held"], supply["conserved"]) == (1000, 1000, True)


def test_an_administrator_pays_from_an_account_of_the_organisation(rich) -> None:
    words = ["credit", "transfer", "AlphaMSP", "5", "--from", NODE]
    assert rich.ok(*words, who="AlphaMSP/admin").one["balance"] == 995
    assert "NOT_THE_OWNER" in rich.refused(*words, who="BetaMSP/admin")


def test_all_entries_are_listed_however_many_pages(rich) -> None:
    from fedpact.consortium.connecting import connect
    from fedpact.consortium.founding import Consortium

    consortium = Consortium.open(rich.home)
    with connect(consortium.url, identity=consortium.identity(NODE)) as session:
        for number in range(110):
            session.credit.transfer("BetaMSP", 1, reference=str(number))
    numbers = [entry["sequence"] for entry in rich.ok("credit", "entries", who=NODE).lines]
    assert numbers == list(range(111))


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["BetaMSP", "0"], 2, "range"),
        (["BetaMSP", "1.5"], 2, "integer"),
        (["BetaMSP", "1001"], 1, "INSUFFICIENT_CREDIT"),
        (["escrow:x", "1"], 1, "RESERVED_ACCOUNT"),
        (["DeltaMSP", "1"], 1, "UNKNOWN_ORGANISATION"),
    ],
)
def test_what_cannot_be_paid(rich, words: list[str], code: int, reason: str) -> None:
    assert reason in rich.refused("credit", "transfer", *words, who=NODE, code=code)


@pytest.fixture
def dataset(fedpact, patients: Path) -> str:
    words = ["--category", "diabetes", "--target", "progression"]
    return str(fedpact.ok("data", "publish", "patients", patients, *words, who=NODE).one["id"])


def test_a_budget_is_granted_amended_and_shown(fedpact, dataset: str) -> None:
    budget = ["--epsilon", "8", "--delta", "1e-5"]
    granted = fedpact.ok("privacy", "grant", dataset, "GammaMSP", *budget, who=NODE).one
    assert (granted["epsilon_nano"], granted["delta_pico"]) == (8 * 10**9, 10**7)
    assert "RECORD_EXISTS" in fedpact.refused("privacy", "grant", dataset, "GammaMSP", *budget, who=NODE)
    fedpact.ok("privacy", "amend", dataset, "GammaMSP", "--epsilon", "9.5", who=NODE)
    shown = fedpact.ok("privacy", "show", dataset, "GammaMSP", who="GammaMSP/admin").one
    assert (shown["spent_nano"], shown["remaining_nano"]) == (0, 9_500_000_000)
    assert fedpact.ok("privacy", "charges", dataset, "GammaMSP", who=NODE).out == ""
    assert "NOT_THE_OWNER" in fedpact.refused(
        "privacy", "amend", dataset, "GammaMSP", *budget, who="BetaMSP/node"
    )


@pytest.mark.parametrize(
    "budget",
    [[], ["--epsilon", "0"], ["--epsilon", "inf"], ["--epsilon", "nan"], ["--epsilon", "1", "--delta", "1"]],
)
def test_usage_of_budgets(fedpact, budget: list[str]) -> None:
    words = ["privacy", "grant", "AlphaMSP/patients", "GammaMSP", *budget]
    assert "epsilon" in fedpact.refused(*words, who=NODE, code=2) or "--delta" in budget
