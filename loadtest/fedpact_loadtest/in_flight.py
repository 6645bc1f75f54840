"""Clients that keep a number of transactions in flight: threads that pipeline, or one event loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from fedpact.gateway.commit import Commit
from fedpact.gateway.errors import GatewayError
from fedpact_chaincode.errors import Rejected

Submit = Callable[[str], Commit]
"""Hands the transaction of a new, unique name to the ledger."""
SubmitAndWait = Callable[[str], Awaitable[object]]
"""Hands the transaction of a new, unique name to the ledger, and waits until it is valid."""
Progress = Callable[[float], None]
"""Told how many seconds have passed."""


class Outcomes(msgspec.Struct):
    """What became of transactions.

    Attributes
    ----------
    latencies_s : of those committed, from before the proposal was built until the client knew the verdict.
    failures : how many were refused, invalid, or stayed without a verdict.
    begun_s, ended_s : `time.monotonic` before the first proposal and after the last verdict.
    cpu_s : processor time of the client meanwhile; of whatever else runs in its process, too.
    first_failure : what the first failure says.
    """

    latencies_s: list[float] = msgspec.field(default_factory=list)
    failures: int = 0
    begun_s: float = 0.0
    ended_s: float = 0.0
    cpu_s: float = 0.0
    first_failure: str = ""

    @property
    def elapsed_s(self) -> float:
        """From the first proposal to the last verdict, seconds."""
        return self.ended_s - self.begun_s

    def failed(self, error: Exception) -> None:
        """Count a failure."""
        self.failures += 1
        self.first_failure = self.first_failure or f"{type(error).__name__}: {error}"[:500]


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


def merged(parts: list[Outcomes], cpu_s: float) -> Outcomes:
    """Return the outcomes of clients that ran at the same time."""
    return Outcomes(
        [latency for one in parts for latency in one.latencies_s],
        sum(one.failures for one in parts),
        min(one.begun_s for one in parts),
        max(one.ended_s for one in parts),
        cpu_s,
        next((one.first_failure for one in parts if one.first_failure), ""),
    )


def keep_in_flight(submit: Submit, load: Load, name: str, *, progress: Progress | None = None) -> Outcomes:
    """Put a load on a ledger from one thread.

    Submits until all are in flight, then waits for the oldest before it submits the next one. A thread for
    each transaction would measure the interpreter's threads instead of the ledger.

    Parameters
    ----------
    submit : hands over one transaction.
    load : how much.
    name : beginning of the transactions' names.
    progress : told about the time whenever so many were submitted as are in flight.
    """
    outcomes = Outcomes(begun_s=time.monotonic())
    cpu_s = time.process_time()
    under_way: deque[tuple[float, Commit]] = deque()
    first_s = time.perf_counter()
    number = 0
    while (begun_s := time.perf_counter()) - first_s < load.seconds:
        if len(under_way) == load.in_flight:
            _settle(*under_way.popleft(), outcomes)
            continue
        try:
            under_way.append((begun_s, submit(f"{name}-{number}")))
        except (GatewayError, Rejected) as error:
            outcomes.failed(error)
        number += 1
        if progress is not None and number % load.in_flight == 0:
            progress(begun_s - first_s)
    for one in under_way:
        _settle(*one, outcomes)
    outcomes.ended_s = time.monotonic()
    outcomes.cpu_s = time.process_time() - cpu_s
    return outcomes


def keep_in_flight_by_threads(
    submit: Submit, load: Load, name: str, *, threads: int, progress: Progress | None = None
) -> Outcomes:
    """Put a load on a ledger from several threads, each with its part of what is in flight.

    Parameters
    ----------
    submit, load, name, progress : as for `keep_in_flight`.
    threads : 1 to `load.in_flight`.
    """
    if threads == 1:
        return keep_in_flight(submit, load, name, progress=progress)
    cpu_s = time.process_time()
    parts: list[Outcomes] = []

    def run(number: int, share: Load) -> None:
        told = progress if number == 0 else None
        parts.append(keep_in_flight(submit, share, f"{name}-t{number}", progress=told))

    clients = [
        threading.Thread(target=run, args=(number, Load(part, load.seconds)), name="client", daemon=True)
        for number, part in enumerate(shares(load.in_flight, threads))
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if len(parts) < threads:
        raise RuntimeError("a client's thread has failed")
    return merged(parts, time.process_time() - cpu_s)


async def keep_in_flight_async(submit: SubmitAndWait, load: Load, name: str) -> Outcomes:
    """Put a load on a ledger from an event loop: a task for each transaction in flight.

    Parameters
    ----------
    submit, load, name : as for `keep_in_flight`.
    """
    outcomes = Outcomes(begun_s=time.monotonic())
    cpu_s = time.process_time()
    end_s = time.perf_counter() + load.seconds

    async def client(number: int) -> None:
        transaction = 0
        while (begun_s := time.perf_counter()) < end_s:
            try:
                await submit(f"{name}-{number}-{transaction}")
            except (GatewayError, Rejected) as error:
                outcomes.failed(error)
            else:
                outcomes.latencies_s.append(time.perf_counter() - begun_s)
            transaction += 1

    await asyncio.gather(*(client(number) for number in range(load.in_flight)))
    outcomes.ended_s = time.monotonic()
    outcomes.cpu_s = time.process_time() - cpu_s
    return outcomes


def shares(total: int, parts: int) -> list[int]:
    """Split a number as evenly as possible; parts <= total."""
    return [total // parts + (number < total % parts) for number in range(parts)]


def _settle(begun_s: float, commit: Commit, outcomes: Outcomes) -> None:
    try:
        commit.result()
    except GatewayError as error:
        outcomes.failed(error)
    else:
        outcomes.latencies_s.append(time.perf_counter() - begun_s)
