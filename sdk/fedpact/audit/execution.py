"""Re-execution: run a transaction's contract again on the replayed state and compare every result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedpact.audit.replayed_state import ReplayedState
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.rwsets import NamespaceRwset
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.chaincode import Chaincode


class _Private(Mapping[str, Any]):
    """What only some members know: nothing is here, and whether somebody looked is."""

    asked = False

    def __getitem__(self, name: str) -> Any:
        self.asked = True
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        self.asked = True
        return iter(())

    def __len__(self) -> int:
        self.asked = True
        return 0


def disagreement(state: ReplayedState, chaincode: Chaincode, transaction: ParsedTransaction) -> str:
    """Execute a valid transaction again, before its own writes are applied.

    Returns
    -------
    Empty if response, event and read/write set are exactly those on the ledger, else what differs. Of a
    contract that asked for private data, for a transaction that has some, nothing can be said: empty too.
    """
    private = _Private()
    simulation = Simulation(state, transaction, private, private)
    response = chaincode.invoke(simulation)
    if private.asked and any(rwset.collections for rwset in transaction.rwset):
        return ""
    recorded = transaction.response
    if (response.status, response.payload) != (recorded.status, recorded.payload):
        return f"the contract answers {response.status} {response.message or 'another payload'}"
    if simulation.event != transaction.event:
        return "the contract publishes another event"
    mine = simulation.rwset()
    if [rwset.namespace for rwset in transaction.rwset] not in ([], [mine.namespace]):
        return "the transaction writes outside its namespace"
    theirs = transaction.rwset[0] if transaction.rwset else NamespaceRwset(mine.namespace)
    results = {  # each key is there once, so that sorting never compares values
        "writes": (sorted(mine.writes), list(theirs.writes)),
        "reads": (sorted(mine.reads), list(theirs.reads)),
        "range queries": (mine.range_queries, theirs.range_queries),
        "keys' policies": (sorted(mine.metadata), list(theirs.metadata)),
        "private data": (mine.collections, theirs.collections),
    }
    others = [what for what, (again, before) in results.items() if again != before]
    return f"the contract has other {' and '.join(others)}" if others else ""
