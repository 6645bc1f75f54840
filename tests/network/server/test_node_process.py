"""Stopping under load, and the node as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from unittest.mock import patch

import grpc
import pytest

from fedpact.cli.main import main
from fedpact.ledger import LedgerError, inspect_ledger, open_ledger
from fedpact_network.server.errors import ServerError
from fedpact_network.server.process import node_status, run_path, stop_node
from fedpact_network.server.run_file import RunFile

Code = grpc.StatusCode


def test_what_was_accepted_is_committed_when_the_server_stops(site):
    """Eight clients submit as fast as they can; every transaction that was accepted is in the ledger."""
    server = site.serve()
    accepted, errors, enough = [], [], threading.Event()

    def submit(number):
        caller = site.caller(server)
        try:
            for key in range(10_000):
                accepted.append(caller.submit("create", f"{number}-{key}", "1"))
                if len(accepted) > 60:
                    enough.set()
        except grpc.RpcError as error:
            errors.append(error)

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    assert enough.wait(20)
    server.stop(grace_s=10)
    for thread in threads:
        thread.join(20)
    site.ledger.close()
    assert {error.code() for error in errors} <= {Code.UNAVAILABLE, Code.CANCELLED}
    view = inspect_ledger(site.url)
    assert [tx_id for tx_id in accepted if view.locate(tx_id) is None] == []
    view.close()


def test_who_waits_for_a_commit_gets_it_while_the_server_stops(make_site):
    site = make_site()
    server = site.serve()
    caller = site.caller(server)
    tx_id, envelope = caller.endorse("create", "a", "1")
    future = caller.channel.unary_unary("/gateway.Gateway/CommitStatus").future(
        caller.asked(tx_id), timeout=20
    )
    deadline_s = time.monotonic() + 10
    while not server.services.commits.waiting:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)
    stopping = threading.Thread(target=server.stop, args=(15.0,))
    stopping.start()
    site.ledger.node.submit(envelope.SerializeToString())
    assert future.result()
    stopping.join(20)
    assert not stopping.is_alive()


def test_a_wait_for_nothing_is_cut_after_the_grace(site):
    server = site.serve()
    caller = site.caller(server)
    future = caller.channel.unary_unary("/gateway.Gateway/CommitStatus").future(
        caller.asked("00" * 32), timeout=60
    )
    deadline_s = time.monotonic() + 10
    while not server.services.commits.waiting:
        assert time.monotonic() < deadline_s
        threading.Event().wait(0.01)
    server.stop(grace_s=0.2)
    server.stop()
    assert future.code() in {Code.UNAVAILABLE, Code.CANCELLED}


class Process:
    """`fedpact node serve` on the ledger of a site that is closed here."""

    def __init__(self, site, *options):
        site.ledger.close()
        (site.folder / "server.pem").write_bytes(site.certificate)
        (site.folder / "server.key").write_bytes(site.key)
        command = [sys.executable, "-m", "fedpact.cli", "node", "serve", site.url, "--listen", "localhost:0"]
        tls = ["--tls-certificate", site.folder / "server.pem", "--tls-key", site.folder / "server.key"]
        self.running = subprocess.Popen(
            [*command, *tls, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        site.closing(self.kill)
        self.address = self.running.stdout.readline().strip()

    def kill(self):
        if self.running.poll() is None:
            self.running.kill()
            self.running.communicate()

    def end(self):
        """Return the exit code and what was logged."""
        _, log = self.running.communicate(timeout=30)
        return self.running.returncode, log


@dataclass
class Answer:
    returncode: int
    stdout: str
    stderr: str


def fedpact(*arguments):
    """Call the command line in this process."""
    out, err, code = StringIO(), StringIO(), 0
    with patch.object(sys, "argv", ["fedpact", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Answer(code, out.getvalue(), err.getvalue())


def test_a_node_as_a_process(site):
    process = Process(site)
    caller = site.caller(process)
    with pytest.raises(grpc.RpcError) as caught:  # its chaincode is the consortium's
        caller.evaluate("read", "a")
    assert caught.value.code() is Code.FAILED_PRECONDITION
    told = fedpact("node", "status", site.url)
    assert told.returncode == 0
    status = json.loads(told.stdout)
    assert (status["channel"], status["height"], status["pid"]) == ("consortium", 1, process.running.pid)
    assert (status["peers"], status["address"]) == (["Org1MSP", "Org2MSP"], process.address)
    with pytest.raises(LedgerError) as busy:
        open_ledger(site.url)
    assert busy.value.code == "LEDGER_BUSY"
    stopped = fedpact("node", "stop", site.url)
    assert (stopped.returncode, json.loads(stopped.stdout)) == (0, {"stopped": process.running.pid})
    code, log = process.end()
    assert code == 0
    lines = log.splitlines()
    assert "serves" in lines[-4] or "serving" in lines[0]
    assert lines[-1].endswith("stopped at height 1")
    assert not run_path(site.url).exists()
    assert fedpact("node", "status", site.url).returncode == 3
    assert fedpact("node", "stop", site.url).returncode == 3


def test_interrupting_stops_as_well(site):
    process = Process(site, "--operations", "none", "--log-level", "error")
    assert "height" not in node_status(site.url)
    process.running.send_signal(signal.SIGINT)
    assert process.end() == (0, "")


def test_what_cannot_be_served_is_told_in_a_line(site, tmp_path):
    site.ledger.close()
    for options, code in (
        (("--listen", "0.0.0.0:0"), 1),
        (("--tls-certificate", str(site.folder / "ledger.db")), 2),
        (("--listen", "nowhere"), 1),
    ):
        told = fedpact("node", "serve", site.url, *options)
        assert (told.returncode, told.stdout) == (code, "")
        assert told.stderr.startswith("error: ")
    assert fedpact("node", "serve", f"embedded://{tmp_path}/none.db").returncode == 3


def test_a_run_file_names_one_process_for_good(site):
    path, url = run_path(site.url), site.url
    run = RunFile.of_this_process(url, "localhost:1", "")
    run.write(path)
    assert RunFile.read(path, url) == run
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ServerError):
        RunFile.read(path, "embedded:///other.db")
    RunFile(url, os.getpid(), run.started + 1, "localhost:1", "").write(path)  # the id was given again
    for act in (lambda: node_status(url), lambda: stop_node(url, 1)):
        with pytest.raises(ServerError) as caught:
            act()
        assert caught.value.code == "NOT_SERVED"
    run.remove(path)
    assert path.exists()  # another process's
    path.write_text("{}")
    with pytest.raises(ServerError):
        RunFile.read(path, url)


def test_the_status_of_a_process_is_asked_for_without_a_proxy(site, monkeypatch):
    server = site.serve(operations="127.0.0.1:0")
    run = RunFile.of_this_process(site.url, server.address, server.operations)
    run.write(run_path(site.url))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert node_status(site.url)["channel"] == "consortium"
