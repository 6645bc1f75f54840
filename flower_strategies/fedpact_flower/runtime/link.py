"""The grid's side of one worker process."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from weakref import WeakSet

from fedpact_flower.runtime import frames
from fedpact_flower.runtime.errors import WorkerSetupFailed
from fedpact_flower.runtime.host import NodeHost, WorkerSetup
from fedpact_flower.runtime.packing import PackedMessage, PackedReply, Packer
from fedpact_flower.runtime.worker import WorkerTask, work

LIVENESS_POLL_S = 0.5
_CLOSE_GRACE_S = 1.0

_SERVER_ENDS: WeakSet[Connection[bytes, bytes]] = WeakSet()


def _close_server_ends() -> None:
    for connection in list(_SERVER_ENDS):
        connection.close()


# A process that this one forks for any reason must not hold the server's ends of the pipes: the workers
# would then not notice that the server is gone.
os.register_at_fork(after_in_child=_close_server_ends)


class WorkerLink:
    """One worker process, the messages waiting for it, and what it holds.

    Parameters
    ----------
    index : int
        Number of the worker, from 0.
    node_ids : tuple[int, ...]
        The nodes that live in it.
    open_host : callable
        Builds their host; called in the worker.
    worker_setup : callable, optional
        Called there with the worker's number.
    """

    def __init__(
        self,
        index: int,
        node_ids: tuple[int, ...],
        open_host: Callable[[], NodeHost],
        worker_setup: WorkerSetup | None,
    ) -> None:
        self.index = index
        self.node_ids = node_ids
        self.current: PackedMessage | None = None
        self._queue: deque[tuple[PackedMessage, Packer]] = deque()
        self._held: set[bytes] = set()
        self._must_forget = False
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        _SERVER_ENDS.add(self.connection)
        # The kernel reports the death of the forking thread, not of the process: only the main thread
        # lives as long. Without the report a worker notices at the end of its current call.
        in_main_thread = threading.current_thread() is threading.main_thread()
        task = WorkerTask(index, open_host, worker_setup, os.getpid(), in_main_thread)
        # A daemon: multiprocessing ends it at a regular exit, even if nobody closed the grid.
        self.process = context.Process(
            target=work, args=(task, theirs), name=f"fedpact-worker-{index}", daemon=True
        )
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Wait for the end of the worker's setup.

        Raises
        ------
        WorkerSetupFailed
            If the setup raised or the worker died in it.
        """
        while not self.connection.poll(LIVENESS_POLL_S):
            if self.is_dead():
                raise WorkerSetupFailed(self.index, f"it died with exit code {self.exit_code()}")
        try:
            frame = self.connection.recv_bytes()
        except (EOFError, OSError):
            raise WorkerSetupFailed(self.index, f"it died with exit code {self.exit_code()}") from None
        if frame != frames.READY:
            raise WorkerSetupFailed(self.index, frame[1:].decode())

    def queue(self, message: PackedMessage, packer: Packer) -> None:
        """Queue a message. Arrays that the worker lacks are encoded now: the caller may change them later."""
        self._queue.append((message, packer))
        for digest in message.digests:
            if digest not in self._held:
                packer.payload(digest)

    def forget_unneeded(self) -> None:
        """Let the worker forget, before its next message, the arrays that no queued message needs."""
        wanted = {digest for message, _ in self._queue for digest in message.digests}
        if self._held - wanted:
            self._held &= wanted
            self._must_forget = True

    def start_next(self) -> None:
        """Send the next message if the worker is idle; raises OSError if the worker is dead."""
        if self.current is not None or not self._queue:
            return
        message, packer = self._queue.popleft()
        self.current = message
        if self._must_forget:
            self.connection.send_bytes(frames.keep_frame(self._held))
            self._must_forget = False
        for digest in message.digests:
            if digest not in self._held:
                self.connection.send_bytes(frames.arrays_frame(digest))
                self.connection.send_bytes(packer.payload(digest))
                self._held.add(digest)
        self.connection.send_bytes(frames.call_frame(message))

    def receive(self) -> tuple[str, PackedReply[bytes]]:
        """Take the reply to the current message; raises EOFError or OSError if the worker is dead."""
        count, rest = frames.read_reply(self.connection.recv_bytes())
        reply = PackedReply(rest, tuple(self.connection.recv_bytes() for _ in range(count)))
        if self.current is None:
            raise EOFError("the worker replied to nothing")
        message_id, self.current = self.current.message_id, None
        return message_id, reply

    def withdraw(self, message_ids: set[str]) -> None:
        """Take those of these messages out of the queue that have not been sent."""
        kept = [entry for entry in self._queue if entry[0].message_id not in message_ids]
        self._queue = deque(kept)

    def take_pending(self) -> list[PackedMessage]:
        """Empty the link; return the messages that have no reply, sent or not."""
        sent = [self.current] if self.current is not None else []
        pending = [*sent, *(message for message, _ in self._queue)]
        self.current = None
        self._queue.clear()
        return pending

    @property
    def pid(self) -> int:
        """Process identifier of the worker."""
        return self.process.pid or 0

    def is_dead(self) -> bool:
        """Tell whether the process is gone and has left no reply (a child of it may hold the pipe open)."""
        return not self.process.is_alive() and not self.connection.poll(0)

    def exit_code(self) -> int | None:
        """Exit code of a dead worker, a negative signal number if it was killed."""
        self.process.join(LIVENESS_POLL_S)
        return self.process.exitcode


def close_links(links: Sequence[WorkerLink], owner_pid: int) -> None:
    """End the workers: first by closing their pipes, then by signals."""
    if os.getpid() != owner_pid:
        return  # a forked copy of the grid; the workers are not its children
    for link in links:
        link.connection.close()
    deadline = time.monotonic() + _CLOSE_GRACE_S
    for link in links:
        link.process.join(max(0.0, deadline - time.monotonic()))
        if link.process.is_alive():
            link.process.terminate()
            link.process.join(_CLOSE_GRACE_S)
        if link.process.is_alive():
            link.process.kill()
            link.process.join()
        link.process.close()
