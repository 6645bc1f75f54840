"""The chaincode's version follows its code, and nothing else."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

import fedpact_chaincode
from fedpact_chaincode import consortium
from fedpact_chaincode.code_hash import code_version

SOURCES = Path(fedpact_chaincode.__file__).parent


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SOURCES, tmp_path / "elsewhere" / "copy"))


def version_of(folder: Path) -> str:
    code_version.cache_clear()
    return code_version(consortium.RELEASE, folder, frozenset({"lifecycle", "testing.py", "memory_stub.py"}))


def test_the_version_is_one_that_fabric_takes() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.+-]+", consortium.version())
    assert re.fullmatch(r"0\.1\.0\+sha256\.[0-9a-f]{64}", consortium.version())
    assert consortium.chaincode().version == consortium.version()


def test_the_release_is_the_packages() -> None:
    project = tomllib.loads((SOURCES.parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == consortium.RELEASE


def test_neither_place_nor_line_endings_nor_other_files_matter(copied: Path) -> None:
    for path in copied.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (copied / "notes.txt").write_text("not code")
    for beside in ("testing.py", "memory_stub.py"):
        (copied / beside).write_text("# other tests")
    (copied / "lifecycle" / "more.py").write_text("# the node's")
    (copied / "__pycache__").mkdir(exist_ok=True)
    assert version_of(copied) == consortium.version()


def test_every_line_of_the_code_matters(copied: Path) -> None:
    seen = {consortium.version()}
    rules = copied / "rules" / "quality.py"
    rules.write_text(rules.read_text() + "\n# a comment is code, too\n")
    seen.add(version_of(copied))
    rules.rename(copied / "rules" / "quality2.py")
    seen.add(version_of(copied))
    (copied / "extra.py").write_text("")
    seen.add(version_of(copied))
    assert len(seen) == 4


def test_no_code_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Python source"):
        version_of(tmp_path)
