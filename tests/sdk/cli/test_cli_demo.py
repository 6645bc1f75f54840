"""What `fedpact demo` refuses before it begins; the run itself is tested where it lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedpact.cli.demo import DATASETS
from fedpact.datasets import NAMES


def test_what_it_offers_is_what_there_is() -> None:
    assert sorted(DATASETS) == sorted(NAMES)


def test_a_consortiums_home_is_never_replaced(fedpact) -> None:
    before = sorted(path.name for path in fedpact.home.rglob("*"))
    assert "neither empty nor an earlier" in fedpact.refused("demo", "--home", fedpact.home, code=2)
    assert sorted(path.name for path in fedpact.home.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--dataset", "iris"],
        ["--epsilon", "0"],
        ["--epsilon", "nan"],
        ["--delta", "1"],
        ["--rounds", "1"],
        ["--hospitals", "3"],
    ],
)
def test_usage_of_demo(bare, tmp_path: Path, words: list[str]) -> None:
    home = tmp_path / "demo"
    assert "Invalid value" in bare.refused("demo", "--home", home, *words, code=2)
    assert not home.exists()


def test_a_missing_extra_is_named(bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'flwr'", name="flwr.simulation")

    monkeypatch.setattr("fedpact.cli.demo._clear", missing)
    assert "fedpact[demo]" in bare.refused("demo", "--home", tmp_path / "demo")
