"""A served node in a process of its own: `python -m fedpact_loadtest.node_process`.

It reads `NodeOrder`, answers with `NodeStarted`, then to every line with `NodeSpent`, and ends with its
input. The settings are those of `fedpact node serve`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import BinaryIO

import msgspec

from fedpact_loadtest.stage_times import StageTimes, thread_seconds

_STAGES = ("endorse", "submitted", "asked_commit", "evaluate")


class NodeOrder(msgspec.Struct):
    """Which ledger is served.

    Attributes
    ----------
    url : of an existing ledger with the benchmark's chaincode.
    certificate, key : files of the server's TLS certificate.
    stages : whether calls can be timed.
    """

    url: str
    certificate: str
    key: str
    stages: bool = False


class NodeStarted(msgspec.Struct):
    """The node serves.

    Attributes
    ----------
    address : `localhost:port`.
    open_s : from the first touch of the database until clients could come, imports left out.
    """

    address: str
    open_s: float


class NodeQuestion(msgspec.Struct):
    """Switches the timing of calls."""

    timing: bool = False


class NodeSpent(msgspec.Struct):
    """What a node has spent so far.

    Attributes
    ----------
    cpu_s : processor time.
    height : blocks there are.
    resident_bytes : memory in use.
    calls, threads : seconds of processor time.
    """

    cpu_s: float
    height: int
    resident_bytes: int
    calls: dict[str, float]
    threads: dict[str, float]


def main(lines: BinaryIO, answers: BinaryIO) -> None:
    """Serve until the input ends."""
    from fedpact_loadtest.venue import chaincodes
    from fedpact_network.embedded.backend import EmbeddedBackend
    from fedpact_network.server.process import SWITCH_S
    from fedpact_network.server.server import serve
    from fedpact_network.server.settings import ServerSettings, Tls

    order = msgspec.json.decode(lines.readline(), type=NodeOrder)
    tls = Tls.load(Path(order.certificate), Path(order.key))
    times = StageTimes()
    sys.setswitchinterval(SWITCH_S)
    begun_s = time.perf_counter()
    with EmbeddedBackend.open(order.url, chaincodes=chaincodes()) as ledger:
        if order.stages:
            handler = ledger.transport()
            for stage in _STAGES:
                setattr(handler, stage, times.timed(stage, getattr(handler, stage)))
            ledger.transport = lambda: handler  # type: ignore[method-assign]
        with serve(ledger, ServerSettings(listen="localhost:0", tls=tls)) as server:
            _answer(answers, NodeStarted(server.address, time.perf_counter() - begun_s))
            for line in lines:
                times.on = msgspec.json.decode(line, type=NodeQuestion).timing
                spent = NodeSpent(
                    time.process_time(), ledger.height(), resident_bytes(), times.seconds(), thread_seconds()
                )
                _answer(answers, spent)


def resident_bytes() -> int:
    """Return the memory that this process has in use; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(row.split()[1]) << 10 for row in status.splitlines() if row.startswith("VmRSS:")), 0)


def _answer(answers: BinaryIO, message: msgspec.Struct) -> None:
    answers.write(msgspec.json.encode(message) + b"\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
