"""How worker processes die, and that none is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

from fedpact_flower.runtime import ForkedGrid, Population, WorkerLost, WorkerSetupFailed

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def _alive(pid: int) -> bool:
    """Not gone and not a zombie (nobody may be there to collect an orphan)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _mortal(die: Callable[[], None]) -> ClientApp:
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Context) -> Message:
        if context.node_config["partition-id"] == message.content["who"]["dies"]:
            die()
        return Message(RecordDict(), reply_to=message)

    return app


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("die", "exit_code"), [(_kill_self, -signal.SIGKILL), (lambda: os._exit(5), 5)], ids=["killed", "exited"]
)
def test_a_dead_worker_gives_error_replies_and_later_an_exception(die, exit_code, ask):
    with ForkedGrid(_mortal(die), Population(6), seed=1, workers=2) as grid:
        nodes = grid.get_node_ids()
        replies = ask(grid, records={"who": ConfigRecord({"dies": 2})})
        # Worker 0 has the partitions 0, 2 and 4; the first one had been answered.
        assert [reply.has_error() for reply in replies] == [False, False, True, False, True, False]
        assert [reply.metadata.src_node_id for reply in replies] == nodes
        assert replies[2].error.code == ErrorCode.CLIENT_APP_CRASHED
        assert replies[2].error.reason == f"worker 0 died with exit code {exit_code}"
        for _ in range(2):
            with pytest.raises(WorkerLost, match=r"state of nodes \[100, 102, 104\] is lost") as caught:
                ask(grid, records={"who": ConfigRecord({"dies": -1})})
        assert (caught.value.worker, caught.value.exit_code) == (0, exit_code)
        assert caught.value.node_ids == (nodes[0], nodes[2], nodes[4])
        assert caught.value.advice


def test_a_worker_that_dies_between_messages_is_noticed(probe, ask, eventually):
    with ForkedGrid(probe, Population(4), seed=1, workers=2) as grid:
        ask(grid)
        pid = grid.worker_pids[1]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _alive(pid))
        assert [reply.has_error() for reply in ask(grid)] == [False, True, False, True]
        with pytest.raises(WorkerLost):
            ask(grid)


def test_a_child_that_outlives_its_worker_does_not_hide_the_death(ask):
    read_end, write_end = os.pipe()

    def leave_a_child_behind() -> None:
        if os.fork() == 0:
            os.close(write_end)
            os.read(read_end, 1)  # until the test closes its end
            os._exit(0)
        _kill_self()

    with ForkedGrid(_mortal(leave_a_child_behind), Population(1), seed=1, workers=1) as grid:
        (reply,) = ask(grid, records={"who": ConfigRecord({"dies": 0})}, timeout=20)
        assert reply.error.code == ErrorCode.CLIENT_APP_CRASHED
    os.close(write_end)
    os.close(read_end)


def test_a_worker_that_dies_during_its_setup_is_reported(probe):
    with pytest.raises(WorkerSetupFailed, match="worker 0 could not be set up: it died with exit code 7"):
        ForkedGrid(probe, Population(2), seed=1, workers=2, worker_setup=lambda _: os._exit(7))


def test_interrupts_are_for_the_server(probe, ask):
    with ForkedGrid(probe, Population(2), seed=1, workers=2) as grid:
        for pid in grid.worker_pids:
            os.kill(pid, signal.SIGINT)
        assert not any(reply.has_error() for reply in ask(grid))


def test_closed_and_forgotten_grids_leave_no_process(probe, ask):
    with ForkedGrid(probe, Population(2), seed=1, workers=2) as grid:
        ask(grid)
        pids = list(grid.worker_pids)
    forgotten = ForkedGrid(probe, Population(2), seed=1, workers=2)
    pids += forgotten.worker_pids
    del forgotten
    assert not any(_alive(pid) for pid in pids)


def test_workers_end_in_an_orderly_way_when_the_grid_is_closed(probe):
    read_end, write_end = os.pipe()

    def setup(worker: int) -> None:
        Finalize(None, os.write, args=(write_end, b"%d" % worker), exitpriority=1)

    with ForkedGrid(probe, Population(3), seed=1, workers=3, worker_setup=setup):
        pass
    os.close(write_end)
    assert sorted(os.read(read_end, 10)) == sorted(b"012")
    os.close(read_end)


_SERVER = """
import os, sys
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from fedpact_flower.runtime import ForkedGrid, Population

app = ClientApp()

@app.query()
def query(message, context):
    os.write(1, b"busy\\n")
    while True:
        pass

grid = ForkedGrid(app, Population(2), seed=1, workers=2)
print(*grid.worker_pids, flush=True)
first, second = grid.get_node_ids()
"""


def _server(ending: str) -> tuple[subprocess.Popen[str], list[int]]:
    program = _SERVER + textwrap.dedent(ending)
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, [int(pid) for pid in server.stdout.readline().split()]


def test_workers_die_with_a_killed_server_even_in_a_computation(eventually):
    server, pids = _server('grid.send_and_receive([Message(RecordDict(), first, "query")])')
    assert server.stdout is not None
    assert server.stdout.readline() == "busy\n"
    assert len(pids) == 2
    assert all(_alive(pid) for pid in pids)
    server.kill()
    server.wait()
    server.stdout.close()
    eventually(lambda: not any(_alive(pid) for pid in pids))


def test_workers_end_with_a_server_that_never_closed_its_grid(eventually):
    server, pids = _server("""
        import faulthandler
        grid.push_messages([Message(RecordDict(), first, "query")])
        sys.exit(4)
    """)
    assert server.wait(timeout=20) == 4
    assert server.stdout is not None
    server.stdout.close()
    eventually(lambda: not any(_alive(pid) for pid in pids))
