"""A Flower grid whose nodes live in this process, and what it shares with the forked one."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime.errors import GridClosed, UnknownNode, WorkerSetupFailed
from fedpact_flower.runtime.host import ClientCallable, NodeHost, WorkerSetup
from fedpact_flower.runtime.packing import PackedMessage, Packer, copy_of
from fedpact_flower.runtime.population import Population


class SimulatedGrid(Grid):
    """A grid over simulated nodes: addresses messages and hands replies out in the order of the messages.

    Strategies sum floating-point numbers in the order of the replies, so that order is part of what makes
    runs reproducible. A grid is a context manager and belongs to one thread.
    """

    def __init__(self, population: Population) -> None:
        run_id = flower.adopt_server_identity()
        self.population = population
        self._run = flower.empty_run(run_id)
        self._node_ids = frozenset(population.node_ids)
        self._awaited: set[str] = set()
        self._replies: dict[str, Message] = {}
        self._sent = 0
        self._closed = False

    @abstractmethod
    def _post(self, messages: Sequence[PackedMessage], packer: Packer) -> None:
        """Accept messages for their nodes."""

    @abstractmethod
    def _step(self, timeout_s: float) -> bool:
        """Wait at most this long for replies and `_deliver` them; tell whether anything happened."""

    @abstractmethod
    def _withdraw(self, message_ids: set[str]) -> None:
        """Do not begin these messages any more."""

    def _deliver(self, message_id: str, reply: Callable[[], Message]) -> None:
        """Keep a reply for whoever asks for it; drop it if nobody waits for it any more."""
        if message_id in self._awaited:
            self._awaited.discard(message_id)
            self._replies[message_id] = reply()

    def close(self) -> None:
        """Release the nodes; their state is gone. Closing twice is allowed."""
        self._closed = True
        self._replies.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages without waiting; return their identifiers for `pull_messages`.

        Raises
        ------
        UnknownNode
            If a message is addressed to a node that is not in the population; nothing was sent then.
        GridClosed, WorkerLost
            If the grid cannot be used any more.
        """
        if self._closed:
            raise GridClosed("the grid is closed")
        batch = list(messages)
        for message in batch:
            if message.metadata.dst_node_id not in self._node_ids:
                raise UnknownNode(message.metadata.dst_node_id)
        packer = Packer()
        packed = []
        for message in batch:
            self._sent += 1
            flower.stamp(message, f"{self._run.run_id}-{self._sent}")
            packed.append(packer.pack(message))
        message_ids = [message.message_id for message in packed]
        self._awaited.update(message_ids)
        self._post(packed, packer)
        return message_ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies to these messages that have arrived; each reply is handed out once."""
        while self._step(0):
            pass
        return [self._replies.pop(message_id) for message_id in message_ids if message_id in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send messages and wait for their replies.

        Parameters
        ----------
        messages : iterable of Message
            Read completely before the first one is sent.
        timeout : float, optional
            Seconds to wait; unlimited by default. As with Flower's own grids, messages without a reply in
            time are missing from the result. Those not yet begun are withdrawn; a node that is still
            busy finishes, its late reply is dropped, and its next message waits for it.

        Returns
        -------
        list[Message]
            Replies in the order of the messages. A client that raised is represented by an error reply.

        Raises
        ------
        UnknownNode, GridClosed, WorkerLost
            See `push_messages`.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        message_ids = self.push_messages(messages)
        while (missing := self._awaited.intersection(message_ids)) and time.monotonic() < deadline:
            self._step(deadline - time.monotonic())
        if missing:
            self._awaited -= missing
            self._withdraw(missing)
        return [self._replies.pop(message_id) for message_id in message_ids if message_id not in missing]

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Create a message; the constructor of `Message` does the same."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Return the identifiers of all nodes, by partition."""
        return list(self.population.node_ids)

    def set_run(self, run: flower.FlowerRun) -> None:
        """Set the description of the run."""
        self._run = run

    @property
    def run(self) -> flower.FlowerRun:
        """Description of the run."""
        return self._run


class InProcessGrid(SimulatedGrid):
    """Runs the nodes one after the other in the calling process.

    Messages and replies pass through their wire format (except the arrays' bytes, which are immutable and
    shared), so neither side sees changes that the other one makes to its records, and what works here
    works in worker processes. A timeout cannot interrupt a
    client; it keeps the following ones from being started.

    Parameters
    ----------
    client_app : ClientApp
        The app of all nodes.
    population : Population
        The nodes.
    seed : int
        Seeds every client call, see `NodeHost`.
    worker_setup : callable, optional
        Called with 0 before the first message, as the only worker.
    """

    def __init__(
        self,
        client_app: ClientCallable,
        population: Population,
        *,
        seed: int,
        worker_setup: WorkerSetup | None = None,
    ) -> None:
        super().__init__(population)
        self._host = NodeHost(client_app, population.contexts(self._run.run_id), seed=seed)
        self._queue: deque[PackedMessage] = deque()
        if worker_setup is not None:
            try:
                self._host.set_up(worker_setup, 0)
            except Exception as error:
                raise WorkerSetupFailed(0, f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Release the nodes; their state is gone. Closing twice is allowed."""
        super().close()
        self._queue.clear()

    def _post(self, messages: Sequence[PackedMessage], packer: Packer) -> None:
        self._queue.extend(messages)
        wanted = {digest for message in self._queue for digest in message.digests}
        shelf = self._host.shelf
        shelf.keep(wanted)
        for digest in wanted - shelf.digests:
            shelf.put(digest, packer.record(digest))

    def _step(self, timeout_s: float) -> bool:
        if not self._queue:
            return False
        message = self._queue.popleft()
        reply = self._host.answer(message, copy_of)
        self._deliver(message.message_id, lambda: flower.join_message(reply.rest, reply.arrays))
        return True

    def _withdraw(self, message_ids: set[str]) -> None:
        self._queue = deque(message for message in self._queue if message.message_id not in message_ids)
