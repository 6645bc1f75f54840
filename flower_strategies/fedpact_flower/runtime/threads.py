"""One thread per client call.

Numerical libraries start a thread for each core. In a pool with a process for each core that slows all
of them down, the sum of a long vector depends on the number of threads, and GNU OpenMP hangs in a forked
child whose parent has used it with more than one thread. So a client computes on one thread, in a worker
as in the server's process.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class ThreadLimit:
    """Restricts the numerical libraries that are loaded when it is created.

    PyTorch is restricted through its own switch. BLAS and OpenMP libraries need threadpoolctl (which
    scikit-learn brings along); without it they keep their threads, the same number in every process.
    """

    def __init__(self) -> None:
        found = importlib.util.find_spec("threadpoolctl") is not None
        self._pools = importlib.import_module("threadpoolctl").ThreadpoolController() if found else None

    @contextmanager
    def single(self) -> Iterator[None]:
        """Compute on one thread in the body; restore the former numbers of threads afterwards."""
        torch = sys.modules.get("torch")
        before = torch.get_num_threads() if torch else 1
        pools: AbstractContextManager[object] = self._pools.limit(limits=1) if self._pools else nullcontext()
        with pools:
            if torch and before != 1:
                torch.set_num_threads(1)
            try:
                yield
            finally:
                if torch and before != 1:
                    torch.set_num_threads(before)
