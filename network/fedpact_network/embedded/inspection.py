"""A ledger's database, read without a node: for looking and for the audit, also beside a running node.

Nothing is written, and nothing is verified: what is stored is returned as it is stored, and `fedpact audit`
judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError
from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.exc import DatabaseError

from fedpact.ledger import Counts, HistoryRow, LedgerError, Placement, StateRow
from fedpact.wire.blocks import parse_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.envelopes import parse_envelope
from fedpact.wire.errors import WireError
from fedpact.wire.rwsets import Version
from fedpact_network.embedded import layout
from fedpact_network.embedded.database import View, unreadable
from fedpact_network.embedded.schema import BLOCKS, COUNTS, HISTORY, STATE, TRANSACTIONS

PAGE_ROWS = 512
CACHED_BYTES = 64 << 20
"""Estimated memory of what histories keep of the transactions they met."""

_CACHED_BLOCKS = 8
_ROW_BYTES = 400  # of a write's key, tuple and dictionary slot

_S, _T, _B, _H = STATE.c, TRANSACTIONS.c, BLOCKS.c, HISTORY.c
_HEIGHT = select(func.max(_B.number))
_BLOCK = select(_B.data).where(_B.number == bindparam("n"))
_STATE_HASH = select(_B.state_hash).where(_B.number == bindparam("n"))
_PLACE = select(_T.block, _T.position, _T.code).where(_T.tx_id == bindparam("id"))
_TRANSACTIONS = select(_T.block, _T.position, _T.tx_id)
_SCAN = (
    select(_S.key, _S.value, _S.block, _S.position, _S.metadata)
    .where(_S.namespace == bindparam("ns"), _S.key >= bindparam("start"))
    .order_by(_S.key)
    .limit(PAGE_ROWS)
)
_SCAN_TO = _SCAN.where(_S.key < bindparam("end"))
_HISTORY = (
    select(_H.block, _H.position)
    .where(_H.namespace == bindparam("ns"), _H.key == bindparam("k"))
    .order_by(_H.block.desc(), _H.position.desc())
)


class _Past(NamedTuple):
    """When a transaction was made and what it wrote, by (namespace, key)."""

    timestamp_ns: int
    values: Mapping[tuple[str, str], bytes | None]


class InspectedLedger:
    """A `fedpact.ledger.LedgerView` of the moment at which it was opened. Not for many threads.

    Parameters
    ----------
    url : where it was opened.
    view : of its database; closed with this.

    Raises
    ------
    LedgerError
        LEDGER_DAMAGED, LAYOUT_OLD, LAYOUT_UNKNOWN.
    """

    def __init__(self, url: str, view: View) -> None:
        self.url = url
        self._view = view
        self._connection = view.connection
        self._pasts: dict[Version, _Past] = {}
        self._past_bytes = 0
        self._envelopes = lru_cache(_CACHED_BLOCKS)(self._read_envelopes)
        try:
            layout.check(self._connection)
            last = self._value(_HEIGHT)
        except layout.LayoutError as error:
            self.close()
            raise LedgerError(error.code, url, str(error)) from error
        except DatabaseError as error:
            self.close()
            raise unreadable(url, error) from error
        except BaseException:
            self.close()
            raise
        self._height = 0 if last is None else int(last) + 1

    @cached_property
    def channel_id(self) -> str:
        """The channel it holds, as its genesis block says.

        Raises
        ------
        LedgerError
            LEDGER_DAMAGED.
        """
        try:
            genesis = common_pb2.Block.FromString(next(self.blocks(), b""))
            return Bundle.from_block(genesis).channel_id
        except (ValueError, DecodeError) as error:
            raise LedgerError("LEDGER_DAMAGED", self.url, f"the genesis block: {error}") from error

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """Yield serialised `common.Block`s from a height on; ends before a block that is missing."""
        for number in range(start, self._height):
            data = self._value(_BLOCK, n=number)
            if data is None:
                return
            yield _bytes(data)

    def height(self) -> int:
        """Return the number of blocks, counted by the last one's number."""
        return self._height

    def state(self, namespace: str, start: str = "", end: str = "") -> Iterator[StateRow]:
        """Yield rows with start <= key < end; an empty end is unbounded."""
        position, bounds = start.encode(), {"end": end.encode()} if end else {}
        while True:
            page = self._rows(_SCAN_TO if end else _SCAN, ns=namespace, start=position, **bounds)
            for key, value, block, tx, metadata in page:
                readable = _bytes(key).decode(errors="backslashreplace")
                yield StateRow(
                    namespace, readable, _bytes(value), Version(block, tx), _bytes(metadata or b"")
                )
            if len(page) < PAGE_ROWS:
                return
            position = _bytes(page[-1][0]) + b"\x00"

    def history(self, namespace: str, key: str) -> Iterator[HistoryRow]:
        """Yield the changes of a key, newest first.

        Which transactions they are comes from the database's own rows; values and times, which it does
        not keep, from the blocks (0 and None where those do not hold such a transaction).
        """
        for block, position in self._rows(_HISTORY, ns=namespace, k=key.encode()):
            version = Version(block, position)
            past = self._past(version)
            transaction_id = self._transaction_ids.get(version, "")
            yield HistoryRow(transaction_id, version, past.timestamp_ns, past.values.get((namespace, key)))

    def locate(self, transaction_id: str) -> Placement | None:
        """Return where a transaction was committed, valid or not; None if it was not."""
        if "\0" in transaction_id:  # PostgreSQL's texts cannot even be asked for it
            return None
        found = self._rows(_PLACE, id=transaction_id)
        return Placement(*found[0]) if found else None

    def counts(self) -> Counts:
        """Count the rows of state, history and transactions. O(rows)."""
        return Counts(*self._rows(COUNTS)[0])

    def state_hash(self) -> str:
        """Return the state hash that is stored with the last block."""
        return self.state_hash_at(self._height - 1)

    def state_hash_at(self, block: int) -> str:
        """Return the state hash that is stored with a block.

        Raises
        ------
        IndexError
            If there is no such block.
        """
        digest = self._value(_STATE_HASH, n=block)
        if digest is None:
            raise IndexError(f"there is no block {block}")
        return _bytes(digest).hex()

    def close(self) -> None:
        """Let the database go; more than once is allowed."""
        self._view.close()

    @cached_property
    def _transaction_ids(self) -> Mapping[Version, str]:
        return {Version(block, position): tx_id for block, position, tx_id in self._rows(_TRANSACTIONS)}

    def _past(self, version: Version) -> _Past:
        """Return what a transaction wrote; transactions are met again, as each wrote several keys."""
        past = self._pasts.get(version)
        if past is None:
            past = self._read_past(version)
            self._past_bytes += _ROW_BYTES + sum(
                _ROW_BYTES + len(value or b"") for value in past.values.values()
            )
            if self._past_bytes > CACHED_BYTES:
                self._pasts.clear()
                self._past_bytes = 0
            self._pasts[version] = past
        return past

    def _read_past(self, version: Version) -> _Past:
        envelopes = self._envelopes(version.block)
        try:  # who alters a row may write no number there
            inside = isinstance(version.tx, int) and 0 <= version.tx < len(envelopes)
            transaction = parse_envelope(envelopes[version.tx]) if inside else None
        except WireError:
            transaction = None
        if transaction is None:
            return _Past(0, {})
        values = {(rwset.namespace, key): value for rwset in transaction.rwset for key, value in rwset.writes}
        return _Past(transaction.timestamp_ns, values)

    def _read_envelopes(self, number: int) -> tuple[bytes, ...]:
        try:
            return parse_block(_bytes(self._value(_BLOCK, n=number) or b"")).envelopes
        except WireError:
            return ()

    def _value(self, statement: Select[Any], **values: str | bytes | int) -> Any:
        rows = self._rows(statement, **values)
        return rows[0][0] if rows else None

    def _rows(self, statement: Select[Any], **values: str | bytes | int) -> Sequence[Sequence[Any]]:
        try:
            rows = self._connection.execute(statement, values).fetchall()
        except DatabaseError as error:
            raise unreadable(self.url, error) from error
        if self._view.disturbed():
            raise LedgerError("LEDGER_BUSY", self.url, "a node wrote while this was read; look again")
        return rows


def _bytes(value: object) -> bytes:
    """Return a stored value; SQLite keeps any type in any column, and who alters a row may use another."""
    return value if isinstance(value, bytes) else str(value).encode()
