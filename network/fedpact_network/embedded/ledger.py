"""A running node as a `fedpact.ledger.Ledger`: transports for clients, and everything that can be read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedpact.ledger import Counts, HistoryRow, LedgerError, Placement, StateRow
from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.handler import GatewayHandler
from fedpact_network.embedded.history import history
from fedpact_network.embedded.node import EmbeddedNode
from fedpact_network.embedded.private_delivery import CommittedPrivateData

if TYPE_CHECKING:
    from fedpact.gateway.local_server import LocalServer
    from fedpact.wire.bundle import Bundle
    from fedpact_network.embedded.socket_folder import SocketFolder


class EmbeddedLedger:
    """A ledger that runs in this process; see `fedpact.ledger.Ledger`.

    Attributes
    ----------
    url : where it was opened.
    node : the node itself.
    """

    def __init__(self, url: str, node: EmbeddedNode) -> None:
        self.url = url
        self.node = node
        self._server: LocalServer | None = None
        self._socket_folder: SocketFolder | None = None
        self._starting = threading.Lock()

    @property
    def channel_id(self) -> str:
        """The channel it holds."""
        return self.node.channel.id

    @property
    def bundle(self) -> Bundle:
        """The channel's configuration in force."""
        return self.node.channel.bundle

    def update_config(self, envelope: bytes, *, timeout_s: float = 30.0) -> Bundle:
        """Change the channel's configuration and wait until the new one is in force.

        Parameters
        ----------
        envelope : serialised CONFIG_UPDATE envelope, see `fedpact.wire.config_update`.
        timeout_s : how long to wait for its block, seconds.

        Returns
        -------
        Bundle
            What is in force now.

        Raises
        ------
        Refusal
            As `EmbeddedNode.submit` and `EmbeddedNode.outcome`; CONFIG_REFUSED also where another update came
            first.
        """
        outcome = self.node.outcome(self.node.submit(envelope), timeout_s)
        if outcome.code is not ValidationCode.VALID:
            raise Refusal(RefusalCode.CONFIG_REFUSED, f"configuration block {outcome.block} came first")
        return self.bundle

    def transport(self) -> GatewayHandler:
        """Return a transport for clients in this process."""
        return GatewayHandler(self.node, CommittedPrivateData(self.node))

    def local_address(self) -> str:
        """Return `unix:///...` for processes of this machine; the server starts on first use."""
        from fedpact.gateway.local_server import LocalServer
        from fedpact_network.embedded.socket_folder import SocketFolder

        with self._starting:
            if self._server is None:
                self._socket_folder = SocketFolder()
                self._server = LocalServer(self.transport(), self._socket_folder.socket)
            return self._server.address

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Yield serialised `common.Block`s from a height on, up to the present height."""
        number, height = start, self.height()
        while number < height:
            with self.node.snapshots.view() as snapshot:
                block = snapshot.reader.block(number)
            if block is None:
                raise LedgerError("LEDGER_DAMAGED", self.url, f"block {number} is missing")
            yield block
            number += 1

    def height(self) -> int:
        """Return the number of committed blocks."""
        return self.node.snapshots.height

    def state(self, namespace: str, start: str = "", end: str = "") -> Iterator[StateRow]:
        """Yield the rows of one moment with start <= key < end; an empty end is unbounded.

        The moment stays pinned, and the database's log grows, until the iterator is exhausted or dropped.
        """
        with self.node.snapshots.view() as snapshot:
            for key, row in snapshot.scan(namespace, start, end):
                yield StateRow(namespace, key, *row)

    def history(self, namespace: str, key: str) -> Iterator[HistoryRow]:
        """Yield the changes of a key, newest first."""
        with self.node.snapshots.view() as snapshot:
            yield from history(snapshot.reader, namespace, key)

    def locate(self, transaction_id: str) -> Placement | None:
        """Return where a transaction was committed, valid or not; None if it was not."""
        with self.node.snapshots.view() as snapshot:
            place = snapshot.reader.place(transaction_id)
        return None if place is None else Placement(*place)

    def counts(self) -> Counts:
        """Count the rows of state, history and transactions. O(rows)."""
        with self.node.snapshots.view() as snapshot:
            return snapshot.reader.counts()

    def state_hash(self) -> str:
        """Return the hash (hex) of the present state's content."""
        return self.state_hash_at(self.height() - 1)

    def state_hash_at(self, block: int) -> str:
        """Return `state_hash` as it was after a block.

        Raises
        ------
        IndexError
            If there is no such block yet.
        """
        with self.node.snapshots.view() as snapshot:
            digest = snapshot.reader.state_hash(block)
        if digest is None:
            raise IndexError(f"there is no block {block}")
        return digest.hex()

    def close(self) -> None:
        """Commit what was accepted and release everything; more than once is allowed."""
        with self._starting:
            if self._server is not None:
                self._server.close()
                self._server = None
            if self._socket_folder is not None:
                self._socket_folder.close()
                self._socket_folder = None
        self.node.close()

    def __enter__(self) -> EmbeddedLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
