"""What can go wrong with the runtime itself (a failing client only yields an error reply).

::

    SimulationFailure
    ├── GridClosed          used after close()
    ├── UnknownNode         a message addressed to a node that the grid does not have
    ├── WorkerSetupFailed   worker_setup raised, or the worker died in it
    └── WorkerLost          a worker process died; the state of its nodes is gone
"""

from __future__ import annotations


class SimulationFailure(Exception):  # noqa: N818 - the leaves read as what happened
    """Base of the runtime's errors; `advice` says what to do about it."""

    advice = ""


class GridClosed(SimulationFailure):
    """The grid was used after `close()`."""

    advice = "Open a new grid; a closed one has lost its nodes' state."


class UnknownNode(SimulationFailure):
    """A message is addressed to a node that this grid does not have."""

    advice = "Address nodes by the identifiers from grid.get_node_ids()."

    def __init__(self, node_id: int) -> None:
        super().__init__(f"no node {node_id} in this grid")
        self.node_id = node_id


class WorkerSetupFailed(SimulationFailure):
    """`worker_setup` raised in a worker, or the worker died before it was ready."""

    advice = "Call worker_setup(0) in this process to see the whole traceback."

    def __init__(self, worker: int, reason: str) -> None:
        super().__init__(f"worker {worker} could not be set up: {reason}")
        self.worker = worker
        self.reason = reason


class WorkerLost(SimulationFailure):
    """A worker process died during an earlier exchange and took its nodes' state with it.

    The exchange in which it died still returned, with an error reply for each of its nodes.
    """

    advice = "Start again; the exit code tells whether memory ran out (-9) or native code failed (-11)."

    def __init__(self, worker: int, exit_code: int | None, node_ids: tuple[int, ...]) -> None:
        super().__init__(
            f"worker {worker} died with exit code {exit_code}; the state of nodes {list(node_ids)} is lost"
        )
        self.worker = worker
        self.exit_code = exit_code
        self.node_ids = node_ids
