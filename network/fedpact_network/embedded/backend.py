"""The plug-in: `embedded:///path/ledger.db` as a `fedpact.ledger.Ledger`.

Beside the database lie `<database>.keys` (the node's identities, 0700) and `<database>.lock`, which keeps a
second node away. Importing this module is cheap: SQLAlchemy comes with the first ledger.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fedpact.identity import IdentityError
from fedpact.ledger import ClockNs, HistoryRow, LedgerError, Placement, StateRow

if TYPE_CHECKING:
    from fedpact.gateway.local_server import LocalServer
    from fedpact.gateway.transport import Transport
    from fedpact.identity import Identity
    from fedpact.wire.config import ChannelConfig
    from fedpact_network.embedded.endorser import Executable
    from fedpact_network.embedded.inspection import InspectedLedger
    from fedpact_network.embedded.node import EmbeddedNode
    from fedpact_network.embedded.store import Store


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
        self._socket_folder: tempfile.TemporaryDirectory[str] | None = None
        self._starting = threading.Lock()

    @property
    def channel_id(self) -> str:
        """The channel it holds."""
        return self.node.config.channel_id

    @property
    def config(self) -> ChannelConfig:
        """The channel's configuration, as in the genesis block."""
        return self.node.config

    def transport(self) -> Transport:
        """Return a transport for clients in this process."""
        from fedpact_network.embedded.handler import GatewayHandler

        return GatewayHandler(self.node)

    def local_address(self) -> str:
        """Return `unix:///...` for processes of this machine; the server starts on first use."""
        from fedpact.gateway.local_server import LocalServer

        with self._starting:
            if self._server is None:
                # In a folder of its own: a socket's path is short, a database's may be long.
                self._socket_folder = tempfile.TemporaryDirectory(prefix="fedpact-")
                self._server = LocalServer(self.transport(), f"{self._socket_folder.name}/ledger.sock")
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
                yield StateRow(namespace, key, row.value, row.version)

    def history(self, namespace: str, key: str) -> Iterator[HistoryRow]:
        """Yield the changes of a key, newest first."""
        from fedpact_network.embedded.simulator import history

        with self.node.snapshots.view() as snapshot:
            for change in history(snapshot, namespace, key):
                transaction = change.transaction
                yield HistoryRow(
                    transaction.transaction_id, change.version, transaction.timestamp_ns, change.value
                )

    def locate(self, transaction_id: str) -> Placement | None:
        """Return where a transaction was committed, valid or not; None if it was not."""
        with self.node.snapshots.view() as snapshot:
            place = snapshot.reader.place(transaction_id)
        return None if place is None else Placement(*place)

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
                self._socket_folder.cleanup()
                self._socket_folder = None
        self.node.close()

    def __enter__(self) -> EmbeddedLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedBackend:
    """Creates and opens embedded ledgers; the entry point `embedded`."""

    @classmethod
    def create(
        cls,
        url: str,
        config: ChannelConfig,
        *,
        peers: Sequence[Identity],
        orderer: Identity,
        clock_ns: ClockNs = time.time_ns,
        chaincodes: Mapping[str, Executable] | None = None,
    ) -> EmbeddedLedger:
        """Create a ledger with its genesis block and open it.

        Parameters
        ----------
        url : `embedded:///path/ledger.db`; missing folders are made.
        config : the channel's configuration.
        peers : the endorsing peers this node plays, one of each organisation at most.
        orderer : who signs its blocks.
        clock_ns : the node's clock.
        chaincodes : what can be called, by name; by default the consortium's contracts as `fedpact`.

        Raises
        ------
        LedgerError
            LEDGER_EXISTS; LEDGER_BUSY.
        ValueError
            If the identities do not fit the configuration.
        """
        from fedpact_network.embedded.keys import NodeKeys, keys_folder
        from fedpact_network.embedded.node import check_keys
        from fedpact_network.embedded.recovery import found

        path = _path(url)
        keys = NodeKeys.of(peers, orderer)
        check_keys(keys, config.membership(), clock_ns() / 1_000_000_000)
        path.parent.mkdir(parents=True, exist_ok=True)
        store = _hold(url, path, create=True)
        try:
            keys.save(keys_folder(path))
            found(store, config)
        except BaseException:
            store.close()
            raise
        return _run(url, store, clock_ns, chaincodes)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock_ns: ClockNs = time.time_ns,
        chaincodes: Mapping[str, Executable] | None = None,
    ) -> EmbeddedLedger:
        """Open an existing ledger.

        Parameters
        ----------
        url, clock_ns, chaincodes : as for `create`.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_BUSY, LEDGER_DAMAGED.
        """
        path = _path(url)
        if not path.is_file():
            raise LedgerError("NO_SUCH_LEDGER", url, "there is no such file")
        return _run(url, _hold(url, path, create=False), clock_ns, chaincodes)

    @classmethod
    def inspect(cls, url: str) -> InspectedLedger:
        """Open an existing ledger for reading and audit: no keys, no lock, possible beside a running node.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_DAMAGED.
        """
        from fedpact_network.embedded.inspection import InspectedLedger

        path = _path(url)
        if not path.is_file():
            raise LedgerError("NO_SUCH_LEDGER", url, "there is no such file")
        return InspectedLedger(url, path)


def _hold(url: str, path: Path, *, create: bool) -> Store:
    """Take the database for this node alone."""
    from sqlalchemy.exc import DatabaseError

    from fedpact_network.embedded.database import Database
    from fedpact_network.embedded.store import Store

    if create and path.exists():
        raise LedgerError("LEDGER_EXISTS", url, "there is a file already")
    try:
        database = Database(path)
    except BlockingIOError as error:
        raise LedgerError("LEDGER_BUSY", url, "another node has this ledger open") from error
    try:
        if create and path.exists():
            raise LedgerError("LEDGER_EXISTS", url, "there is a file already")
        return Store(database)
    except DatabaseError as error:
        database.close()
        raise LedgerError("LEDGER_DAMAGED", url, "this is no ledger database") from error
    except BaseException:
        database.close()
        raise


def _run(
    url: str, store: Store, clock_ns: ClockNs, chaincodes: Mapping[str, Executable] | None
) -> EmbeddedLedger:
    """Start a node on a database that is held; release it if that fails."""
    from sqlalchemy.exc import DatabaseError

    from fedpact_network.embedded.keys import NodeKeys, keys_folder
    from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
    from fedpact_network.embedded.recovery import DamagedLedgerError, recover

    if chaincodes is None:
        from fedpact_chaincode.consortium import chaincode

        chaincodes = {"fedpact": chaincode()}
    try:
        config = recover(store)
        keys = NodeKeys.load(keys_folder(_path(url)))
        return EmbeddedLedger(url, EmbeddedNode(store, NodeSettings(config, keys, chaincodes, clock_ns)))
    except (DamagedLedgerError, DatabaseError) as error:
        store.close()
        raise LedgerError("LEDGER_DAMAGED", url, str(error)) from error
    except IdentityError as error:
        store.close()
        raise LedgerError("LEDGER_DAMAGED", url, f"the node's keys: {error}") from error
    except BaseException:
        store.close()
        raise


def _path(url: str) -> Path:
    """Return the database file that a URL names.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME for another scheme, a host, or a query.
    """
    parts = urlsplit(url)
    if parts.scheme != "embedded" or parts.netloc or parts.query or parts.fragment or len(parts.path) < 2:
        raise LedgerError("UNKNOWN_SCHEME", url, "expected embedded:///path/to/ledger.db")
    return Path(unquote(parts.path))
