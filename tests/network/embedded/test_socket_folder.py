"""Folders of local sockets: removed with their node, or when the next one starts."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fedpact_network.embedded.socket_folder import SocketFolder

KILLED = """
import os, signal, socket
from fedpact_network.embedded.socket_folder import SocketFolder
folder = SocketFolder()
socket.socket(socket.AF_UNIX).bind(folder.socket)
print(folder.socket, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_left_is_removed_and_nothing_else(place):
    other = place / "fedpact-mine"
    other.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    left = Path(done.stdout.strip())
    assert left.exists()
    in_use = SocketFolder()
    Path(in_use.socket).touch()
    another = SocketFolder()
    assert not left.parent.exists()
    assert Path(in_use.socket).exists()
    another.close()
    in_use.close()
    assert list(place.iterdir()) == [other]
