"""Run Flower apps on one machine: nodes in this process or in forked workers, the same results in both.

::

    result = run_in_process(
        FedAvg(), client_app, num_nodes=50, seed=7, rounds=Rounds(initial_arrays=model, num_rounds=10)
    )
"""

from fedpact_flower.runtime.errors import (
    GridClosed,
    SimulationFailure,
    UnknownNode,
    WorkerLost,
    WorkerSetupFailed,
)
from fedpact_flower.runtime.grid import InProcessGrid, SimulatedGrid
from fedpact_flower.runtime.pool import ForkedGrid, usable_cores
from fedpact_flower.runtime.population import FIRST_NODE_ID, Population
from fedpact_flower.runtime.randomness import derive_seed, seeded
from fedpact_flower.runtime.run import Rounds, open_grid, run_in_process

__all__ = [
    "FIRST_NODE_ID",
    "ForkedGrid",
    "GridClosed",
    "InProcessGrid",
    "Population",
    "Rounds",
    "SimulatedGrid",
    "SimulationFailure",
    "UnknownNode",
    "WorkerLost",
    "WorkerSetupFailed",
    "derive_seed",
    "open_grid",
    "run_in_process",
    "seeded",
    "usable_cores",
]
