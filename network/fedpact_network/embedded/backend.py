"""The plug-in: `embedded:///path/ledger.db` and `embedded+postgresql://...` as a `fedpact.ledger.Ledger`.

Importing this module is cheap: SQLAlchemy comes with the first ledger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fedpact.ledger import ClockNs, LedgerError
from fedpact_network.embedded.sites import find_site

if TYPE_CHECKING:
    from fedpact.identity import Identity
    from fedpact.wire.bundle import Bundle
    from fedpact.wire.config import ChannelConfig
    from fedpact_network.embedded.agreed_code import Executable
    from fedpact_network.embedded.database import Site
    from fedpact_network.embedded.inspection import InspectedLedger
    from fedpact_network.embedded.keys import NodeKeys
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
    from fedpact_network.embedded.store import Store

    StartNode = Callable[[Store, NodeSettings], EmbeddedNode]


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
        url : as for `fedpact_network.embedded.sites.find_site`; missing folders and schemas are made.
        config : the channel's configuration.
        peers : the endorsing peers this node plays, one of each organisation at most.
        orderer : who signs its blocks.
        clock_ns : the node's clock.
        chaincodes : what can be called, by name; by default the consortium's contracts as `fedpact`.

        Raises
        ------
        LedgerError
            LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
        ValueError
            If the identities do not fit the configuration.
        """
        from fedpact_network.embedded.keys import NodeKeys, check_keys
        from fedpact_network.embedded.recovery import found
        from fedpact_network.embedded.store import Store

        keys, site = NodeKeys.of(peers, orderer), find_site(url)
        check_keys(keys, config.membership(), clock_ns() / 1_000_000_000)
        store = Store(site.create())
        had_keys = site.keys.exists()
        try:
            keys.save(site.keys)
            found(store, config)
        except BaseException:
            store.discard()
            if not had_keys:
                shutil.rmtree(site.keys, ignore_errors=True)
            raise
        return run(site, store, clock_ns, chaincodes)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock_ns: ClockNs = time.time_ns,
        chaincodes: Mapping[str, Executable] | None = None,
        require_definitions: bool = False,
    ) -> EmbeddedLedger:
        """Open an existing ledger.

        Parameters
        ----------
        url, clock_ns, chaincodes : as for `create`.
        require_definitions : whether chaincodes are refused that the members have not agreed on.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_BUSY, LEDGER_DAMAGED, LAYOUT_OLD, LAYOUT_UNKNOWN, KEYS_UNUSABLE,
            DATABASE_UNREACHABLE.
        """
        site = find_site(url)
        return run(site, hold(site), clock_ns, chaincodes, require_definitions=require_definitions)

    @classmethod
    def inspect(cls, url: str) -> InspectedLedger:
        """Open an existing ledger for reading and audit: no keys, no lock, possible beside a running node.

        Raises
        ------
        LedgerError
            NO_SUCH_LEDGER, LEDGER_DAMAGED, LAYOUT_OLD, LAYOUT_UNKNOWN, DATABASE_UNREACHABLE.
        """
        from fedpact_network.embedded.inspection import InspectedLedger

        site = find_site(url)
        return InspectedLedger(site.url, site.view())


def hold(site: Site) -> Store:
    """Take an existing database for this node alone."""
    from sqlalchemy.exc import DatabaseError

    from fedpact_network.embedded.database import unreadable
    from fedpact_network.embedded.store import Store

    database = site.hold()
    try:
        return Store(database)
    except BaseException as error:
        database.close()
        if isinstance(error, DatabaseError):
            raise unreadable(site.url, error) from error
        raise


def run(  # noqa: PLR0913 (each named at the call)
    site: Site,
    store: Store,
    clock_ns: ClockNs,
    chaincodes: Mapping[str, Executable] | None,
    *,
    start: StartNode | None = None,
    orders: bool = True,
    require_definitions: bool = False,
) -> EmbeddedLedger:
    """Start a node on a database that is held; release it if that fails.

    Parameters
    ----------
    start : makes the node of the database and its settings; by default one that knows no other nodes.
    orders : whether it orders; the keys of one that follows may become valid with a block still to come.
    require_definitions : as for `EmbeddedBackend.open`.
    """
    from sqlalchemy.exc import DatabaseError

    from fedpact_network.embedded.database import unreadable
    from fedpact_network.embedded.layout import LayoutError
    from fedpact_network.embedded.ledger import EmbeddedLedger
    from fedpact_network.embedded.node import EmbeddedNode, NodeSettings
    from fedpact_network.embedded.recovery import DamagedLedgerError, recover

    if chaincodes is None:
        from fedpact_chaincode import consortium

        chaincodes = {consortium.NAME: consortium.chaincode()}
    try:
        bundle = recover(store)
        keys = _load_keys(site, bundle, clock_ns() / 1_000_000_000, orders=orders)
        settings = NodeSettings(bundle, keys, chaincodes, clock_ns, require_definitions=require_definitions)
        return EmbeddedLedger(site.url, (start or EmbeddedNode)(store, settings))
    except LayoutError as error:
        store.close()
        raise LedgerError(error.code, site.url, str(error)) from error
    except DatabaseError as error:
        store.close()
        raise unreadable(site.url, error) from error
    except DamagedLedgerError as error:
        store.close()
        raise LedgerError("LEDGER_DAMAGED", site.url, str(error)) from error
    except BaseException:
        store.close()
        raise


def _load_keys(site: Site, bundle: Bundle, at_s: float, *, orders: bool) -> NodeKeys:
    """Read the node's identities; one that orders has valid peers and orderer of the channel at this time."""
    from fedpact_network.embedded.keys import NodeKeys, check_keys

    try:
        keys = NodeKeys.load(site.keys)
        if orders:
            check_keys(keys, bundle.membership(), at_s)
        if orders and keys.orderer is None:
            raise ValueError("there is no orderer's identity; this node follows another one")
    except ValueError as error:  # an IdentityError is one
        raise LedgerError("KEYS_UNUSABLE", site.url, f"the node's keys: {error}") from error
    return keys
