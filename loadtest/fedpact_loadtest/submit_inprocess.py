"""The in-process front: threads of a client, and the node that they call, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fedpact.gateway.client import Gateway
from fedpact.gateway.commit import Commit
from fedpact_loadtest import creates
from fedpact_loadtest.in_flight import Load, Outcomes, Progress, keep_in_flight_by_threads
from fedpact_loadtest.measuring import Measured, Stages, stages_of
from fedpact_loadtest.stage_times import StageTimes, spent, thread_seconds
from fedpact_loadtest.venue import CHANNEL, Venue, open_venue

if TYPE_CHECKING:
    from fedpact_loadtest.submit import SubmitRules

_CALLS = {"endorse": "endorse", "submit": "submit", "commit_status": "commit wait", "verdict": "commit wait"}


class InProcess:
    """A fresh ledger and the load on it.

    Parameters
    ----------
    venue : where.
    rules : what is measured.
    """

    def __init__(self, venue: Venue, rules: SubmitRules) -> None:
        self._ledger = venue.ledger
        self._rules = rules
        self._times = StageTimes()
        transport = venue.ledger.transport()
        if rules.with_stages:
            for call, stage in _CALLS.items():
                setattr(transport, call, self._times.timed(stage, getattr(transport, call)))
        self._gateway = Gateway(transport, venue.client, channel_id=CHANNEL, chaincode=creates.NAME)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, rules: SubmitRules) -> Iterator[InProcess]:
        """Create `ledger.db` in a folder, and close it afterwards."""
        with open_venue(folder, organisations=rules.organisations, endorsements=rules.endorsements) as venue:
            yield cls(venue, rules)

    def run(self, name: str, seconds: float, progress: Progress | None = None) -> Measured:
        """Measure one repetition."""
        height, cpu_s = self._ledger.height(), time.process_time()
        outcomes = self._load(name, seconds, progress)
        return Measured(outcomes, self._ledger.height() - height, time.process_time() - cpu_s)

    def stages(self, name: str, seconds: float) -> Stages:
        """Return where the processor time of a repetition goes."""
        self._times.on = True
        before, calls, cpu_s = thread_seconds(), self._times.seconds(), time.process_time()
        outcomes = self._load(name, seconds, None)
        cpu_s = time.process_time() - cpu_s
        calls = spent(calls, self._times.seconds())
        threads = spent(before, thread_seconds())
        self._times.on = False
        node = {name: threads.get(name, 0.0) for name in ("block stage", "verifier")}
        known = {"proposal": 0.0, **calls, **node, "other": 0.0}
        client = cpu_s - sum(node.values()) if self._rules.threads > 1 else threads["MainThread"]
        known["proposal"] = max(client - sum(calls.values()), 0.0)
        known["other"] = max(cpu_s - sum(known.values()), 0.0)
        return stages_of(known, len(outcomes.latencies_s))

    def _load(self, name: str, seconds: float, progress: Progress | None) -> Outcomes:
        value = "x" * self._rules.value_bytes

        def submit(key: str) -> Commit:
            return self._gateway.submit_async(creates.CREATE, creates.message(key, value))

        load = Load(self._rules.in_flight, seconds)
        return keep_in_flight_by_threads(submit, load, name, threads=self._rules.threads, progress=progress)
