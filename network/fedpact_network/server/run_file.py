"""The file beside a ledger's database that tells which process serves it, and where."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fedpact_network.server.errors import ServerError

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a serving process says about itself.

    Attributes
    ----------
    url : of its ledger, without password.
    pid : its process id.
    started : when the process began, in the system's ticks; with the id it names one process for good.
    address : `host:port` of its gRPC services.
    operations : `host:port` of its endpoint for operators; empty without one.
    """

    url: str
    pid: int
    started: int
    address: str
    operations: str

    @classmethod
    def of_this_process(cls, url: str, address: str, operations: str) -> RunFile:
        """Describe this process."""
        return cls(url, os.getpid(), _started(os.getpid()) or 0, address, operations)

    @classmethod
    def read(cls, path: Path, url: str) -> RunFile:
        """Read what `write` wrote.

        Raises
        ------
        ServerError
            NOT_SERVED, if there is no file, it is another ledger's, or its process is gone.
        """
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise ServerError("NOT_SERVED", f"no process serves {url}") from None
        if found.url != url or _started(found.pid) != found.started:
            raise ServerError("NOT_SERVED", f"the process that served {url} is gone")
        return found

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; readable by its owner only."""
        draft = path.with_name(f"{path.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(path)

    def remove(self, path: Path) -> None:
        """Remove the file if it is still this process's."""
        try:
            if json.loads(path.read_text(encoding="utf-8")) == asdict(self):
                path.unlink()
        except (OSError, ValueError):
            pass

    def stop(self, wait_s: float) -> None:
        """Ask the process to stop and wait until it has.

        Raises
        ------
        ServerError
            NOT_STOPPED, if it still runs after `wait_s` seconds, or belongs to somebody else.
        """
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise ServerError("NOT_STOPPED", f"process {self.pid} belongs to somebody else") from error
        deadline_s = time.monotonic() + wait_s
        pause = threading.Event()
        while _started(self.pid) == self.started:
            if time.monotonic() > deadline_s:
                raise ServerError("NOT_STOPPED", f"process {self.pid} still runs after {wait_s:g} s")
            pause.wait(_POLL_S)


def _started(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine's start; None if it does not run."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
