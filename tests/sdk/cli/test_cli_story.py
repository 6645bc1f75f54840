"""One consortium from its founding to a funded task, every step a process of its own, as people run it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest


@pytest.mark.slow
def test_from_founding_to_a_funded_task(process, tmp_path: Path) -> None:
    home = tmp_path / "home"
    table = tmp_path / "patients.csv"
    table.write_text("age,bmi,progression\n59,32.1,151\n48,21.6,75\n")

    def run(*words: str, who: str = "", code: int = 0):
        answer = process(*words, FEDPACT_HOME=str(home), FEDPACT_AS=who)
        assert answer.code == code, answer.err
        return answer

    names = [f"--organisation={mspid}={mspid[:-3]}" for mspid in ("OneMSP", "TwoMSP", "ThreeMSP")]
    run("consortium", "found", *names)
    run("consortium", "enrol", "OneMSP/node")
    run("consortium", "register-node", who="OneMSP/node")
    profile = ["--category", "diabetes", "--target", "progression", "--unit", "bmi=kg/m2"]
    run("data", "publish", "patients", str(table), *profile, who="OneMSP/node")
    wanted = ["--column", "age", "--column", "bmi=kg/m2", "--target", "progression"]
    [found] = run("retrieval", "search", *wanted, who="TwoMSP/admin").lines
    assert found["dataset_id"] == "OneMSP/patients"
    run("sharing", "grant", "OneMSP/patients", "TwoMSP", "diabetes", "--expires", "+1w", who="OneMSP/node")
    issue = ["funds", "issue_credit", "TwoMSP/admin", "--amount", "1000"]
    run("consortium", "propose", *issue, who="TwoMSP/admin")
    for mspid in ("OneMSP", "TwoMSP", "ThreeMSP"):
        run("consortium", "vote", "TwoMSP/funds", "--approve", who=f"{mspid}/admin")
    terms = tmp_path / "task.toml"
    terms.write_text(
        f'fingerprint = "{"ab" * 32}"\ncategory = "diabetes"\nkind = "regression"\nrounds = 5\n'
        'deadline = "+1w"\nreward_per_round = 100\nteam_size = 2\n'
    )
    run("task", "create", "t1", "--file", str(terms), who="TwoMSP/admin")
    assert run("credit", "account", who="TwoMSP/admin").one["balance"] == 500
    refused = run("task", "create", "t1", "--file", str(terms), who="TwoMSP/admin", code=1)
    assert refused.err.startswith("error: RECORD_EXISTS")
    terms.write_text("roudns = 5\n")
    wrong = run("task", "create", "t2", "--file", str(terms), who="TwoMSP/admin", code=2)
    assert "did you mean 'rounds'?" in wrong.err
    assert run("audit").one["ok"]
    with sqlite3.connect(home / "ledger.db") as database:
        rich = "update state set value = cast(replace(cast(value as text), '500', '900') as blob)"
        database.execute(f"{rich} where instr(key, 'credit.account')")
    database.close()
    assert {finding["check"] for finding in run("audit", code=1).one["findings"]} == {"STATE_ROW"}
