"""Bringing datasets from their publishers, checked against the SHA-256 of the files that were tested."""

from __future__ import annotations

import hashlib
import http.client
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.request import urlopen

from fedpact.datasets import mnist, nhanes
from fedpact.datasets.errors import DataCode, DataError

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 60
_CDC = "https://wwwn.cdc.gov/Nchs/Data/Nhanes/Public/2017/DataFiles/"
_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class Readable(Protocol):
    """A response's body."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        ...


Opener = Callable[[str], AbstractContextManager[Readable]]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at its publisher's.

    Attributes
    ----------
    path : where it goes, below the folder of datasets.
    urls : where it comes from; the next is tried if one fails.
    sha256 : of the file, hexadecimal.
    size_bytes : its length.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int


def _cdc(name: str, sha256: str, size_bytes: int) -> RemoteFile:
    return RemoteFile(f"{nhanes.FOLDER}/{name}.XPT", (f"{_CDC}{name}.xpt",), sha256, size_bytes)


def _idx(name: str, sha256: str, size_bytes: int) -> RemoteFile:
    return RemoteFile(f"{mnist.FOLDER}/{name}", tuple(base + name for base in _MNIST), sha256, size_bytes)


SOURCES: dict[str, tuple[RemoteFile, ...]] = {
    "nhanes": (
        _cdc("DEMO_J", "c0b46e0345ea19404928656277c8b0d10b0cca348a9b2fe4fc3c67e8b7ee73ec", 3_412_720),
        _cdc("BPX_J", "f98f1d9a4c18173e715c749b4294f6f1525140d5ad5751316bb17cc038fb3423", 1_466_000),
        _cdc("BIOPRO_J", "5bcd5722c1892883b96a9d7fed0befadabacae313f800fadc0133cd5dd00c4c6", 2_106_080),
        _cdc("LUX_J", "e6d79981c74d822b8e619ef47f327b85767a48796d636288278e68e4a46ef848", 694_080),
    ),
    "mnist": (
        _idx(
            "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        _idx(
            "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        _idx(
            "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        _idx(
            "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
}
"""What `fetch` can bring."""


def open_url(url: str) -> AbstractContextManager[Readable]:
    """Open one of the addresses above, giving up after a minute of silence."""
    # only the https addresses of SOURCES come here
    response: AbstractContextManager[Readable] = urlopen(url, timeout=TIMEOUT_S)  # noqa: S310
    return response


def fetch(
    name: str, folder: Path | str, *, opener: Opener = open_url, progress: Progress | None = None
) -> list[Path]:
    """Download a dataset; files that are there and whole are left as they are.

    Parameters
    ----------
    name : a key of `SOURCES`.
    folder : the folder of datasets, made if it is missing; point FEDPACT_DATA to it afterwards.
    opener : opens a URL.
    progress : called with a file's name, bytes so far and bytes in all.

    Returns
    -------
    The dataset's files.

    Raises
    ------
    DataError
        UNKNOWN_DATASET; UNREACHABLE if no address of a file answers; CHECKSUM_MISMATCH if what came is not
        the file that is meant: nothing of it is kept.
    """
    if name not in SOURCES:
        there = ", ".join(SOURCES)
        raise DataError(DataCode.UNKNOWN_DATASET, f"nothing to fetch for {name!r:.80}: there are {there}")
    paths = []
    for file in SOURCES[name]:
        path = Path(folder) / file.path
        if not _is_whole(path, file):
            _download(path, file, opener, progress)
        paths.append(path)
    return paths


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest() == file.sha256


def _download(path: Path, file: RemoteFile, opener: Opener, progress: Progress | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    failure = DataError(DataCode.UNREACHABLE, f"no address for {path.name}")
    try:
        for url in file.urls:
            try:
                _receive(url, partial, file, opener, progress)
                partial.replace(path)
                return
            except (OSError, http.client.HTTPException) as error:  # urllib's errors are OSErrors
                failure = DataError(DataCode.UNREACHABLE, f"{url}: {error}")
            except DataError as error:
                failure = error
        raise failure
    finally:
        partial.unlink(missing_ok=True)


def _receive(url: str, partial: Path, file: RemoteFile, opener: Opener, progress: Progress | None) -> None:
    digest, size = hashlib.sha256(), 0
    with opener(url) as body, partial.open("wb") as stored:
        while size <= file.size_bytes and (chunk := body.read(CHUNK_BYTES)):
            digest.update(chunk)
            stored.write(chunk)
            size += len(chunk)
            if progress is not None:
                progress(Path(file.path).name, min(size, file.size_bytes), file.size_bytes)
    if size != file.size_bytes or digest.hexdigest() != file.sha256:
        raise DataError(
            DataCode.CHECKSUM_MISMATCH,
            f"{url} is not the file that is meant ({size} bytes, SHA-256 {digest.hexdigest()})",
        )
