"""Disks that fail under a node, and power cuts: it stops, says so, acknowledges only what is flushed."""

import errno
import os
import random
import threading
import time

import pytest
from tests.chaos.faulty_disk import FaultyDisk, compiled
from tests.chaos.founding import CHANNEL, CurrentNode, found
from tests.chaos.kills import clients, serve, wait_for_clients
from tests.chaos.node_life import NodeLife
from tests.chaos.referee import Referee

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.errors import GatewayError
from fedpact.testing import probe

ROUNDS = int(os.environ.get("FEDPACT_CHAOS_ROUNDS", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("faults"))


class Run:
    """A node on a faulty disk, its clients and their referee."""

    def __init__(self, folder, library, seed):
        self.place = found(folder)
        self.disk = FaultyDisk(self.place, library)
        self.referee = Referee(self.place)
        self.rng = random.Random(seed)
        self.seed = seed

    def life(self, checkpoint_bytes=0):
        """Start the node; by default its log is folded in often or seldom, so that both ways fail."""
        size = checkpoint_bytes or self.rng.choice((64 << 10, 8 << 20))
        return NodeLife(self.place, checkpoint_bytes=size, env=self.disk.env)

    def clients(self):
        return clients(self.place, self.seed, processes=1, threads=3)

    def some_are_acknowledged(self, number=15):
        self.referee.account.read()
        enough = len(self.referee.account.valid) + number

        def reached():
            self.referee.account.read()
            return len(self.referee.account.valid) >= enough

        self.until(reached)

    def until(self, condition, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            threading.Event().wait(0.01)

    def submit_status(self):
        """The status that a client gets who submits now; OK if it works."""
        node = CurrentNode(self.place)
        gateway = Gateway(
            node,
            self.place.alice,
            channel_id=CHANNEL,
            chaincode=probe.NAME,
            deadlines=Deadlines(endorse_s=10, submit_s=10, commit_s=10),
            retries=Retries(resends=0),
        )
        try:
            gateway.submit("cells:write", b'{"shelf":"other","place":"p","text":"x"}')
        except GatewayError as error:
            return error.status
        finally:
            node.close()
        return "OK"

    def finish(self):
        """Let the clients resolve what is open on a disk that works, and check everything."""
        with self.life() as life:
            serve(self.place, life)
            self.some_are_acknowledged()
            self.place.stop_clients()
            wait_for_clients(self.place)
            assert life.close() == ["CLOSED"]
        return self.referee.at_the_end()


NEVER = 1 << 30
FAULTS = {
    "flush fails": ("fail_flushes", errno.EIO),
    "write fails": ("fail_writes", errno.EIO),
    "disk full": ("fail_writes", errno.ENOSPC),
}


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_whose_disk_fails_stops_and_has_acknowledged_nothing_wrong(folder, library, seed, fault, turn):
    run = Run(folder, library, seed + turn)
    method, error = FAULTS[fault]
    power_cut = run.rng.random() < 0.5
    with run.clients():
        with run.life() as life:
            serve(run.place, life)
            run.some_are_acknowledged()
            getattr(run.disk, method)(error, after=run.rng.randrange(40))
            run.until(lambda: run.disk.failures)
            run.until(lambda: run.submit_status() == "UNAVAILABLE")
            assert run.submit_status() == "UNAVAILABLE"  # it stays stopped
            assert life.process.poll() is None
        assert "the node stops" in (folder / "node.log").read_text()
        with run.life() as life:  # the disk is still bad: no node, or one that commits nothing
            said = life.answer()
            if said[0] == "READY":
                run.place.move_to(said[1])
                run.until(lambda: run.submit_status() == "UNAVAILABLE")
            else:
                assert said[0] == "REFUSED"
                assert life.process.wait(20) == 3
        if power_cut:
            run.disk.cut_power()
        run.disk.heal()
        facts = run.finish()
    assert facts["valid"] >= 15


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_a_power_cut_takes_nothing_that_was_acknowledged(folder, library, seed, turn):
    run = Run(folder, library, seed + turn)
    with run.clients():
        for _ in range(3):
            with run.life() as life:
                serve(run.place, life)
                run.referee.after_restart()
                run.some_are_acknowledged()
                threading.Event().wait(run.rng.uniform(0, 0.2))
            run.disk.cut_power()
        run.finish()
    assert run.disk.flushes > 10


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_what_a_failed_flush_left_behind_is_flushed_before_it_is_acknowledged(folder, library, seed, turn):
    """After a failed flush the system shows pages that the disk does not have. A node that is started on them
    tells clients what it finds; a power cut afterwards must not take that away."""
    run = Run(folder, library, seed + turn)
    with run.clients():
        with run.life(NEVER) as life:
            serve(run.place, life)
            run.some_are_acknowledged()
            run.disk.fail_flushes(errno.EIO, after=run.rng.randrange(20))
            run.until(lambda: run.disk.failures)
            run.until(lambda: run.submit_status() == "UNAVAILABLE")
        run.disk.heal(lost=True)
        with run.life(NEVER) as life:
            serve(run.place, life)
            run.some_are_acknowledged()
        run.disk.cut_power()
        run.finish()
