"""Downloads over real HTTP from a server on this machine."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest

from fedpact.datasets import SOURCES, DataCode, DataError, fetch, load
from fedpact.datasets.fetching import RemoteFile


class Publisher:
    """Serves bytes by the last part of the path and remembers what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rsplit("/", 1)[-1]
                publisher.asked.append(name)
                body = publisher.files.get(name)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                # a file called "cut" ends before its announced length
                with contextlib.suppress(ConnectionError):  # a client may have read enough
                    self.wfile.write((body or b"")[: 3 if name == "cut" else None])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"

    def open(self, url: str):
        return urlopen(self.address + url.rsplit("/", 1)[-1], timeout=10)  # noqa: S310


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    thread = threading.Thread(target=publisher.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield publisher
    publisher.server.shutdown()
    publisher.server.server_close()
    thread.join()


BODY = b"four score and seven " * 5_000


@pytest.fixture
def source(monkeypatch, publisher) -> RemoteFile:
    """A small dataset of one file at two addresses, of which the first does not exist."""
    file = RemoteFile(
        "small/data.bin",
        ("https://a.example/gone.bin", "https://b.example/data.bin"),
        hashlib.sha256(BODY).hexdigest(),
        len(BODY),
    )
    monkeypatch.setitem(SOURCES, "small", (file,))
    publisher.files["data.bin"] = BODY
    return file


def test_a_file_comes_from_the_second_address(tmp_path, publisher, source):
    seen: list[tuple[str, int, int]] = []
    paths = fetch("small", tmp_path / "new", opener=publisher.open, progress=lambda *step: seen.append(step))
    assert paths == [tmp_path / "new" / "small" / "data.bin"]
    assert paths[0].read_bytes() == BODY
    assert publisher.asked == ["gone.bin", "data.bin"]
    assert seen[-1] == ("data.bin", len(BODY), len(BODY))
    assert [step[1] for step in seen] == sorted(step[1] for step in seen)


def test_what_is_whole_is_not_fetched_again(tmp_path, publisher, source):
    (path,) = fetch("small", tmp_path, opener=publisher.open)
    publisher.asked.clear()
    fetch("small", tmp_path, opener=publisher.open)
    assert publisher.asked == []
    path.write_bytes(BODY[:-1] + b"!")
    fetch("small", tmp_path, opener=publisher.open)
    assert publisher.asked == ["gone.bin", "data.bin"]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1] + b"!", BODY[:-1], BODY + b"!", b"", BODY * 50])
def test_another_file_is_not_kept(tmp_path, publisher, source, body):
    publisher.files["data.bin"] = body
    with pytest.raises(DataError) as refused:
        fetch("small", tmp_path, opener=publisher.open)
    assert refused.value.code is DataCode.CHECKSUM_MISMATCH
    assert not refused.value.retryable
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_nobody_answers(tmp_path, publisher, source):
    publisher.files.clear()
    with pytest.raises(DataError) as refused:
        fetch("small", tmp_path, opener=publisher.open)
    assert refused.value.code is DataCode.UNREACHABLE
    assert refused.value.retryable
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_connection_that_breaks(tmp_path, publisher, monkeypatch):
    file = RemoteFile("small/cut", ("https://a.example/cut",), hashlib.sha256(BODY).hexdigest(), len(BODY))
    monkeypatch.setitem(SOURCES, "small", (file,))
    publisher.files["cut"] = BODY
    with pytest.raises(DataError) as refused:
        fetch("small", tmp_path, opener=publisher.open)
    assert refused.value.code in (DataCode.UNREACHABLE, DataCode.CHECKSUM_MISMATCH)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unknown_names(tmp_path):
    with pytest.raises(DataError) as refused:
        fetch("diabetes", tmp_path)
    assert refused.value.code is DataCode.UNKNOWN_DATASET


def test_every_source_is_pinned_and_encrypted():
    for files in SOURCES.values():
        for file in files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert 0 < file.size_bytes < 64 * 1024 * 1024
            assert all(url.startswith("https://") for url in file.urls)
            assert not Path(file.path).is_absolute()
            assert ".." not in file.path


@pytest.mark.parametrize("name", ["nhanes", "mnist"])
def test_the_real_files(tmp_path, publisher, data_folder, name):
    for file in SOURCES[name]:
        # CDC serves the transport files as they are; the folder may have them packed
        path = data_folder / file.path
        packed = path.with_name(path.name + ".gz")
        if not path.is_file() and not packed.is_file():
            pytest.skip(f"FEDPACT_DATA has no {file.path}")
        body = path.read_bytes() if path.is_file() else gzip.decompress(packed.read_bytes())
        publisher.files[file.urls[0].rsplit("/", 1)[-1]] = body
    fetch(name, tmp_path, opener=publisher.open)
    fetched, given = load(name, tmp_path, limit=500), load(name, data_folder, limit=500)
    assert fetched.features.tobytes() == given.features.tobytes()
    assert fetched.target.tobytes() == given.target.tobytes()
