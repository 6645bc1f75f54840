"""Killing two nodes under load, one ordering and one following: `python -m tests.chaos.two_nodes --kills 10`.

Each has clients of its own, who are told the truth by it or nothing. At the end everything that any of them
was told is compared with both ledgers, which must be the same.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import socket
import tempfile
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.chaos.founding import Place, found, join
from tests.chaos.kills import clients, serve, wait_for_clients
from tests.chaos.node_life import NodeLife
from tests.chaos.referee import Referee

from fedpact.ledger import inspect_ledger
from fedpact.wire.blocks import parse_block

ENDORSEMENT = "OR('Org1MSP.peer', 'Org2MSP.peer')"
CATCH_UP_S = 30.0


def campaign(folder: Path, kills: int, seed: int) -> dict[str, object]:
    """Kill either node, so many times in all; return what happened.

    Raises
    ------
    AssertionError
        Naming what was lost, doubled or contradicted, or in what the nodes differ.
    """
    rng, pause, begin = random.Random(seed), threading.Event(), time.monotonic()
    first = found(folder, endorsement=ENDORSEMENT)
    (folder / "listen").write_text(free_address())
    places = (first, join(folder / "follower", first, free_address()))
    referees, killed = [Referee(place) for place in places], [0, 0]
    lives = [NodeLife(place, door="grpc") for place in places]
    with ExitStack() as closing_all:
        closing_all.callback(lambda: [life.kill() for life in lives])
        for number, place in enumerate(places):
            serve(place, lives[number])
            closing_all.enter_context(clients(place, seed + number, name=f"n{number}c", processes=1))
        for _ in range(kills):
            pause.wait(rng.uniform(0.1, 1.5))
            which = rng.randrange(2)
            lives[which].kill()
            killed[which] += 1
            pause.wait(rng.uniform(0.0, 0.5))
            lives[which] = NodeLife(places[which], door="grpc")
            serve(places[which], lives[which])
            referees[which].after_restart()
        for place in places:
            place.stop_clients()
        for place in places:
            wait_for_clients(place)
        same_height(places)
        for life in reversed(lives):
            assert life.close() == ["CLOSED"]
    everybody_hears_everything(places)
    facts = [Referee(place).at_the_end() for place in places]
    assert facts[0] == facts[1], facts
    assert ends(places[0]) == ends(places[1]), "the nodes have different states or verdicts"
    return {"killed": killed, "seed": seed, "seconds": round(time.monotonic() - begin, 1), **facts[0]}


def free_address() -> str:
    """Return an address that is free now and remains the node's over its lives."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def same_height(places: tuple[Place, ...]) -> None:
    """Wait until the follower has all blocks."""
    deadline = time.monotonic() + CATCH_UP_S
    while len({ends(place)[0] for place in places}) > 1:
        assert time.monotonic() < deadline, f"the follower remains behind: {[ends(p)[0] for p in places]}"
        threading.Event().wait(0.05)


def everybody_hears_everything(places: tuple[Place, ...]) -> None:
    """Put together what all clients were told."""
    lines = [(path.name, path.read_bytes()) for place in places for path in place.folder.glob("told.*")]
    for place in places:
        for name, content in lines:
            (place.folder / name).write_bytes(content)


def ends(place: Place) -> tuple[int, str, bytes]:
    """Return a ledger's height, the hash of its state, and that of all its verdicts and changes."""
    with closing(inspect_ledger(place.url)) as ledger:
        height = ledger.height()
        last = parse_block(next(iter(ledger.blocks(height - 1))))
        return height, ledger.state_hash(), last.commit_hash


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(json.dumps(campaign(folder, options.kills, options.seed)))
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
