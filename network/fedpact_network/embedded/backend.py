"""The plug-in: `embedded:///path/ledger.db` as a `fedpact.ledger.Ledger`.

Beside the database lie `<database>.keys` (the node's identities, 0700) and `<database>.lock`, which keeps a
second node away. Importing this module is cheap: SQLAlchemy comes with the first ledger.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fedpact.ledger import ClockNs, LedgerError

if TYPE_CHECKING:
    from fedpact.identity import Identity
    from fedpact.wire.config import ChannelConfig
    from fedpact_network.embedded.endorser import Executable
    from fedpact_network.embedded.inspection import InspectedLedger
    from fedpact_network.embedded.keys import NodeKeys
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.embedded.store import Store


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
            path.unlink(missing_ok=True)
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
            NO_SUCH_LEDGER, LEDGER_BUSY, LEDGER_DAMAGED, KEYS_UNUSABLE.
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

    from fedpact_network.embedded.layout import LayoutError
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
    from fedpact_network.embedded.recovery import DamagedLedgerError, recover

    if chaincodes is None:
        from fedpact_chaincode import consortium

        chaincodes = {consortium.NAME: consortium.chaincode()}
    try:
        config = recover(store)
        keys = _load_keys(url, config, clock_ns() / 1_000_000_000)
        return EmbeddedLedger(url, EmbeddedNode(store, NodeSettings(config, keys, chaincodes, clock_ns)))
    except LayoutError as error:
        store.close()
        raise LedgerError(error.code, url, str(error)) from error
    except (DamagedLedgerError, DatabaseError) as error:
        store.close()
        raise LedgerError("LEDGER_DAMAGED", url, str(error)) from error
    except BaseException:
        store.close()
        raise


def _load_keys(url: str, config: ChannelConfig, at_s: float) -> NodeKeys:
    """Read the node's identities, which must be valid peers and orderer of the channel at this time."""
    from fedpact_network.embedded.keys import NodeKeys, keys_folder
    from fedpact_network.embedded.node import check_keys

    try:
        keys = NodeKeys.load(keys_folder(_path(url)))
        check_keys(keys, config.membership(), at_s)
    except ValueError as error:  # an IdentityError is one
        raise LedgerError("KEYS_UNUSABLE", url, f"the node's keys: {error}") from error
    return keys


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
