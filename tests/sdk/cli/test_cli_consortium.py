"""Founding, enrolling, belonging, and the council's motions."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedpact.cli.consortium import NODE_KINDS, ROLES
from fedpact.cli.council import MOTIONS
from fedpact.identity import ROLES as KNOWN_ROLES
from fedpact.ledger import inspect_ledger
from fedpact.records import NodeKind

THREE = ["--organisation=AMSP=A", "--organisation=BMSP=B", "--organisation=CMSP=C"]


def test_what_options_offer_is_what_the_contracts_know() -> None:
    from fedpact_chaincode import consortium  # noqa: F401 (declares every kind of motion)
    from fedpact_chaincode.contracts.registry.council import ENACT

    assert sorted(ENACT) == list(MOTIONS)
    assert set(ROLES) == KNOWN_ROLES
    assert [kind.value for kind in NodeKind] == list(NODE_KINDS)


def test_a_consortium_is_founded_in_one_command(bare, tmp_path: Path) -> None:
    home = tmp_path / "new" / "home with a #"
    words = ["consortium", "found", *THREE, "--home", home, "--council", "3/4", "--channel", "trial"]
    shown = bare.ok(*words).one
    assert shown["organisations"] == {"AMSP": "A", "BMSP": "B", "CMSP": "C"}
    assert shown["identities"] == ["AMSP/admin", "BMSP/admin", "CMSP/admin"]
    assert bare.ok("consortium", "show", "--home", home).one == shown
    members = bare.ok("consortium", "members", "--home", home, who="CMSP/admin").lines
    assert [member["mspid"] for member in members] == ["AMSP", "BMSP", "CMSP"]
    ledger = inspect_ledger(str(shown["url"]))
    assert ledger.channel_id == "trial"
    ledger.close()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "--organisation"),
        (["--organisation=AMSP"], "NAME=VALUE"),
        ([*THREE, "--organisation=AMSP=Other"], "same MSP id"),
        (["--organisation=A/B=x"], "MSP id"),
        ([*THREE, "--channel", "UPPER"], "channel_id"),
        ([*THREE, "--endorsement", "SOME Endorsement"], "OutOf(n, ...)"),
        ([*THREE, "--council", "1/3"], "2/3"),
        ([*THREE, "--council", "3/3"], "2/3"),
        ([*THREE, "--council", "most"], "2/3"),
    ],
)
def test_what_founders_cannot_agree_on_makes_nothing(bare, tmp_path: Path, words, reason: str) -> None:
    home = tmp_path / "home"
    assert reason in bare.refused("consortium", "found", *words, "--home", home, code=2)
    assert not home.exists() or list(home.iterdir()) == []


def test_a_home_is_founded_once(fedpact) -> None:
    before = (fedpact.home / "consortium.json").read_bytes()
    assert "holds a consortium already" in fedpact.refused("consortium", "found", *THREE)
    assert (fedpact.home / "consortium.json").read_bytes() == before


def test_an_enrolled_identity_is_shown_without_its_key(fedpact) -> None:
    shown = fedpact.ok("consortium", "enrol", "AlphaMSP/nurse", "--role", "validator").one
    assert (shown["id"], shown["role"]) == ("AlphaMSP/nurse", "validator")
    assert "BEGIN CERTIFICATE" in str(shown["certificate"])
    assert "PRIVATE" not in str(shown)


def test_an_identity_is_replaced_only_if_asked(fedpact) -> None:
    first = fedpact.ok("consortium", "enrol", "AlphaMSP/nurse").one
    assert "--renew" in fedpact.refused("consortium", "enrol", "AlphaMSP/nurse")
    second = fedpact.ok("consortium", "enrol", "AlphaMSP/nurse", "--renew").one
    assert first["certificate"] != second["certificate"]


@pytest.mark.parametrize("identity", ["AlphaMSP", "AlphaMSP/", "/x", "DeltaMSP/x"])
def test_an_identity_belongs_to_a_known_organisation(fedpact, identity: str) -> None:
    assert "AlphaMSP, BetaMSP" in fedpact.refused("consortium", "enrol", identity, code=2)


def test_a_name_that_no_certificate_can_carry_is_refused(fedpact) -> None:
    assert "BAD_NAME" in fedpact.refused("consortium", "enrol", "AlphaMSP/a/b")


def test_where_an_authority_was_moved_away_nobody_is_enrolled_but_all_else_works(fedpact) -> None:
    (fedpact.home / "authorities" / "BetaMSP").rename(fedpact.home / "beta-took-it")
    assert "authority of BetaMSP" in fedpact.refused("consortium", "enrol", "BetaMSP/x")
    fedpact.ok("consortium", "enrol", "AlphaMSP/x")
    fedpact.ok("consortium", "members", who="BetaMSP/admin")


def test_nodes_register_themselves(fedpact) -> None:
    words = ["consortium", "register-node", "--kind", "aggregator", "--endpoint", "tcp://a:1"]
    assert fedpact.ok(*words, who="GammaMSP/admin").one["kind"] == "aggregator"
    nodes = fedpact.ok("consortium", "nodes", who="AlphaMSP/node").lines
    assert [node["id"] for node in nodes] == ["AlphaMSP/node", "BetaMSP/node", "GammaMSP/admin"]


def test_the_council_issues_credit_with_the_deciding_vote(fedpact) -> None:
    propose = ["consortium", "propose", "funds", "issue_credit", "AlphaMSP/node", "--amount", "250"]
    assert fedpact.ok(*propose, who="AlphaMSP/admin").one["status"] == "open"
    voted = [
        fedpact.ok("consortium", "vote", "AlphaMSP/funds", "--approve", who=f"{mspid}/admin").one["status"]
        for mspid in ("AlphaMSP", "BetaMSP", "GammaMSP")
    ]
    assert voted == ["open", "open", "passed"]
    assert fedpact.ok("credit", "account", "AlphaMSP/node", who="BetaMSP/node").one["balance"] == 250
    standing = fedpact.ok("consortium", "motion", "AlphaMSP/funds", who="AlphaMSP/node").one
    assert [vote["mspid"] for vote in standing["votes"]] == ["AlphaMSP", "BetaMSP", "GammaMSP"]


def test_a_minority_rejects(fedpact) -> None:
    fedpact.ok(
        "consortium",
        "propose",
        "new",
        "admit_organisation",
        "DeltaMSP",
        "--detail",
        "Delta",
        who="BetaMSP/admin",
    )
    fedpact.ok("consortium", "vote", "BetaMSP/new", "--reject", who="GammaMSP/admin")
    motions = fedpact.ok("consortium", "motions", who="AlphaMSP/node").lines
    assert [(motion["id"], motion["status"]) for motion in motions] == [("BetaMSP/new", "rejected")]


def test_what_the_contract_refuses_exits_with_1_and_its_code(fedpact) -> None:
    propose = ["consortium", "propose", "funds", "issue_credit", "AlphaMSP/node", "--amount", "250"]
    assert "ROLE_REQUIRED" in fedpact.refused(*propose, who="AlphaMSP/node")
    fedpact.ok(*propose, who="AlphaMSP/admin")
    assert "RECORD_EXISTS" in fedpact.refused(*propose, who="AlphaMSP/admin")
    fedpact.ok("consortium", "vote", "AlphaMSP/funds", "--approve", who="AlphaMSP/admin")
    again = fedpact.refused("consortium", "vote", "AlphaMSP/funds", "--approve", who="AlphaMSP/admin")
    assert "VOTED_ALREADY" in again
    assert "RECORD_NOT_FOUND" in fedpact.refused("consortium", "motion", "AlphaMSP/none", who="AlphaMSP/node")


def test_usage_of_motions(fedpact) -> None:
    wrong = ["consortium", "propose", "x", "issue_money", "AlphaMSP"]
    assert "issue_credit" in fedpact.refused(*wrong, who="AlphaMSP/admin", code=2)
    assert "--approve or --reject" in fedpact.refused(
        "consortium", "vote", "AlphaMSP/x", who="AlphaMSP/admin", code=2
    )
