"""Re-execution: run a transaction's contract again on the replayed state and compare every result."""

from __future__ import annotations

from fedpact.audit.replayed_state import ReplayedState
from fedpact.wire.envelopes import ParsedTransaction
from fedpact.wire.rwsets import NamespaceRwset
from fedpact.wire.simulation import Simulation
from fedpact_chaincode.chaincode import Chaincode


def disagreement(state: ReplayedState, chaincode: Chaincode, transaction: ParsedTransaction) -> str:
    """Execute a valid transaction again, before its own writes are applied.

    Returns
    -------
    Empty if response, event and read/write set are exactly those on the ledger, else what differs.
    """
    simulation = Simulation(state, transaction)
    response = chaincode.invoke(simulation)
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
    }
    others = [what for what, (again, before) in results.items() if again != before]
    return f"the contract has other {' and '.join(others)}" if others else ""
