"""What an installation promises: a light import, complete public names, and no need of what is optional."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest

import fedpact
from fedpact.cli.main import NOUNS
from fedpact.ledger import GROUP

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BASE_ROOMS = {
    "fedpact": ROOT / "sdk",
    "fedpact_chaincode": ROOT / "chaincode",
    "fedpact_network": ROOT / "network",
}
ALL_ROOMS = {
    **BASE_ROOMS,
    "fedpact_flower": ROOT / "flower_strategies",
    "fedpact_loadtest": ROOT / "loadtest",
}
HEAVY = {
    "cryptography",
    "fabric_protos",
    "flwr",
    "fsspec",
    "google",
    "grpc",
    "matplotlib",
    "mpmath",
    "numpy",
    "pytest",
    "rich",
    "safetensors",
    "sklearn",
    "sqlalchemy",
    "torch",
}
SUITE = ROOT / "sdk" / "fedpact" / "testing"
ARRAYS = {ROOT / "sdk" / "fedpact" / room for room in ("models", "datasets")}


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def modules(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after some code."""
    loaded = json.loads(run(f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"))
    return {name.partition(".")[0] for name in loaded}


def sources(rooms: dict[str, Path]) -> Iterator[Path]:
    for package, room in rooms.items():
        yield from (room / package).rglob("*.py")


def imports(path: Path, *, at_the_top: bool = False) -> set[str]:
    """Return the top-level names of what a module imports; `TYPE_CHECKING` blocks do not count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and at_the_top
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if not inside and not typing_only:
            waiting += ast.iter_child_nodes(node)
    return found


def distribution(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    [name] = re.findall(r"^[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", str(name)).lower()


def foreign(names: set[str]) -> set[str]:
    """Return the distributions behind imported names; the standard library and ours are none."""
    rest = names - set(sys.stdlib_module_names) - set(ALL_ROOMS) - {"google"}
    return {distribution(found) for name in rest for found in INSTALLED.get(name, [name])}


INSTALLED = packages_distributions()
BASE = {distribution(requirement) for requirement in PROJECT["dependencies"]}
OPTIONAL = {
    distribution(requirement)
    for extra in PROJECT["optional-dependencies"].values()
    for requirement in extra
    if not requirement.startswith("fedpact[")
}


def test_importing_fedpact_loads_nothing_heavy() -> None:
    assert modules("import fedpact") & HEAVY == set()


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    start = (
        "from click.testing import CliRunner\n"
        "from fedpact.cli.main import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0"
    )
    assert modules(start) & HEAVY == set()


def test_the_backend_is_found_without_its_database() -> None:
    find = "from fedpact.ledger import find_backend\nfind_backend('embedded:///ledger.db')"
    assert modules(find) & {"sqlalchemy", "grpc", "numpy", "torch", "flwr"} == set()


@pytest.mark.parametrize("name", fedpact.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    found = getattr(fedpact, name)
    assert not inspect.ismodule(found)
    assert found.__module__.partition(".")[0] in {"fedpact", "fedpact_chaincode"}
    assert inspect.getdoc(found)
    assert name in dir(fedpact)


def test_public_names_mean_the_same_whatever_was_imported_before() -> None:
    """A subpackage that is imported becomes an attribute of its parent: it must not be called like a name."""
    everything = "\n".join(f"import {name}" for name in submodules("fedpact"))
    taken = "print(*[name for name in fedpact.__all__ if inspect.ismodule(getattr(fedpact, name))])"
    assert run(f"import inspect, fedpact\n{everything}\n{taken}").split() == []


def test_type_checkers_know_the_same_names() -> None:
    tree = ast.parse(Path(inspect.getfile(fedpact)).read_text())
    [block] = [n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    known = {alias.asname or alias.name for node in block.body for alias in getattr(node, "names", [])}
    assert known == set(fedpact.__all__)
    assert list(fedpact.__all__) == sorted(fedpact.__all__)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = fedpact.nonsense


def submodules(package: str) -> list[str]:
    """Return the packages below a package that need nothing optional."""
    root = ALL_ROOMS[package]
    return sorted(
        ".".join(path.parent.relative_to(root).parts)
        for path in (root / package).rglob("__init__.py")
        if path.parent != root / package and SUITE not in (path.parent, *path.parents)
    )


@pytest.mark.parametrize("path", sorted(sources(ALL_ROOMS)), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("package", [name for room in BASE_ROOMS for name in [room, *submodules(room)]])
def test_what_a_package_offers_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None


def test_the_base_needs_its_dependencies_only() -> None:
    """What is optional is imported where it is used, and nothing is used that is not declared."""
    suite = set(SUITE.rglob("*.py"))
    at_the_top = {path: foreign(imports(path, at_the_top=True)) - BASE for path in sources(BASE_ROOMS)}
    for path, names in at_the_top.items():
        if path.parent in ARRAYS and path.name != "__init__.py":
            names.discard("numpy")  # its packages import these modules on first use
        if "migrations" in path.parts:
            names.discard("alembic")  # runs them, nobody else does
    anywhere = {path: foreign(imports(path)) - BASE - OPTIONAL for path in sources(BASE_ROOMS)}
    assert {path: names for path, names in at_the_top.items() if names and path not in suite} == {}
    assert {path: names for path, names in anywhere.items() if names and path not in suite} == {}


def test_only_the_suite_for_backends_needs_pytest() -> None:
    users = {path for path in sources(ALL_ROOMS) if "pytest" in imports(path)}
    assert users
    assert {path for path in users if SUITE not in path.parents} == set()
    assert [path for path in sources(ALL_ROOMS) if "fedpact.testing" in path.read_text()] == [
        path for path in sources(ALL_ROOMS) if SUITE in path.parents and "fedpact.testing" in path.read_text()
    ]


def test_neither_the_base_nor_the_demonstration_needs_torch_or_pytest() -> None:
    """The lock of the demonstration holds everything that base and demonstration need."""
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "demo.txt").read_text(), re.MULTILINE)
    names = {distribution(name) for name in locked}
    assert names >= BASE
    assert names & {"torch", "pytest"} == set()
    assert BASE & {"torch", "flwr", "numpy", "scikit-learn", "locust", "pytest"} == set()


def test_entry_points_resolve() -> None:
    assert {point.name for point in entry_points(group=GROUP)} >= {"embedded"}
    for point in entry_points(group=GROUP):
        assert point.load()
    [command] = entry_points(group="console_scripts", name="fedpact")
    assert callable(command.load())


def test_every_noun_is_there() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "fedpact.cli", "--help"], check=True, capture_output=True, text=True
    )
    assert [noun for noun in NOUNS if noun not in shown.stdout] == []
