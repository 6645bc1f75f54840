"""A node with clients that keep it busy, for tests that break what is under the node."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tests.chaos.founding import CHANNEL, CurrentNode, found
from tests.chaos.kills import clients, serve, wait_for_clients
from tests.chaos.node_life import NodeLife
from tests.chaos.referee import OTHER_SHELF, Referee

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.errors import GatewayError
from fedpact.gateway.transaction import Transaction
from fedpact.testing import probe
from fedpact_chaincode.errors import Rejected

OTHER_CELL = ("cells:write", f'{{"shelf":"{OTHER_SHELF}","place":"p","text":"x"}}'.encode())


class UnderLoad:
    """A founded consortium, its node's lives, its clients and their referee."""

    def __init__(self, folder: Path, seed: int, url: str | None = None) -> None:
        self.place = found(folder, url)
        self.referee = Referee(self.place)
        self.rng = random.Random(seed)
        self.env: dict[str, str] = {}
        self._seed = seed
        self._node = CurrentNode(self.place)

    def life(self, checkpoint_bytes: int = 0) -> NodeLife:
        """Start the node; by default a file's log is folded in often or seldom, so that both ways fail."""
        size = checkpoint_bytes or self.rng.choice((64 << 10, 8 << 20))
        return NodeLife(self.place, checkpoint_bytes=size, env=self.env)

    def clients(self) -> AbstractContextManager[None]:
        return clients(self.place, self._seed, processes=1, threads=3)

    def some_are_acknowledged(self, number: int = 15) -> None:
        """Wait until clients have been told of so many more."""
        self.referee.account.read()
        enough = len(self.referee.account.valid) + number

        def reached() -> bool:
            self.referee.account.read()
            return len(self.referee.account.valid) >= enough

        self.until(reached)

    def prepared(self) -> Transaction:
        """Return a transaction that is endorsed and not submitted yet."""
        return self._gateway().new_proposal(*OTHER_CELL).endorse()

    def stops_serving(self, prepared: Transaction) -> None:
        """Wait until the node takes no transaction any more and says so; it must stay like that."""

        def status() -> str:
            try:
                prepared.submit().result()
            except GatewayError as error:
                return str(error.status)
            return "OK"

        while_it_fails = set()

        def ended() -> bool:
            while_it_fails.add(self.submit_status())
            return status() == "UNAVAILABLE"

        self.until(ended)
        assert not while_it_fails & {"INTERNAL", "REJECTED"}, "a failing database is no answer of a contract"
        assert [status(), *(self.submit_status() for _ in range(3))] == ["UNAVAILABLE"] * 4

    def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            threading.Event().wait(0.01)

    def submit_status(self) -> str:
        """Return what a client gets who submits now: OK, a status, or REJECTED by the contract."""
        try:
            self._gateway().submit(*OTHER_CELL)
        except GatewayError as error:
            return str(error.status)
        except Rejected:
            return "REJECTED"
        return "OK"

    def close(self) -> None:
        self._node.close()

    def _gateway(self) -> Gateway:
        return Gateway(
            self._node,
            self.place.alice,
            channel_id=CHANNEL,
            chaincode=probe.NAME,
            deadlines=Deadlines(endorse_s=10, submit_s=10, commit_s=10),
            retries=Retries(resends=0),
        )

    def finish(self) -> dict[str, int]:
        """Let the clients resolve what is open on a database that works, and check everything."""
        self.close()
        with self.life() as life:
            serve(self.place, life)
            self.some_are_acknowledged()
            self.place.stop_clients()
            wait_for_clients(self.place)
            assert life.close() == ["CLOSED"]
        return self.referee.at_the_end()
