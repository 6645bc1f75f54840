"""Killing a node under load, again and again: `python -m tests.chaos.kills --kills 200 --seed 1`.

Client processes keep the node busy through all its lives. At a random moment, also while it starts, it is
killed; after every restart the ledger is compared with what the clients were told. At the end all outcomes
must be known, everything acknowledged must be there once, and the audit must find nothing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.founding import ROOT, Place, environment, found
from tests.chaos.node_life import NodeLife
from tests.chaos.referee import Referee

DOORS = ("local", "grpc", "batched")
LONGEST_LIFE_S = 0.8


def campaign(
    folder: Path, kills: int, seed: int, *, url: str | None = None, doors: Sequence[str] = DOORS
) -> dict[str, object]:
    """Kill a node so many times; return what happened.

    Raises
    ------
    AssertionError
        Naming what was lost, doubled or contradicted.
    """
    rng, pause = random.Random(seed), threading.Event()
    place = found(folder, url)
    referee = Referee(place)
    begin, start_s, starting = time.monotonic(), 1.0, 0
    with clients(place, seed):
        done = 0
        while done < kills:
            started = time.monotonic()
            with NodeLife(place, door=rng.choice(doors)) as life:
                if rng.random() < 0.15:  # while it starts
                    pause.wait(rng.uniform(0.3, 1.1) * start_s)
                    starting += 1
                else:
                    serve(place, life)
                    start_s = time.monotonic() - started
                    referee.after_restart()
                    pause.wait(rng.uniform(0.0, LONGEST_LIFE_S))
                done += 1
        with NodeLife(place) as life:
            serve(place, life)
            place.stop_clients()
            wait_for_clients(place)
            referee.after_restart()
            assert life.close() == ["CLOSED"]
    facts = referee.at_the_end()
    return {
        "kills": kills,
        "while starting": starting,
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
        **facts,
    }


def serve(place: Place, life: NodeLife) -> None:
    """Wait until a node serves and tell the clients where."""
    said = life.answer()
    assert said[:1] == ["READY"], f"the node did not start: {said}; see {place.folder / 'node.log'}"
    place.move_to(said[1])


_running: dict[Path, list[subprocess.Popen[bytes]]] = {}


@contextmanager
def clients(
    place: Place, seed: int, *, name: str = "c", processes: int = 2, threads: int = 4
) -> Iterator[None]:
    """Run client processes, called by the name and a number, until the end of the block at the latest."""
    log = (place.folder / "clients.log").open("ab")
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.chaos.client_process",
                str(place.folder),
                f"{name}{n}",
                str(seed * 100 + n * 10),
                str(threads),
            ],
            cwd=ROOT,
            env=environment(place.folder),
            stderr=log,
        )
        for n in range(processes)
    ]
    _running[place.folder] = started
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


def wait_for_clients(place: Place, timeout_s: float = 180.0) -> None:
    """Wait until the clients have ended by themselves, with every outcome known."""
    for process in _running[place.folder]:
        assert process.wait(timeout_s) == 0, f"a client failed, see {place.folder / 'clients.log'}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--url", help="ledger URL; by default a file in a temporary folder")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(json.dumps(campaign(folder, options.kills, options.seed, url=options.url)))
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
