"""A folder for a node's local socket, and an end of those that killed nodes have left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "fedpact-"
_SOCKET = "ledger.sock"


class SocketFolder:
    """A private folder in the system's place for temporary files; a lock on it lasts as long as its process.

    Attributes
    ----------
    socket : path of the socket in it; short, while a database's may be long.
    """

    def __init__(self) -> None:
        remove_left_behind()
        self._path = tempfile.mkdtemp(prefix=_PREFIX)
        self._lock = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.socket = f"{self._path}/{_SOCKET}"

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)


def remove_left_behind() -> None:
    """Remove this user's folders whose processes were killed."""
    for socket in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_SOCKET}"):
        with suppress(OSError):  # another user's, in use, or somebody else has removed it
            folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(folder).st_uid == os.getuid():
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(socket.parent)
            finally:
                os.close(folder)
