"""The house rules that a program can check."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "chaincode": "fedpact_chaincode",
    "sdk": "fedpact",
    "network": "fedpact_network",
    "flower_strategies": "fedpact_flower",
    "loadtest": "fedpact_loadtest",
}
MAX_LINES = 300
MAX_FUNCTION_LINES = 60
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS]


def contracts() -> list[Path]:
    code = ROOT / "chaincode" / "fedpact_chaincode"
    return [
        path
        for path in sources()
        if path.is_relative_to(code / "contracts") or path.is_relative_to(code / "rules")
    ]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check() -> None:
    assert len(sources()) > 20
    assert len(contracts()) > 8


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_holds_a_readme_and_one_package(room: str) -> None:
    held = {path.name for path in (ROOT / room).iterdir() if not path.name.startswith((".", "__"))}
    assert held == {"README.md", ROOMS[room]}
    assert (ROOT / room / ROOMS[room] / "py.typed").exists()


def test_files_are_short() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_vague_module_names() -> None:
    assert [str(path) for path in sources() if path.stem in VAGUE_NAMES] == []


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_no_pickle() -> None:
    banned = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    assert {str(path): found for path in sources() if (found := imported(path) & banned)} == {}
    assert [str(path) for path in sources() if "torch.load(" in path.read_text()] == []


def test_contracts_have_no_clock_random_environment_or_io() -> None:
    banned = {
        "time",
        "datetime",
        "random",
        "secrets",
        "os",
        "io",
        "socket",
        "pathlib",
        "numpy",
        "math",
        "uuid",
    }
    assert {str(path): found for path in contracts() if (found := imported(path) & banned)} == {}


def test_contracts_have_no_floats() -> None:
    floats = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in contracts()
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
        or (isinstance(node, ast.Name) and node.id == "float")
    ]
    assert floats == []


def test_flower_internals_are_imported_in_one_module() -> None:
    private = re.compile(r"flwr\.(supercore|common|server\b|client\b|proto|simulation)")
    users = [path.name for path in sources() if private.search(path.read_text())]
    assert users == ["flower_internals.py"]


def test_nothing_unfinished() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError|not implemented yet")
    mine = Path(__file__).name
    assert [
        str(p) for p in tracked() if p.suffix == ".py" and p.name != mine and words.search(p.read_text())
    ] == []


def test_no_machine_paths_and_no_registry_addresses() -> None:
    paths = re.compile(r"(^|[^a-zA-Z.])/(wor" + r"k|roo" + r"t|far" + r"m)/")
    registry = re.compile(r"(index-url|registry)[\"' =:]+https?://|files\.pythonhosted")
    text = [path for path in tracked() if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".sh", ""}]
    assert [str(path) for path in text if paths.search(path.read_text(errors="replace"))] == []
    assert [str(path) for path in text if registry.search(path.read_text(errors="replace"))] == []
    assert not (ROOT / "uv.lock").exists()


def test_no_sleeping_tests() -> None:
    sleeping = re.compile(r"\b(time|asyncio)\.sleep\(")
    tests = [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]
    mine = Path(__file__)
    assert [str(path) for path in tests if path != mine and sleeping.search(path.read_text())] == []
