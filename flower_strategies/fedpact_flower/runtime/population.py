"""The simulated nodes: how many, how they are numbered, how each is configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flwr.app import Context, RecordDict, UserConfigValue

# Flower gives the server the number 1; partition 7 is easy to recognise in node 107.
FIRST_NODE_ID = 100

NodeConfig = Callable[[int], Mapping[str, UserConfigValue]]


@dataclass(frozen=True)
class Population:
    """The nodes of a simulation.

    Parameters
    ----------
    num_nodes : int
        Number of nodes, at least 1. They are the partitions 0 to num_nodes - 1, with the node
        identifiers `FIRST_NODE_ID` + partition.
    node_config : callable, optional
        Gives for a partition what its `Context.node_config` holds besides ``partition-id`` and
        ``num-partitions`` (and may replace those).
    run_config : mapping, optional
        The `Context.run_config` of all nodes.
    """

    num_nodes: int
    node_config: NodeConfig | None = None
    run_config: Mapping[str, UserConfigValue] | None = None

    def __post_init__(self) -> None:
        if self.num_nodes < 1:
            raise ValueError(f"a population has at least one node, not {self.num_nodes}")

    @property
    def node_ids(self) -> tuple[int, ...]:
        """Identifiers of all nodes, by partition."""
        return tuple(range(FIRST_NODE_ID, FIRST_NODE_ID + self.num_nodes))

    def contexts(self, run_id: int) -> dict[int, Context]:
        """Build a fresh, empty context for each node, by node identifier."""
        return {
            node_id: Context(
                run_id=run_id,
                node_id=node_id,
                node_config=self._config(partition),
                state=RecordDict(),
                run_config=dict(self.run_config or {}),
            )
            for partition, node_id in enumerate(self.node_ids)
        }

    def _config(self, partition: int) -> dict[str, UserConfigValue]:
        config: dict[str, UserConfigValue] = {"partition-id": partition, "num-partitions": self.num_nodes}
        if self.node_config is not None:
            config.update(self.node_config(partition))
        for key, value in config.items():
            if not isinstance(key, str) or not isinstance(value, bool | int | float | str):
                raise TypeError(f"node_config of partition {partition}: {key!r} is not a plain scalar")
        return config
