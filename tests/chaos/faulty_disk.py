"""A disk that fails on command, and what a power cut would leave of it; see `faults.c`, which does it."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from tests.chaos.founding import Place

SOURCE = Path(__file__).with_name("faults.c")
FOR_EVER = 2**31 - 1
_NUMBERS = struct.Struct("7i")
_SYNC, _WRITE, _LEFT, _FAILED, _TO_COME, _FLUSHED, _TRUST = range(7)


def compiled(folder: Path) -> Path:
    """Compile the layer; skip the test where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: faults cannot be put between the node and its disk")
    library = folder / "faults.so"
    flags = ("-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library))
    subprocess.run([compiler, *flags, str(SOURCE), "-ldl", "-lpthread"], check=True)
    return library


class FaultyDisk:
    """The disk below one consortium's folder; it works until told otherwise.

    Parameters
    ----------
    place : founded, its ledger closed.
    library : as `compiled`.
    """

    def __init__(self, place: Place, library: Path) -> None:
        self._place = place
        self._library = library
        self._image = place.folder / "image"
        self._image.mkdir()
        shutil.copy(place.ledger_file, self._image)
        control = place.folder / "control"
        control.write_bytes(_NUMBERS.pack(0, 0, 0, 0, FOR_EVER, 0, 1))
        with control.open("r+b") as stream:
            self._control = mmap.mmap(stream.fileno(), _NUMBERS.size)

    @property
    def env(self) -> dict[str, str]:
        """What a node's process needs in its environment."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAULTS_FOLDER": str(self._place.folder),
            "FAULTS_CONTROL": str(self._place.folder / "control"),
            "FAULTS_IMAGE": str(self._image),
        }

    @property
    def failures(self) -> int:
        return self._get(_FAILED)

    @property
    def flushes(self) -> int:
        return self._get(_FLUSHED)

    def fail_flushes(self, error: int, *, after: int, times: int = FOR_EVER) -> None:
        """Let flushes fail after some more that work."""
        self._fail(_SYNC, error, after, times)

    def fail_writes(self, error: int, *, after: int, times: int = FOR_EVER) -> None:
        """Let writes fail after some more that work; ENOSPC fails with half of the bytes written."""
        self._fail(_WRITE, error, after, times)

    def heal(self, *, lost: bool = False) -> None:
        """Work again. `lost`: what a dead process had not flushed will never be on the disk."""
        self._set(_SYNC, 0)
        self._set(_WRITE, 0)
        self._set(_TRUST, 0 if lost else 1)

    def cut_power(self) -> None:
        """Leave of the ledger's files what was flushed; no process has them open."""
        for path in self._place.folder.glob("ledger.db*"):
            if path.is_file():
                path.unlink()
        for path in self._image.iterdir():
            shutil.copy(path, self._place.folder)

    def close(self) -> None:
        self._control.close()

    def _fail(self, kind: int, error: int, after: int, times: int) -> None:
        self._set(_LEFT, after)
        self._set(_TO_COME, times)
        self._set(kind, error)

    def _get(self, which: int) -> int:
        return int(struct.unpack_from("i", self._control, 4 * which)[0])

    def _set(self, which: int, value: int) -> None:
        struct.pack_into("i", self._control, 4 * which, value)
