"""Nodes as processes of their own: joined and served by the command line, killed, and up again."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import click
import pytest
from tests.network.peering.conftest import until
from tests.network.server.conftest import TlsAuthority

import fedpact
from fedpact.audit.auditor import audit
from fedpact.cli.main import main
from fedpact.cli.node_join import peering
from fedpact.gateway.grpc_channel import Tls
from fedpact.identity import Wallet
from fedpact.ledger import inspect_ledger
from fedpact.records import NodeKind
from fedpact.wire.blocks import parse_block


def command(*arguments):
    """Call the command line in this process; return exit code, output and errors."""
    out, err, code = StringIO(), StringIO(), 0
    with patch.object(sys, "argv", ["fedpact", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


@dataclass
class Process:
    """`fedpact node serve`."""

    folder: Path
    url: str
    options: tuple[str, ...] = ()
    address: str = "localhost:0"

    def start(self):
        tls = ("--tls-certificate", f"{self.folder}/server.pem", "--tls-key", f"{self.folder}/server.key")
        serve = (sys.executable, "-m", "fedpact.cli", "node", "serve", self.url, "--listen", self.address)
        self.running = subprocess.Popen(
            [*serve, *tls, "--operations", "none", *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.address = self.running.stdout.readline().strip()
        assert self.address, self.running.stderr.read()
        return self

    def kill(self):
        if self.running.poll() is None:
            self.running.kill()
        self.running.communicate()


@pytest.fixture
def consortium(tmp_path):
    """A founded consortium whose ledger nobody has open."""
    made, ledger = fedpact.found(str(tmp_path / "home"), {"AlphaMSP": "Alpha", "BetaMSP": "Beta"})
    with fedpact.connect(ledger, identity=made.enrol("AlphaMSP", "chair", role="admin")) as chair:
        chair.council.found(made.organisations)
    ledger.close()
    return made


def height(url):
    view = inspect_ledger(url)
    try:
        return view.height()
    finally:
        view.close()


def test_a_follower_that_is_killed_and_clients_that_go_to_another_node(consortium, tmp_path):
    tls, closing = TlsAuthority("tls"), []
    for name, content in zip(("server.pem", "server.key"), tls.issue("localhost"), strict=True):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "roots.pem").write_bytes(tls.root)
    first = next(inspect_ledger(consortium.url).blocks())
    ordering = Process(tmp_path, consortium.url).start()
    closing.append(ordering.kill)
    place = f"grpcs://{ordering.address}?tls_roots={tmp_path}/roots.pem"
    peer = consortium.authorities["BetaMSP"].issue("peer1", role=None, ou="peer")
    Wallet(tmp_path / "keys").put("peer", peer)
    other = f"embedded://{tmp_path}/other/ledger.db"
    joining = ("node", "join", other, "--from", place, "--keys", str(tmp_path / "keys"), "--genesis-hash")
    code, _, told = command(*joining, "00" * 32)
    assert (code, "OTHER_GENESIS" in told) == (3, True)
    code, told, errors = command(*joining, parse_block(first).hash.hex())
    assert code == 0, errors
    assert json.loads(told)["peers"] == ["BetaMSP"]
    follower = Process(tmp_path, other, ("--follow", place, "--peer", f"AlphaMSP={place}"))
    try:
        follower.start()
        both = f"grpcs://{follower.address},{ordering.address}"
        number = itertools.count()

        def submit():
            who = consortium.enrol("BetaMSP", f"node{next(number)}", role="member")
            with fedpact.connect(both, identity=who, tls=Tls(roots=tls.root)) as session:
                session.council.register_node(NodeKind.PROVIDER)

        def caught_up():
            return height(other) == height(consortium.url)

        until(caught_up)
        submit()
        until(caught_up)
        follower.kill()
        submit()
        follower.start()
        until(caught_up)
        submit()
        until(caught_up)
    finally:
        ordering.kill()
        follower.kill()
    views = [inspect_ledger(url) for url in (consortium.url, other)]
    assert len({view.state_hash() for view in views}) == 1
    for view in views:
        assert list(audit(view).findings) == []
        view.close()


def test_options_that_do_not_fit(tmp_path):
    assert peering(None, ()) is None
    found = peering("grpc://localhost:1", ["Org2MSP=grpc://localhost:2,localhost:3"])
    assert found.peers["Org2MSP"].addresses == ("localhost:2", "localhost:3")
    for wrong in (["Org2MSP"], ["=grpc://localhost:1"], ["A=grpc://localhost:1", "A=grpc://localhost:1"]):
        with pytest.raises(click.UsageError):
            peering(None, wrong)
    url = f"embedded://{tmp_path}/ledger.db"
    for options in ((), ("--from", "grpc://localhost:1")):
        assert command("node", "join", url, "--keys", str(tmp_path), *options)[0] == 2
