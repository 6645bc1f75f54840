"""A client that keeps a number of transactions in flight, from one thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fedpact.gateway.commit import Commit
from fedpact.gateway.errors import GatewayError
from fedpact_chaincode.errors import Rejected

Submit = Callable[[str], Commit]
"""Hands the transaction of a new, unique name to the ledger."""
Progress = Callable[[float], None]
"""Told how many seconds have passed."""


@dataclass(slots=True)
class Outcomes:
    """What became of transactions.

    Attributes
    ----------
    latencies_s : of those committed, from before the proposal was built until the client knew the verdict.
    failures : how many were refused, invalid, or stayed without a verdict.
    """

    latencies_s: list[float] = field(default_factory=list)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """How much is submitted.

    Attributes
    ----------
    in_flight : transactions that are under way at any moment.
    seconds : how long new ones are submitted; then those under way are waited for.
    """

    in_flight: int
    seconds: float


def keep_in_flight(submit: Submit, load: Load, name: str, *, progress: Progress | None = None) -> Outcomes:
    """Put a load on a ledger.

    Submits until all are in flight, then waits for the oldest before it submits the next one. A thread for
    each transaction would measure the interpreter's threads instead of the ledger.

    Parameters
    ----------
    submit : hands over one transaction.
    load : how much.
    name : beginning of the transactions' names.
    progress : told about the time whenever so many were submitted as are in flight.
    """
    outcomes = Outcomes()
    under_way: deque[tuple[float, Commit]] = deque()
    first_s = time.perf_counter()
    number = 0
    while (begun_s := time.perf_counter()) - first_s < load.seconds:
        if len(under_way) == load.in_flight:
            _settle(*under_way.popleft(), outcomes)
            continue
        try:
            under_way.append((begun_s, submit(f"{name}-{number}")))
        except (GatewayError, Rejected):
            outcomes.failures += 1
        number += 1
        if progress is not None and number % load.in_flight == 0:
            progress(begun_s - first_s)
    for one in under_way:
        _settle(*one, outcomes)
    return outcomes


def _settle(begun_s: float, commit: Commit, outcomes: Outcomes) -> None:
    try:
        commit.result()
    except GatewayError:
        outcomes.failures += 1
    else:
        outcomes.latencies_s.append(time.perf_counter() - begun_s)
