"""Ledgers as plug-ins: what every backend offers, and finding the one that a URL names.

A URL's scheme names the backend, a part after `+` is its own business: `embedded:///path/ledger.db` and
`embedded+postgresql://...` both load the entry point `embedded` of the group `fedpact.ledgers`.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from fedpact.gateway.transport import Transport
    from fedpact.identity.identity import Identity
    from fedpact.wire.config import ChannelConfig
    from fedpact.wire.rwsets import Version

GROUP = "fedpact.ledgers"
"""Entry-point group of the backends."""

_ADDRESS_END = re.compile(r"[/?#]")

ClockNs = Callable[[], int]
"""A clock: nanoseconds since 1970."""


class LedgerError(Exception):
    """A ledger cannot be found, opened or created.

    Attributes
    ----------
    code : stable.
        `UNKNOWN_SCHEME`: no backend has such URLs.
        `LEDGER_EXISTS`, `NO_SUCH_LEDGER`.
        `LEDGER_BUSY`: another node has it.
        `LEDGER_DAMAGED`: what is stored does not hold together.
        `LAYOUT_OLD`: an older version made its tables, and they cannot be upgraded here: who only reads
        upgrades nothing, and a node needs the extra `node` for it.
        `LAYOUT_UNKNOWN`: a newer version made its tables.
        `DATABASE_UNREACHABLE`: its database server does not answer, or refuses the user; its disk fails.
        `KEYS_UNUSABLE`: the identities of its node are missing, damaged, expired or not of the channel, so
        that it can be read but not run.
    url : the ledger's URL, without a password.
    """

    def __init__(self, code: str, url: str, message: str) -> None:
        self.code = code
        self.url = without_password(url)
        super().__init__(f"{code}: {message} ({self.url})")


def without_password(url: str) -> str:
    """Return a ledger's URL without the password that it may have, as it may be shown.

    A password that is not quoted as it should be, so that it does not end where it should, goes as well.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    address = _ADDRESS_END.split(rest, maxsplit=1)[0]
    tail = rest[len(address) :]
    _, colon, secret = address.partition(":")
    if colon and "@" not in address and "@" in tail and not secret.isdecimal():
        address, tail = rest, ""
    user, at, host = address.rpartition("@")
    return f"{scheme}{separator}{user.partition(':')[0]}{at}{host}{tail}"


class StateRow(NamedTuple):
    """A committed value, where it was written, and the key's metadata (see `fedpact.wire.rwsets.Row`)."""

    namespace: str
    key: str
    value: bytes
    version: Version
    metadata: bytes = b""


class HistoryRow(NamedTuple):
    """One committed change of a key; `value` None where it was removed."""

    transaction_id: str
    version: Version
    timestamp_ns: int
    value: bytes | None


class Placement(NamedTuple):
    """Where a transaction id was first committed, and its validation code (`fedpact.wire.commits`)."""

    block: int
    position: int
    code: int


class Counts(NamedTuple):
    """How many rows are stored, of all namespaces and keys, whether or not anything ever wrote them.

    Attributes
    ----------
    state : present keys.
    history : changes of keys by valid transactions.
    transactions : transaction ids, of valid and invalid transactions.
    """

    state: int
    history: int
    transactions: int


class LedgerView(Protocol):
    """What can be read of a ledger: committed blocks only, also beside writers."""

    @property
    def url(self) -> str:
        """Where it was opened."""

    @property
    def channel_id(self) -> str:
        """The channel it holds."""

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Yield serialised `common.Block`s from a height on, up to the present height."""

    def height(self) -> int:
        """Return the number of committed blocks."""

    def state(self, namespace: str, start: str = "", end: str = "") -> Iterator[StateRow]:
        """Yield rows with start <= key < end in the order of their UTF-8 bytes; an empty end is unbounded."""

    def history(self, namespace: str, key: str) -> Iterator[HistoryRow]:
        """Yield the changes of a key, newest first."""

    def locate(self, transaction_id: str) -> Placement | None:
        """Return where a transaction was committed, valid or not; None if it was not."""

    def counts(self) -> Counts:
        """Count everything that is stored beside the blocks; nothing may hide in what nobody asks for."""

    def state_hash(self) -> str:
        """Return the hash (hex) of all (namespace, key, value): of content only, however blocks were cut."""

    def state_hash_at(self, block: int) -> str:
        """Return `state_hash` as it was after a block.

        Raises
        ------
        IndexError
            If there is no such block yet.
        """

    def close(self) -> None:
        """Finish what was accepted and release everything; more than once is allowed."""


class Ledger(LedgerView, Protocol):
    """An opened ledger, which takes transactions."""

    def transport(self) -> Transport:
        """Return a transport for clients in this process."""

    def local_address(self) -> str:
        """Return `unix:///...`, a transport for processes of this machine; started on first use."""


class Backend(Protocol):
    """What an entry point of the group `fedpact.ledgers` provides."""

    @classmethod
    def create(
        cls,
        url: str,
        config: ChannelConfig,
        *,
        peers: Sequence[Identity],
        orderer: Identity,
        clock_ns: ClockNs = time.time_ns,
    ) -> Ledger:
        """Create a ledger with its genesis block; refuse (LEDGER_EXISTS) to touch an existing one."""

    @classmethod
    def open(cls, url: str, *, clock_ns: ClockNs = time.time_ns) -> Ledger:
        """Open an existing ledger; its keys lie beside its database, never in it."""

    @classmethod
    def inspect(cls, url: str) -> LedgerView:
        """Open an existing ledger for reading and audit only, without keys, also while a node runs it."""


def create_ledger(
    url: str,
    config: ChannelConfig,
    *,
    peers: Sequence[Identity],
    orderer: Identity,
    clock_ns: ClockNs = time.time_ns,
) -> Ledger:
    """Create a ledger and open it.

    Parameters
    ----------
    url : where; the scheme names the backend.
    config : organisations, policies and rules of the channel.
    peers : the endorsing peers this node plays.
    orderer : who signs its blocks.
    clock_ns : the node's clock.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME, LEDGER_EXISTS.
    """
    return find_backend(url).create(url, config, peers=peers, orderer=orderer, clock_ns=clock_ns)


def open_ledger(url: str, *, clock_ns: ClockNs = time.time_ns) -> Ledger:
    """Open an existing ledger.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME, NO_SUCH_LEDGER, LEDGER_BUSY, LEDGER_DAMAGED, KEYS_UNUSABLE.
    """
    return find_backend(url).open(url, clock_ns=clock_ns)


def inspect_ledger(url: str) -> LedgerView:
    """Open an existing ledger for reading and audit: no keys, no verification, also while a node runs it.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME, NO_SUCH_LEDGER, LEDGER_DAMAGED; LEDGER_BUSY from a read that a writer disturbed.
    """
    return find_backend(url).inspect(url)


def find_backend(url: str) -> type[Backend]:
    """Load the backend that a URL's scheme names.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME, naming the nearest backend.
    """
    scheme, separator, _ = url.partition("://")
    name = scheme.partition("+")[0]
    known: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=GROUP)}
    if not separator or name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]}://?" if nearest else f"known: {', '.join(sorted(known))}"
        shown = without_password(name)
        raise LedgerError("UNKNOWN_SCHEME", url, f"no backend is called {shown!r}; {hint}")
    return cast("type[Backend]", known[name].load())
