"""A consortium of three organisations on a real embedded ledger on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fedpact import Consortium, Ledger, Session, connect, found, open_ledger
from fedpact.records import MotionStatus, NodeKind

ORGANISATIONS = {"AlphaMSP": "Alpha", "BetaMSP": "Beta", "GammaMSP": "Gamma"}
PEOPLE = {
    "AlphaMSP/admin": "admin",
    "AlphaMSP/node": "member",
    "AlphaMSP/manager": "manager",
    "AlphaMSP/monitor": "device",
    "BetaMSP/admin": "admin",
    "BetaMSP/node": "member",
    "GammaMSP/admin": "admin",
    "GammaMSP/researcher": "member",
}


@dataclass
class Stage:
    """Everybody's sessions on one opened ledger."""

    consortium: Consortium
    ledger: Ledger
    _sessions: dict[str, Session] = field(default_factory=dict)

    def session(self, who: str) -> Session:
        if who not in self._sessions:
            self._sessions[who] = connect(
                self.ledger,
                identity=self.consortium.identity(who),
                models=str(self.consortium.home / "models"),
                retrieval_key=self.consortium.retrieval_key,
            )
        return self._sessions[who]

    @property
    def node(self) -> Session:
        """Alpha's provider."""
        return self.session("AlphaMSP/node")

    @property
    def researcher(self) -> Session:
        return self.session("GammaMSP/researcher")

    def carry(self, name: str, kind: str, subject: str, amount: int = 0) -> None:
        """Let the council decide unanimously."""
        motion = self.session("AlphaMSP/admin").council.propose(name, kind, subject, amount=amount)
        for mspid in ORGANISATIONS:
            decided = self.session(f"{mspid}/admin").council.vote(motion.id)
        assert decided.status is MotionStatus.PASSED


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where everybody is enrolled, the consortium is founded and the providers are registered."""
    home = tmp_path_factory.mktemp("consortium") / "home"
    consortium, ledger = found(home, ORGANISATIONS)
    for identifier, role in PEOPLE.items():
        mspid, _, name = identifier.partition("/")
        consortium.enrol(mspid, name, role=role)
    stage = Stage(consortium, ledger)
    stage.session("AlphaMSP/admin").council.found(ORGANISATIONS)
    for node in ("AlphaMSP/node", "BetaMSP/node"):
        stage.session(node).council.register_node(NodeKind.PROVIDER)
    ledger.close()
    return home


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared home."""
    own = tmp_path / "home"
    shutil.copytree(prepared, own)
    profile = own / "consortium.json"
    profile.write_text(profile.read_text().replace(str(prepared), str(own)))
    return own


@pytest.fixture
def stage(home: Path) -> Iterator[Stage]:
    consortium = Consortium.open(home)
    ledger = open_ledger(consortium.url)
    yield Stage(consortium, ledger)
    ledger.close()
