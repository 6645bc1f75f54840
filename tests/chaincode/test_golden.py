"""The chaincode's public interface against golden files; FEDPACT_UPDATE_GOLDEN=1 writes them anew.

Codes are append-only: a golden code that is gone, or means something else, fails even when updating.
"""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

import fedpact_chaincode
import fedpact_chaincode.lifecycle.codes
from fedpact_chaincode.consortium import chaincode
from fedpact_chaincode.errors import CODES, Code
from fedpact_chaincode.state import MAPS

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
SOURCES = Path(fedpact_chaincode.__file__).parent
UPDATE = os.environ.get("FEDPACT_UPDATE_GOLDEN") == "1"
CHAINCODE = chaincode()
CHAINCODE.version = "1"  # the golden metadata does not change with every line of code


def declared() -> list[Code]:
    return [CODES[number] for number in sorted(CODES)]


def compare(name: str, text: str) -> None:
    golden = GOLDEN / name
    if UPDATE:
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text(), f"{name} changed; if that is meant: FEDPACT_UPDATE_GOLDEN=1"


def test_codes_are_append_only() -> None:
    golden = GOLDEN / "codes.txt"
    kept = [line.split(" ", 3) for line in golden.read_text().splitlines()] if golden.exists() else []
    now = {str(code.number): (code.name, str(code.kind)) for code in declared()}
    altered = [number for number, name, kind, _ in kept if now.get(number) != (name, kind)]
    assert altered == [], "these numbers mean something else now, or nothing"
    compare("codes.txt", "".join(f"{c.number} {c.name} {c.kind} {c.text}\n" for c in declared()))


def test_metadata() -> None:
    document = json.loads(CHAINCODE.metadata())
    compare("metadata.json", json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def test_state_layout() -> None:
    """The prefixes and keys of all records: what a ledger that was written today is read with tomorrow."""
    mine = sorted(prefix for prefix in MAPS if not prefix.startswith("tests."))
    layout = (f"{prefix} {MAPS[prefix].record.__name__} {','.join(MAPS[prefix].key)}" for prefix in mine)
    compare("state.txt", "".join(f"{line.rstrip()}\n" for line in layout))


def test_every_transaction_and_query_is_described() -> None:
    every = [t for contract in CHAINCODE.contracts.values() for t in contract.transactions.values()]
    assert [f"{t.contract}:{t.name}" for t in every if not t.text.endswith((".", ")"))] == []


def named_in(folder: Path, pattern: str) -> set[str]:
    """What the code of these files names; neither imports nor declarations count."""
    found: set[str] = set()
    for path in folder.rglob(pattern):
        tree = ast.parse(path.read_text())
        declarations = {
            id(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "code"
            for argument in node.args
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in declarations
            ):
                found.add(node.value)
    return found


RAISED = named_in(SOURCES, "*.py")
PROVOKED = named_in(HERE, "test_*.py")


@pytest.mark.parametrize("code", declared(), ids=lambda code: code.name)
def test_every_code_is_raised_and_provoked(code: Code) -> None:
    assert code.name in RAISED, "no contract raises it"
    assert code.name in PROVOKED, "no test provokes it: `with refused(CODE): ...`"
