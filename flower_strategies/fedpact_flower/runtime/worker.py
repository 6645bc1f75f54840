"""The life of a worker process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime import frames
from fedpact_flower.runtime.host import NodeHost, WorkerSetup

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class WorkerTask:
    """What a worker process inherits when it is forked."""

    index: int
    open_host: Callable[[], NodeHost]
    worker_setup: WorkerSetup | None
    server_pid: int
    dies_with_server: bool


def work(task: WorkerTask, connection: Connection[bytes, bytes]) -> None:
    """Serve the grid until it closes its end of the pipe: the whole life of a worker process."""
    if task.dies_with_server:
        _die_with(task.server_pid)
    # Ctrl-C reaches the whole terminal; it is for the server to end its workers. A handler for SIGTERM
    # that was inherited from the server must not run here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        host = task.open_host()
        if task.worker_setup is not None:
            host.set_up(task.worker_setup, task.index)
    except Exception as error:
        connection.send_bytes(frames.FAILED + f"{type(error).__name__}: {error}".encode())
        return
    try:
        connection.send_bytes(frames.READY)
        while True:
            _serve_one(host, connection)
    except (EOFError, ConnectionError):
        return  # the server closed the grid, or is gone


def _serve_one(host: NodeHost, connection: Connection[bytes, bytes]) -> None:
    frame = connection.recv_bytes()
    kind, body = frame[:1], frame[1:]
    if kind == frames.KEEP:
        host.shelf.keep(frames.read_digests(body))
    elif kind == frames.ARRAYS:
        host.shelf.put(body, flower.decode_arrays(connection.recv_bytes()))
    elif kind == frames.CALL:
        reply = host.answer(frames.read_call(body), flower.encode_arrays)
        connection.send_bytes(frames.reply_frame(reply))
        for payload in reply.arrays:
            connection.send_bytes(payload)
    else:
        raise ValueError(f"unknown frame {kind!r}")


def _die_with(server_pid: int) -> None:
    """Have the kernel kill this process when the server dies, even in the middle of a computation."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server_pid:
        os._exit(1)  # it died before the request was in place
