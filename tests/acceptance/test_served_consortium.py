"""From nothing to a consortium that is served over TLS: what a person types, in real processes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FEDPACT = (sys.executable, "-m", "fedpact.cli")
TABLE = "age,bmi,outcome\n50,31.5,1\n31,26.6,0\n32,23.3,1\n"


class Shell:
    """Commands of one person."""

    def __init__(self, **variables: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FEDPACT_")}
        self.env = {**clean, **variables}

    def run(self, *words: str, code: int = 0) -> Any:
        """Return what a command prints; of one that fails, what it says."""
        done = subprocess.run(
            [*FEDPACT, *words], capture_output=True, text=True, timeout=60, env=self.env, check=False
        )
        assert done.returncode == code, done.stderr
        if code:
            return done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return rows[0] if len(rows) == 1 else rows


class Served:
    """`fedpact node serve`, until it is closed."""

    def __init__(self, shell: Shell, *options: str) -> None:
        self.process = subprocess.Popen(
            [*FEDPACT, "node", "serve", "--listen", "localhost:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=shell.env,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def end(self) -> str:
        """Wait for its end and return its log."""
        _, log = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, log
        return log

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def founder(tmp_path: Path) -> Shell:
    return Shell(FEDPACT_HOME=str(tmp_path / "home"))


@pytest.fixture
def table(tmp_path: Path) -> str:
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    return str(file)


@pytest.fixture
def founded(founder: Shell, tmp_path: Path) -> Shell:
    """A consortium, a member with a wallet of her own, and certificates for the connections."""
    founder.run("consortium", "found", "--organisation", "HotelMSP=Hotel", "--organisation", "CityMSP=City")
    founder.run("consortium", "enrol", "HotelMSP/alice", "--to-wallet", str(tmp_path / "wallet"))
    founder.run("node", "tls", "server", "--host", "localhost")
    return founder


@pytest.fixture
def served(founded: Shell) -> Iterator[Served]:
    node = Served(founded)
    yield node
    node.close()


def test_from_nothing_to_a_served_consortium(
    founded: Shell, served: Served, tmp_path: Path, table: str
) -> None:
    home = tmp_path / "home"
    assert founded.run("node", "status")["address"] == served.address
    said = founded.run("data", "list", "--as", "HotelMSP/alice", code=3)
    assert f"--url grpcs://{served.address}" in said  # the ledger is the node's; where it is reached

    alice = Shell(
        FEDPACT_URL=f"grpcs://{served.address}?tls_roots={home}/tls/roots.pem",
        FEDPACT_WALLET=str(tmp_path / "wallet"),
        FEDPACT_RETRIEVAL_KEY=str(home / "retrieval.key"),
    )
    alice.run("consortium", "register-node")
    publish = ("data", "publish", "heart", table, "--category", "diabetes", "--target", "outcome")
    alice.run(*publish, "--unit", "age=a", "--classes")
    shown = alice.run("data", "show", "HotelMSP/heart")
    assert (shown["category"], shown["sizes"][0]["rows"]) == ("diabetes", 3)

    assert founded.run("node", "stop") == {"stopped": served.process.pid}
    log = served.end()
    assert "stopped at height" in log
    assert f"members: --url 'grpcs://{served.address}?tls_roots={home}/tls/roots.pem'" in log
    report = founded.run("audit")
    assert report["ok"]
    assert report["transactions"] >= 5


def test_keys_are_their_owners_and_hosts_are_checked(founded: Shell, tmp_path: Path) -> None:
    tls = tmp_path / "home" / "tls"
    keys = (tls / "server.key", tls / "authority" / "key.pem")
    assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600, 0o600]
    roots = (tls / "roots.pem").read_bytes()
    founded.run("node", "tls", "server", "--host", "node.hotel.example", "--host", "10.0.0.5")
    assert (tls / "roots.pem").read_bytes() == roots
    assert "BAD_NAME" in founded.run("node", "tls", "server", "--host", "no host", code=1)


def test_clients_may_be_asked_for_certificates(founded: Shell, tmp_path: Path) -> None:
    client, roots = tmp_path / "client", tmp_path / "home" / "tls" / "roots.pem"
    founded.run("node", "tls", "client", "alice", "--output", str(client))
    node = Served(founded, "--client-roots", str(roots), "--bind-clients")
    try:
        place = f"grpcs://{node.address}?tls_roots={client}/roots.pem"
        stranger = Shell(FEDPACT_URL=place, FEDPACT_WALLET=str(tmp_path / "wallet"))
        assert "UNAVAILABLE" in stranger.run("consortium", "members", code=3)
        pair = f"tls_certificate={client}/alice.pem&tls_key={client}/alice.key"
        alice = Shell(FEDPACT_URL=f"{place}&{pair}", FEDPACT_WALLET=str(tmp_path / "wallet"))
        assert len(alice.run("consortium", "members")) == 2
    finally:
        node.close()
