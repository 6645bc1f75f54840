"""The example in chaincode/README.md runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fedpact_chaincode
from fedpact_chaincode.consortium import chaincode

SOURCES = Path(fedpact_chaincode.__file__).parent
README = (SOURCES.parent / "README.md").read_text()


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 (it is our own text)
    assert "AlphaMSP" in capsys.readouterr().out


def test_every_file_and_contract_is_named() -> None:
    files = {path.name for path in SOURCES.glob("*.py")} - {"__init__.py"}
    assert {name for name in files if f"`{name}`" not in README} == set()
    contracts = re.findall(r"^\| `([a-z]+)` \| \d+-\d+ \|", README, flags=re.MULTILINE)
    assert set(chaincode().contracts) <= set(contracts)
