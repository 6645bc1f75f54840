"""The README's example runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "sdk" / "README.md"


def test_the_example_runs(tmp_path):
    [example] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found, audited = done.stdout.splitlines()
    assert "AlphaMSP/patients" in found
    assert audited == "True"


def test_every_package_is_described():
    package = README.parent / "fedpact"
    parts = {f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").exists()}
    parts |= {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    rows = re.findall(r"^\| (`.*?`) \|", README.read_text(), re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert parts <= described
