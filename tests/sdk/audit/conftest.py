from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from fedpact import Consortium, connect, found
from fedpact.audit.auditor import audit
from fedpact.audit.findings import AuditReport
from fedpact.gateway.errors import CommitError
from fedpact.ledger import inspect_ledger

ORGANISATIONS = {"AlphaMSP": "Alpha", "BetaMSP": "Beta", "GammaMSP": "Gamma"}
FUNDED = "AlphaMSP/researcher"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a consortium whose ledger holds valid transactions, a conflict, an update and a removal."""
    home: Path = tmp_path_factory.mktemp("consortium") / "home"
    consortium, ledger = found(home, ORGANISATIONS)
    with closing(ledger):
        admins = [
            connect(ledger, identity=consortium.enrol(mspid, "admin", role="admin"))
            for mspid in ORGANISATIONS
        ]
        admins[0].council.found(ORGANISATIONS)
        admins[0].council.propose("funds", "issue_credit", FUNDED, amount=1_000)
        for admin in admins:
            admin.council.vote("AlphaMSP/funds")
        researcher = connect(ledger, identity=consortium.enrol("AlphaMSP", "researcher", role="member"))
        pay = b'{"source":"AlphaMSP/researcher","target":"BetaMSP/node","amount":100}'
        rivals = [researcher.gateway.new_proposal("credit:transfer", pay).endorse() for _ in range(2)]
        rivals[0].submit().status()
        with pytest.raises(CommitError):
            rivals[1].submit().result()
        researcher.credit.transfer("BetaMSP/node", 50)
    return home


class Copy:
    """A copy of the ledger that a test may damage."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / "ledger.db"
        self.url = f"embedded://{self.database}"

    @contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            yield connection

    def height(self) -> int:
        with self.sql() as connection:
            (height,) = connection.execute("select count(*) from blocks").fetchone()
        return int(height)

    def block(self, number: int) -> common_pb2.Block:
        with self.sql() as connection:
            (data,) = connection.execute("select data from blocks where number = ?", (number,)).fetchone()
        return common_pb2.Block.FromString(data)

    def replace(self, number: int, block: common_pb2.Block) -> None:
        with self.sql() as connection:
            data = block.SerializeToString()
            connection.execute("update blocks set data = ? where number = ?", (data, number))

    def alter(self, number: int, change: Callable[[common_pb2.Block], None]) -> None:
        block = self.block(number)
        before = block.SerializeToString()
        change(block)
        assert block.SerializeToString() != before, "the test changed nothing"
        self.replace(number, block)

    def audit(self) -> AuditReport:
        with closing(inspect_ledger(self.url)) as ledger:
            return audit(ledger)


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Copy:
    shutil.copytree(original, tmp_path / "home")
    return Copy(tmp_path / "home")


@pytest.fixture
def consortium(copy: Copy) -> Consortium:
    return Consortium.open(copy.home)
