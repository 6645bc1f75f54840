"""The base does without numpy: a consortium is founded, served and audited where it cannot be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = "import sys\nsys.modules['numpy'] = None\n"
STORY = """
from fedpact import connect, found
from fedpact.records import Form, NodeKind
from fedpact.retrieval import label_histogram, table_profile

consortium, ledger = found("home", {"AlphaMSP": "Alpha Hospital", "BetaMSP": "Beta Institute"})
with connect(ledger, identity=consortium.enrol("AlphaMSP", "admin", role="admin")) as chair:
    chair.council.found(consortium.organisations)
key = consortium.retrieval_key
alpha = connect(ledger, identity=consortium.enrol("AlphaMSP", "node", role="member"), retrieval_key=key)
alpha.council.register_node(NodeKind.PROVIDER)
labels = label_histogram([75, 151], edges=[100])
profile = table_profile({"age": "", "bmi": "kg/m2"}, "progression", labels=labels)
alpha.data.publish("patients", profile, category="diabetes", form=Form.TABULAR, rows=442)
beta = connect(ledger, identity=consortium.enrol("BetaMSP", "node", role="member"), retrieval_key=key)
print(*[match.dataset_id for match in beta.retrieval.search(table_profile({"bmi": ""}, "progression"))])
print(beta.audit.run().ok)
ledger.close()
"""
COMMANDS = """
from click.testing import CliRunner
from fedpact.cli.main import NOUNS, cli

def run(*words, who=""):
    answer = CliRunner().invoke(cli, words, env={"FEDPACT_HOME": "home", "FEDPACT_AS": who})
    assert answer.exit_code == 0, (words, answer.output, answer.exception)
    return answer.output

for noun in NOUNS:
    run(noun, "--help")
run("consortium", "found", "--organisation=OneMSP=One", "--organisation=TwoMSP=Two")
run("consortium", "enrol", "OneMSP/node")
run("consortium", "register-node", who="OneMSP/node")
with open("patients.csv", "w") as file:
    file.write("age,bmi,progression\\n59,32.1,151\\n48,21.6,75\\n")
about = ["--category", "diabetes", "--target", "progression", "--edges", "100"]
run("data", "publish", "patients", "patients.csv", *about, who="OneMSP/node")
print(run("retrieval", "search", "--column", "bmi", "--target", "progression", who="TwoMSP/admin"))
run("audit")
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which importing numpy fails."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_consortium_shares_searches_and_audits(tmp_path: Path) -> None:
    done = run(STORY, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["AlphaMSP/patients", "True"]


def test_the_command_line_publishes_searches_and_audits(tmp_path: Path) -> None:
    done = run(COMMANDS, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OneMSP/patients" in done.stdout


@pytest.mark.parametrize(
    "use", ["fedpact.ModelStore", "fedpact.models.encode_tensors", "fedpact.datasets.load"]
)
def test_what_needs_arrays_names_the_extra(use: str, tmp_path: Path) -> None:
    done = run(f"import fedpact, fedpact.models, fedpact.datasets\n{use}", tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "EXTRA_MISSING" in last
    assert "install fedpact[models]" in last


def test_a_store_that_cannot_be_opened_gives_its_ledger_back(tmp_path: Path) -> None:
    """Founded here, opened twice: a ledger that stays open would be busy the second time."""
    code = """
from fedpact import connect, found
from fedpact.models import ModelCode, ModelError

consortium, ledger = found("home", {"AlphaMSP": "Alpha", "BetaMSP": "Beta"})
admin, url = consortium.enrol("AlphaMSP", "admin", role="admin"), ledger.url
ledger.close()
try:
    connect(url, identity=admin, models="store")
except ModelError as error:
    assert error.code is ModelCode.EXTRA_MISSING, error
from fedpact.ledger import open_ledger
open_ledger(url).close()
with connect(url, identity=admin) as session:
    print(session.models)
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None"]
