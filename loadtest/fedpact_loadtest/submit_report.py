"""What `fedpact bench submit` reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from fedpact_loadtest.measuring import Measured, Stages, median_tps, ms_each, quantile_ms

if TYPE_CHECKING:
    from fedpact_loadtest.submit import SubmitRules


class SubmitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes
    ----------
    front : over which interface.
    tps : committed transactions a second, median of the repetitions. The time runs from the first
        proposal to the last verdict and includes what was spent on failures.
    failures : transactions that were refused, invalid, or stayed without a verdict.
    p50_ms, p95_ms : from before the proposal was built until the client knew the verdict; None without any.
    cpu_ms_per_tx : processor time of client and node together for each committed one; None without any.
    client_cpu_ms_per_tx, node_cpu_ms_per_tx : of each; None where they share a process.
    tps_min, tps_max : of the repetitions.
    transactions : committed, in all repetitions.
    blocks : that hold them.
    stages : milliseconds of processor time a transaction, by stage, of one more repetition; None unless asked
        for. What each stage is: loadtest/README.md.
    first_failure : what the first failure says; empty without any.
    in_flight, clients, threads, seconds, repetitions, organisations, endorsements, value_bytes : the rules.
    """

    front: str
    tps: float
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms_per_tx: float | None
    client_cpu_ms_per_tx: float | None
    node_cpu_ms_per_tx: float | None
    tps_min: float
    tps_max: float
    transactions: int
    blocks: int
    stages: dict[str, float] | None
    first_failure: str
    in_flight: int
    clients: int
    threads: int
    seconds: float
    repetitions: int
    organisations: int
    endorsements: int
    value_bytes: int


def report(rules: SubmitRules, measured: Sequence[Measured], stages: Stages | None) -> SubmitReport:
    """Put the repetitions together."""
    latencies_s = [latency for one in measured for latency in one.outcomes.latencies_s]
    committed = len(latencies_s)
    tps, lowest, highest = median_tps([one.outcomes for one in measured])
    return SubmitReport(
        front=rules.front,
        tps=tps,
        failures=sum(one.outcomes.failures for one in measured),
        p50_ms=quantile_ms(latencies_s, 0.50),
        p95_ms=quantile_ms(latencies_s, 0.95),
        cpu_ms_per_tx=ms_each([one.cpu_s for one in measured], committed),
        client_cpu_ms_per_tx=ms_each([one.client_cpu_s for one in measured], committed),
        node_cpu_ms_per_tx=ms_each([one.node_cpu_s for one in measured], committed),
        tps_min=lowest,
        tps_max=highest,
        transactions=committed,
        blocks=sum(one.blocks for one in measured),
        stages=stages,
        first_failure=next((one.outcomes.first_failure for one in measured if one.outcomes.failures), ""),
        in_flight=rules.in_flight,
        clients=rules.clients,
        threads=rules.threads,
        seconds=rules.seconds,
        repetitions=rules.repetitions,
        organisations=rules.organisations,
        endorsements=rules.endorsements,
        value_bytes=rules.value_bytes,
    )
