"""Processes of a benchmark: a JSON object a line goes in, one comes back."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_END_S = 30.0
_SHOWN = 2000


class ChildError(Exception):
    """A process of the benchmark ended before its time; the message has the end of what it wrote."""


class Child:
    """A process that answers every line; it ends when its input does, or 30 s later by force.

    Parameters
    ----------
    command : program and arguments.

    Attributes
    ----------
    pid : of the process.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )
        self.pid = self._process.pid

    def send(self, message: Any) -> None:
        """Write a line; what was written by a process that is gone is told by `receive`."""
        stdin = self._process.stdin
        if stdin is None:
            raise ChildError("there is no pipe")
        try:
            stdin.write(msgspec.json.encode(message) + b"\n")
            stdin.flush()
        except BrokenPipeError:
            pass

    def receive(self, kind: type[T]) -> T:
        """Wait for a line.

        Raises
        ------
        ChildError
            The process has ended.
        """
        line = b"" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            self._process.wait(_END_S)
            raise ChildError(f"a process of the benchmark ended: {self._said()}")
        return msgspec.json.decode(line, type=kind)

    def ask(self, message: Any, kind: type[T]) -> T:
        """Write a line and wait for the answer; errors as of `receive`."""
        self.send(message)
        return self.receive(kind)

    def close(self) -> None:
        """Let the process end; more than once is allowed."""
        with self._errors:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-_SHOWN:].strip()
