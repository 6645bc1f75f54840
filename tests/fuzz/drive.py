"""Long fuzzing of a node in this process.

    python -m tests.fuzz.drive --minutes 30 --seed 1              random decisions
    python -m tests.fuzz.drive --minutes 30 --seed 1 --guided     decisions guided by coverage (needs atheris)
    python -m tests.fuzz.drive --minutes 30 --way grpc            through the server (or `batched`)

Findings are printed once for each place and kept as `<--findings>/<place>.bin`; replay one with
`python -m tests.fuzz.drive --replay FILE`. The exit status is 1 if there were any.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.target import Target


WATCHED = ["fedpact.wire", "fedpact.validation", "fedpact.gateway", "fedpact_network", "fedpact_chaincode"]
CASES_PER_NODE = 20_000
"""After so many the node is audited and a new one begun, so that an audit stays short."""


class Session:
    """Runs cases against one node after another and collects what goes wrong."""

    def __init__(self, findings: Path, minutes: float, way: str) -> None:
        from tests.fuzz.target import Target

        self.way = way
        self.target: Target = Target(way)
        self.findings = findings
        self.found: dict[str, int] = {}
        self.cases = self.calls = 0
        self.last: list[bytes] = []
        self.begin = self.spoken = time.monotonic()
        self.end = self.begin + minutes * 60

    def run(self, data: bytes) -> None:
        from tests.fuzz.defects import Defect
        from tests.fuzz.doors import fuzz_once
        from tests.fuzz.target import Target

        self.cases += 1
        self.last = [*self.last[-30:], data]
        try:
            fuzz_once(self.target, data)
        except Defect as defect:
            self._keep(defect, data)
            if "nothing more is committed" in str(defect):
                self.calls += self.target.executions
                self.target.close()
                self.target = Target(self.way)
        if time.monotonic() - self.spoken > 60:
            self.spoken = time.monotonic()
            self.speak()
        if self.cases % CASES_PER_NODE == 0:
            self.finish()
            self.target = Target(self.way)

    def speak(self) -> None:
        facts = {
            "minutes": round((time.monotonic() - self.begin) / 60, 1),
            "cases": self.cases,
            "calls": self.calls + self.target.executions,
            "height": self.target.ledger.height(),
            "memory_mib": [self.target.first_mib, memory()],
            "found": self.found,
            "answers": dict(self.target.statuses.most_common()),
        }
        print(json.dumps(facts), flush=True)

    def finish(self) -> bool:
        """Check that the node still serves and that its ledger holds together; return whether all is well."""
        from tests.fuzz.defects import Defect

        for check in (self.target.serves, self.target.stays_small, self.target.holds_together):
            try:
                check()
            except Defect as defect:
                self._keep(defect, b"")
        self.speak()
        self.calls += self.target.executions
        self.target.close()
        return not self.found

    def _keep(self, defect: Exception, data: bytes) -> None:
        place = getattr(defect, "place", "unknown")
        self.found[place] = self.found.get(place, 0) + 1
        if self.found[place] == 1:
            traceback.print_exception(defect)
            self.findings.mkdir(parents=True, exist_ok=True)
            name = re.sub(r"[^A-Za-z0-9]+", "-", place)
            (self.findings / f"{name}.bin").write_bytes(data)
            told = [*traceback.format_exception(defect), *(f"{case.hex()}\n" for case in self.last)]
            (self.findings / f"{name}.txt").write_text("".join(told))


def memory() -> int:
    from tests.fuzz.target import memory_mib

    return memory_mib()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="let atheris guide by coverage")
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "fedpact-findings")
    parser.add_argument("--way", choices=("process", "grpc", "batched"), default="process")
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    logging.getLogger("fedpact.gateway").setLevel(logging.CRITICAL)
    if options.guided:
        _guided(options)
    session = Session(options.findings, options.minutes, options.way)
    if options.replay:
        session.run(options.replay.read_bytes())
        return 0 if session.finish() else 1
    numbers = random.Random(options.seed)
    while time.monotonic() < session.end:
        session.run(numbers.randbytes(64))
    return 0 if session.finish() else 1


def _guided(options: argparse.Namespace) -> None:
    import atheris

    with atheris.instrument_imports(include=WATCHED):
        session = Session(options.findings, options.minutes, options.way)  # imports what is watched

    def run(data: bytes) -> None:
        session.run(data)
        if time.monotonic() > session.end:  # libFuzzer ends without giving anybody a chance to look back
            os._exit(0 if session.finish() else 1)

    arguments = [sys.argv[0], f"-seed={options.seed + 1}", "-max_len=96", "-rss_limit_mb=0", "-timeout=300"]
    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
