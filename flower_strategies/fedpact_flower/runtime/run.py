"""Run a server app, or a strategy, over simulated nodes in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, overload

from flwr.app import ArrayRecord, ConfigRecord, Context, MetricRecord, RecordDict, UserConfigValue
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result, Strategy

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime.grid import InProcessGrid, SimulatedGrid
from fedpact_flower.runtime.host import ClientCallable, WorkerSetup
from fedpact_flower.runtime.pool import ForkedGrid
from fedpact_flower.runtime.population import NodeConfig, Population
from fedpact_flower.runtime.randomness import seeded

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """What a strategy starts from; the arguments of Flower's `Strategy.start`.

    Parameters
    ----------
    initial_arrays : ArrayRecord
        The first global model.
    num_rounds : int
        Number of rounds, at least 0.
    timeout_s : float
        Seconds for each exchange of messages.
    train_config, evaluate_config : ConfigRecord, optional
        Sent along with the messages of the respective phase.
    evaluate_fn : callable, optional
        Central evaluation: round and model to metrics.
    """

    initial_arrays: ArrayRecord
    num_rounds: int
    timeout_s: float = 3600.0
    train_config: ConfigRecord | None = None
    evaluate_config: ConfigRecord | None = None
    evaluate_fn: Callable[[int, ArrayRecord], MetricRecord | None] | None = None

    def start(self, strategy: Strategy, grid: Grid) -> Result:
        """Run the rounds of a strategy."""
        return strategy.start(
            grid,
            self.initial_arrays,
            num_rounds=self.num_rounds,
            timeout=self.timeout_s,
            train_config=self.train_config,
            evaluate_config=self.evaluate_config,
            evaluate_fn=self.evaluate_fn,
        )


@overload
def run_in_process(
    server: Strategy,
    client_app: ClientCallable,
    num_nodes: int,
    *,
    seed: int,
    rounds: Rounds,
    workers: int | None = None,
    node_config: NodeConfig | None = None,
    worker_setup: WorkerSetup | None = None,
    run_config: Mapping[str, UserConfigValue] | None = None,
) -> Result: ...


@overload
def run_in_process(
    server: Callable[[Grid, Context], T],
    client_app: ClientCallable,
    num_nodes: int,
    *,
    seed: int,
    rounds: None = None,
    workers: int | None = None,
    node_config: NodeConfig | None = None,
    worker_setup: WorkerSetup | None = None,
    run_config: Mapping[str, UserConfigValue] | None = None,
) -> T: ...


# The one call that most users make: it names its settings itself instead of asking for four objects.
def run_in_process(  # noqa: PLR0913
    server: Strategy | Callable[[Grid, Context], T],
    client_app: ClientCallable,
    num_nodes: int,
    *,
    seed: int,
    rounds: Rounds | None = None,
    workers: int | None = None,
    node_config: NodeConfig | None = None,
    worker_setup: WorkerSetup | None = None,
    run_config: Mapping[str, UserConfigValue] | None = None,
) -> Result | T:
    """Run a federation on this machine, without Ray and without a network.

    Parameters
    ----------
    server : ServerApp, Strategy or callable
        A `ServerApp`; or a function of grid and context, whose result is returned; or a strategy, which
        needs `rounds` and returns its `Result`. It runs in this process under the run's seed.
    client_app : ClientApp
        The app of all nodes.
    num_nodes : int
        Number of nodes, at least 1.
    seed : int
        The run's seed. Server and clients find `random`, `numpy.random` and PyTorch seeded; results do
        not depend on the number of workers. The caller's generators get their states back.
    rounds : Rounds, optional
        Start of a strategy; only together with one.
    workers : int, optional
        Worker processes: one for each usable core by default, 0 for none (see `InProcessGrid`, which is
        convenient under a debugger), else see `ForkedGrid`.
    node_config : callable, optional
        Gives the `Context.node_config` of a partition, see `Population`.
    worker_setup : callable, optional
        Called with the worker's number in each worker before its first message.
    run_config : mapping, optional
        The `Context.run_config` of server and nodes.

    Returns
    -------
    Result or what the server function returns
        None for a `ServerApp`.

    Raises
    ------
    WorkerSetupFailed, WorkerLost
        If a worker cannot be set up, or has died and is needed again.
    """
    main = _server_main(server, rounds)
    population = Population(num_nodes, node_config=node_config, run_config=run_config)
    grid = open_grid(client_app, population, seed=seed, workers=workers, worker_setup=worker_setup)
    with grid, seeded(seed, "server"):
        return main(grid, _server_context(grid, run_config or {}))


def open_grid(
    client_app: ClientCallable,
    population: Population,
    *,
    seed: int,
    workers: int | None = None,
    worker_setup: WorkerSetup | None = None,
) -> SimulatedGrid:
    """Open the grid for a number of workers: 0 for this process, None for one worker a core."""
    if workers == 0:
        return InProcessGrid(client_app, population, seed=seed, worker_setup=worker_setup)
    return ForkedGrid(client_app, population, seed=seed, workers=workers, worker_setup=worker_setup)


def _server_main(
    server: Strategy | Callable[[Grid, Context], T], rounds: Rounds | None
) -> Callable[[Grid, Context], Result | T]:
    if not isinstance(server, Strategy):
        if rounds is not None:
            raise TypeError("rounds are for a strategy; a server app or function brings its own")
        return server
    if rounds is None:
        raise TypeError("a strategy needs rounds=Rounds(...)")
    return lambda grid, _: rounds.start(server, grid)


def _server_context(grid: SimulatedGrid, run_config: Mapping[str, UserConfigValue]) -> Context:
    return Context(
        run_id=grid.run.run_id,
        node_id=flower.SERVER_NODE_ID,
        node_config={},
        state=RecordDict(),
        run_config=dict(run_config),
    )
