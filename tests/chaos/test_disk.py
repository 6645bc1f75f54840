"""Disks that fail under a node, and power cuts: it stops, says so, acknowledges only what is flushed."""

import errno
import os
import threading

import pytest
from tests.chaos.faulty_disk import FaultyDisk, compiled
from tests.chaos.kills import serve
from tests.chaos.under_load import UnderLoad

ROUNDS = int(os.environ.get("FEDPACT_CHAOS_ROUNDS", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("faults"))


class Run(UnderLoad):
    """A node on a faulty disk."""

    def __init__(self, folder, library, seed):
        super().__init__(folder, seed)
        self.disk = FaultyDisk(self.place, library)
        self.env = self.disk.env


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
            prepared = run.prepared()
            getattr(run.disk, method)(error, after=run.rng.randrange(40))
            run.until(lambda: run.disk.failures)
            run.stops_serving(prepared)
            assert life.process.poll() is None
        assert "the node stops" in (folder / "node.log").read_text()
        with run.life() as life:  # the disk is still bad: no node, or one that commits nothing
            said = life.answer()
            if said[0] == "READY":
                run.place.move_to(said[1])
                run.stops_serving(prepared)
            else:
                assert said[:2] == ["REFUSED", "DATABASE_UNREACHABLE:"]
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
            prepared = run.prepared()
            run.disk.fail_flushes(errno.EIO, after=run.rng.randrange(20))
            run.until(lambda: run.disk.failures)
            run.stops_serving(prepared)
        run.disk.heal(lost=True)
        with run.life(NEVER) as life:
            serve(run.place, life)
            run.some_are_acknowledged()
        run.disk.cut_power()
        run.finish()
