"""The other end of `LocalTransport`: offers a transport of this process to others of the same user."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import stat
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from fedpact.gateway.local_frames import (
    MAX_FRAME_BYTES,
    MAX_PATH_BYTES,
    FrameError,
    decode_request,
    encode_failure,
    encode_reply,
    receive_frame,
    send_frame,
)
from fedpact.gateway.transport import Status, Transport, TransportError

log = logging.getLogger(__name__)

_BACKLOG = 1024
_servers: weakref.WeakSet[LocalServer] = weakref.WeakSet()


class LocalServer:
    """Serves a transport on a Unix socket that only this user may open (0600); one thread a connection.

    Parameters
    ----------
    handler : what answers the calls; it must allow many threads.
    path : of the socket; a stale one of a dead server is replaced.
    max_connections : further ones are refused.

    Raises
    ------
    ValueError
        If the path is longer than the system allows (107 bytes).
    FileExistsError
        If something else than a socket has this name.
    OSError
        EADDRINUSE, if a server is alive there.
    """

    def __init__(self, handler: Transport, path: str | Path, *, max_connections: int = 512) -> None:
        self.path = str(path)
        if len(os.fsencode(self.path)) > MAX_PATH_BYTES:
            raise ValueError(f"the path of a socket has at most {MAX_PATH_BYTES} bytes: {self.path}")
        self._handler = handler
        self._max_connections = max_connections
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closing = threading.Event()
        self._listener = _listen(self.path)
        self._inode = os.lstat(self.path).st_ino
        self._acceptor = threading.Thread(target=self._accept, name="fedpact-local-server", daemon=True)
        self._acceptor.start()
        _servers.add(self)

    @property
    def address(self) -> str:
        """`unix:///path`, for `LocalTransport`."""
        return f"unix://{self.path}"

    def close(self, *, grace_s: float = 5.0) -> None:
        """Accept nothing more, let calls under way finish, close; more than once is allowed.

        Parameters
        ----------
        grace_s : longest wait for calls under way; their connections are cut afterwards.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        _shut(self._listener, socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(self.path).st_ino == self._inode:
                os.unlink(self.path)
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            _shut(connection, socket.SHUT_RD)
        deadline = time.monotonic() + grace_s
        for connection, thread in connections.items():
            thread.join(max(deadline - time.monotonic(), 0.0))
            if thread.is_alive():
                _shut(connection, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._closing.is_set():  # out of file descriptors: wait for some to come back
                    log.warning("local server cannot accept: %s", error)
                    self._closing.wait(0.1)
                continue
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="fedpact-local-call", daemon=True
            )
            with self._lock:
                full = len(self._connections) >= self._max_connections
                if not full:
                    self._connections[connection] = thread
            if full:
                log.warning("local server refuses a connection: %d are open", self._max_connections)
                connection.close()
            else:
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while not self._closing.is_set():
                body = receive_frame(connection)
                if body is None:
                    break
                send_frame(connection, self._answer(body))
        except (OSError, FrameError) as error:
            log.debug("local connection ended: %s", error)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            _shut(connection, socket.SHUT_RDWR)
            connection.close()

    def _answer(self, body: bytes) -> bytes:
        request = decode_request(body)
        try:
            call = getattr(self._handler, request.method)
            answer = encode_reply(call(request.message, timeout_s=request.timeout_s))
        except TransportError as error:
            answer = encode_failure(error)
        except Exception as error:
            log.exception("%s failed", request.method)
            answer = encode_failure(TransportError(Status.INTERNAL, type(error).__name__))
        if len(answer) > MAX_FRAME_BYTES:
            answer = encode_failure(TransportError(Status.INTERNAL, f"an answer of {len(answer)} bytes"))
        return answer

    def _forget(self) -> None:
        """In a forked child: let go of the parent's sockets, so that its clients notice when it dies."""
        self._closing.set()
        for stream in (self._listener, *self._connections):
            stream.close()


def _listen(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)  # before listening: until then nobody can connect
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "not a socket", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
    raise OSError(errno.EADDRINUSE, "a server is alive at", path)


def _shut(stream: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):  # not connected any more
        stream.shutdown(how)


def _forget_in_child() -> None:
    for server in list(_servers):
        server._forget()


os.register_at_fork(after_in_child=_forget_in_child)
