"""Files of a model store on whatever fsspec reaches: whole reads within a limit, atomic writes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from fedpact.models.errors import ModelCode, ModelError


class StoreFiles:
    """The files below one fsspec URL.

    Parameters
    ----------
    url : where, such as a local path, "memory://models" or "s3://bucket/models".
    """

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")

    def read(self, name: str, limit_bytes: int) -> bytes | None:
        """Read a whole file; None if it is not there.

        Raises
        ------
        ModelError
            UNAVAILABLE if the storage fails, TOO_LARGE over the limit.
        """
        try:
            with self._fs.open(f"{self._root}/{name}", "rb") as file:
                # one byte more than allowed tells a long file from one that just fits
                data: bytes = file.read(limit_bytes + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ModelError(ModelCode.UNAVAILABLE, f"the store failed: {error}") from error
        if len(data) > limit_bytes:
            raise ModelError(ModelCode.TOO_LARGE, f"more than {limit_bytes} bytes")
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file so that readers see all of it or none, and it survives a power cut.

        Raises
        ------
        ModelError
            UNAVAILABLE if the storage fails.
        """
        try:
            if isinstance(self._fs, LocalFileSystem):
                _replace(Path(self._root, name), data)
            else:  # object stores put whole objects
                self._fs.pipe_file(f"{self._root}/{name}", data)
        except OSError as error:
            raise ModelError(ModelCode.UNAVAILABLE, f"the store failed: {error}") from error

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of what is directly in a folder; none if there is no such folder."""
        try:
            self._fs.invalidate_cache()
            found = self._fs.ls(f"{self._root}/{folder}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ModelError(ModelCode.UNAVAILABLE, f"the store failed: {error}") from error
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
