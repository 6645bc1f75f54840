"""The fronts over gRPC: a node in a process of its own, and clients in processes of theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fedpact_loadtest.client_process import Turn
from fedpact_loadtest.in_flight import Progress
from fedpact_loadtest.measuring import Measured, Stages, stages_of
from fedpact_loadtest.served import Clients, ServedNode, found_and_serve
from fedpact_loadtest.stage_times import spent

if TYPE_CHECKING:
    from fedpact_loadtest.submit import SubmitRules

_LOOP, _WORKERS = "fedpact-server", "fedpact-call"


class Served:
    """A fresh ledger that is served, and the load on it.

    Parameters
    ----------
    node : who serves.
    clients : who call.
    """

    def __init__(self, node: ServedNode, clients: Clients) -> None:
        self._node = node
        self._clients = clients

    @classmethod
    @contextmanager
    def open(cls, folder: Path, rules: SubmitRules) -> Iterator[Served]:
        """Create `ledger.db` in a folder and serve it; end all processes afterwards."""
        with (
            found_and_serve(
                folder,
                organisations=rules.organisations,
                endorsements=rules.endorsements,
                stages=rules.with_stages,
            ) as node,
            Clients(
                node,
                rules.front,
                number=rules.clients,
                in_flight=rules.in_flight,
                value_bytes=rules.value_bytes,
            ) as clients,
        ):
            yield cls(node, clients)

    def run(self, name: str, seconds: float, progress: Progress | None = None) -> Measured:
        """Measure one repetition; progress is not told before its end."""
        before = self._node.spent()
        outcomes = self._clients.run(Turn(name, seconds)).outcomes
        after = self._node.spent()
        node_s = after.cpu_s - before.cpu_s
        blocks = after.height - before.height
        return Measured(outcomes, blocks, node_s + outcomes.cpu_s, outcomes.cpu_s, node_s)

    def stages(self, name: str, seconds: float) -> Stages:
        """Return where the processor time of a repetition goes, on both sides."""
        before = self._node.spent(timing=True)
        done = self._clients.run(Turn(name, seconds, timing=True))
        after = self._node.spent()
        calls, threads = spent(before.calls, after.calls), spent(before.threads, after.threads)
        client = done.threads.get("MainThread", 0.0) - done.calls["sign"]
        node = _node_stages(calls, threads)
        node["node: grpc, other"] = max(after.cpu_s - before.cpu_s - sum(node.values()), 0.0)
        known = {
            "client: sign": done.calls["sign"],
            "client: proposal, loop": client,
            "client: grpc, other": max(done.outcomes.cpu_s - done.calls["sign"] - client, 0.0),
            **node,
        }
        return stages_of(known, len(done.outcomes.latencies_s))


def _node_stages(calls: Mapping[str, float], threads: Mapping[str, float]) -> dict[str, float]:
    """Split the node's threads: what their calls do, and what it takes to hand them on."""
    executed = calls["endorse"] + calls["submitted"]
    return {
        "node: endorse": calls["endorse"],
        "node: submit": calls["submitted"],
        "node: commit status": calls["asked_commit"],
        "node: block stage": threads.get("block stage", 0.0),
        "node: verifier": threads.get("verifier", 0.0),
        "node: call threads": max(threads.get(_WORKERS, 0.0) - executed, 0.0),
        "node: event loop": max(threads.get(_LOOP, 0.0) - calls["asked_commit"], 0.0),
    }
