"""A Flower grid whose nodes live in forked worker processes."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection, wait

from flwr.app import Message

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime.errors import WorkerLost
from fedpact_flower.runtime.grid import SimulatedGrid
from fedpact_flower.runtime.host import ClientCallable, NodeHost, WorkerSetup
from fedpact_flower.runtime.link import LIVENESS_POLL_S, WorkerLink, close_links
from fedpact_flower.runtime.packing import PackedMessage, PackedReply, Packer
from fedpact_flower.runtime.population import Population

_log = logging.getLogger(__name__)


class ForkedGrid(SimulatedGrid):
    """Runs the nodes in worker processes that are forked from this one.

    The node of partition i always lives in worker i modulo the number of workers: its context, what its
    app caches in the process and its ledger session stay there. Workers inherit the client app as it is;
    messages travel as protobuf. Nothing is pickled.

    Create the grid before the process starts threads, opens gRPC channels or uses a GPU: none of the
    three survives a fork. A worker opens its own sessions in `worker_setup`; where they need closing,
    register that there with `multiprocessing.util.Finalize`, which runs when the grid is closed (`atexit`
    does not run in a forked process). Workers are daemonic, so a client app cannot start processes with
    `multiprocessing` itself.

    Parameters
    ----------
    client_app : ClientApp
        The app of all nodes.
    population : Population
        The nodes.
    seed : int
        Seeds every client call, see `NodeHost`; the results do not depend on the number of workers.
    workers : int, optional
        Number of processes, at least 1 and at most one a node; one for each usable core by default.
    worker_setup : callable, optional
        Called in each worker with the worker's number before the first message.

    Raises
    ------
    WorkerSetupFailed
        If a worker's setup failed.
    """

    def __init__(
        self,
        client_app: ClientCallable,
        population: Population,
        *,
        seed: int,
        workers: int | None = None,
        worker_setup: WorkerSetup | None = None,
    ) -> None:
        super().__init__(population)
        if workers is not None and workers < 1:
            raise ValueError(f"a forked grid has at least one worker, not {workers}")
        count = min(workers or usable_cores(), population.num_nodes)
        contexts = population.contexts(self._run.run_id)
        self._lost: tuple[int, int | None, tuple[int, ...]] | None = None
        self._links: list[WorkerLink] = []
        self._end_workers = weakref.finalize(self, close_links, self._links, os.getpid())
        try:
            for index in range(count):
                node_ids = population.node_ids[index::count]
                here = {node_id: contexts[node_id] for node_id in node_ids}
                open_host = partial(NodeHost, client_app, here, seed=seed)
                self._links.append(WorkerLink(index, node_ids, open_host, worker_setup))
            for link in self._links:
                link.wait_until_ready()
        except BaseException:
            self.close()
            raise

    @property
    def worker_pids(self) -> tuple[int, ...]:
        """Process identifiers of the workers, by number; empty after `close()`."""
        return tuple(link.pid for link in self._links)

    def close(self) -> None:
        """End the workers; their nodes' state is gone. Closing twice is allowed."""
        super().close()
        self._end_workers()
        self._links.clear()

    def _post(self, messages: Sequence[PackedMessage], packer: Packer) -> None:
        if self._lost is not None:
            raise WorkerLost(*self._lost)
        by_node = {node_id: link for link in self._links for node_id in link.node_ids}
        for message in messages:
            by_node[message.node_id].queue(message, packer)
        for link in self._links:
            link.forget_unneeded()
            self._start_next(link)

    def _step(self, timeout_s: float) -> bool:
        busy: dict[Connection[bytes, bytes], WorkerLink] = {
            link.connection: link for link in self._links if link.current is not None
        }
        ready = wait(list(busy), max(0.0, min(timeout_s, LIVENESS_POLL_S)))
        for connection, link in busy.items():
            if connection in ready:
                self._receive(link)
            elif not ready and link.is_dead():
                self._lose(link)
        return bool(ready)

    def _withdraw(self, message_ids: set[str]) -> None:
        for link in self._links:
            link.withdraw(message_ids)

    def _receive(self, link: WorkerLink) -> None:
        try:
            message_id, reply = link.receive()
        except (EOFError, OSError):
            self._lose(link)
            return
        self._start_next(link)  # first, so that the worker computes while the reply is decoded
        self._deliver(message_id, lambda: _decoded(reply))

    def _start_next(self, link: WorkerLink) -> None:
        try:
            link.start_next()
        except OSError:
            self._lose(link)

    def _lose(self, link: WorkerLink) -> None:
        self._lost = self._lost or (link.index, link.exit_code(), link.node_ids)
        reason = f"worker {link.index} died with exit code {link.exit_code()}"
        _log.error("%s; the state of its %d nodes is lost", reason, len(link.node_ids))
        for message in link.take_pending():
            failure = partial(message.error_reply, flower.CLIENT_APP_CRASHED, reason)
            self._deliver(message.message_id, failure)


def _decoded(reply: PackedReply[bytes]) -> Message:
    return flower.join_message(reply.rest, [flower.decode_arrays(payload) for payload in reply.arrays])


def usable_cores() -> int:
    """Count the cores that this process may use (a container often has fewer than the machine)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
