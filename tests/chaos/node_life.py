"""Starting, killing and closing a node's process."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from queue import Empty, Queue
from types import TracebackType
from typing import Self

from tests.chaos.founding import ROOT, Place, environment

START_S = 60.0


class NodeLife:
    """One life of a node.

    Parameters
    ----------
    place : of its consortium.
    checkpoint_bytes : size of the write-ahead log at which it is folded in.
    door : `local`, `grpc` or `batched`.
    env : further environment variables.
    """

    def __init__(
        self,
        place: Place,
        *,
        checkpoint_bytes: int = 256 << 10,
        door: str = "local",
        env: dict[str, str] | None = None,
    ) -> None:
        self._log = (place.folder / "node.log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.chaos.node_process",
                str(place.folder),
                str(checkpoint_bytes),
                door,
            ],
            cwd=ROOT,
            env=environment(place.folder, **(env or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def answer(self, timeout_s: float = START_S) -> list[str]:
        """Return the words of the process's next line; none where it said nothing more, or not in time."""
        with contextlib.suppress(Empty):
            return self._lines.get(timeout=timeout_s).split(maxsplit=2)
        return []

    def kill(self) -> None:
        """End it as a power cut of the process would: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self._end()

    def close(self, timeout_s: float = 60.0) -> list[str]:
        """Let it close in order; return its last words."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        said = self.answer(timeout_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        self.kill()
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        for line in stream:
            self._lines.put(line)
        self._lines.put("")

    def _end(self) -> None:
        self.process.wait()
        self._reading.join()
        for stream in (self.process.stdin, self.process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
