"""The reference in docs/ is what the commands say."""

from pathlib import Path

from fedpact.cli.reference import commands, reference

DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == reference(), "python -m fedpact.cli.reference > docs/cli.md"


def test_every_command_has_a_section() -> None:
    headings = {line.lstrip("# ") for line in reference().splitlines() if line.startswith("#")}
    assert {path for path, _ in commands()} <= headings
