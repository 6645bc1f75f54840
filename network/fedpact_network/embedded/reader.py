"""Reading the database: pinned views, so that a reader sees one state however many blocks follow."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select, tuple_, union_all
from sqlalchemy.engine import Connection, RootTransaction
from sqlalchemy.exc import DatabaseError

from fedpact.ledger import Counts
from fedpact.validation import Expiry, HashedKey
from fedpact.wire.rwsets import Row, Version
from fedpact_network.embedded.schema import (
    BLOCKS,
    COUNTS,
    EXPIRIES,
    HISTORY,
    PRIVATE_STATE,
    PRIVATE_WRITES,
    STATE,
    TRANSACTIONS,
)
from fedpact_network.embedded.statements import PreparedSelect

PAGE_ROWS = 512
"""Rows that a scan fetches at a time."""


class Place(NamedTuple):
    """Where a transaction was committed, and its validation code."""

    block: int
    position: int
    code: int


_S, _T, _B, _H = STATE.c, TRANSACTIONS.c, BLOCKS.c, HISTORY.c
_P, _E, _W = PRIVATE_STATE.c, EXPIRIES.c, PRIVATE_WRITES.c
_GET = select(_S.value, _S.block, _S.position, _S.metadata).where(
    _S.namespace == bindparam("ns"), _S.key == bindparam("k")
)
_FROM = select(_S.key, _S.value, _S.block, _S.position, _S.metadata).where(
    _S.namespace == bindparam("ns"), _S.key >= bindparam("start")
)
_SCAN = _FROM.order_by(_S.key).limit(PAGE_ROWS)
_SCAN_TO = _FROM.where(_S.key < bindparam("end")).order_by(_S.key).limit(PAGE_ROWS)
_OF_COLLECTION = (_P.namespace == bindparam("ns"), _P.collection == bindparam("collection"))
_PRIVATE = select(_P.value, _P.block, _P.position).where(*_OF_COLLECTION, _P.key == bindparam("k"))
_PRIVATE_FROM = select(_P.key, _P.value, _P.block, _P.position).where(
    *_OF_COLLECTION, _P.key >= bindparam("start")
)
_PRIVATE_SCAN = _PRIVATE_FROM.order_by(_P.key).limit(PAGE_ROWS)
_PRIVATE_SCAN_TO = _PRIVATE_FROM.where(_P.key < bindparam("end")).order_by(_P.key).limit(PAGE_ROWS)
_PRIVATE_WRITES = (
    select(_W.position, _W.namespace, _W.collection, _W.content)
    .where(_W.block == bindparam("n"), _W.content.is_not(None))
    .order_by(_W.position, _W.namespace, _W.collection)
)
_NEXT_EXPIRIES = union_all(select(func.min(_E.expires_block)), select(func.min(_W.expires_block)))
_DUE = select(_E.expires_block, _E.namespace, _E.collection, _E.key_hash, _E.block, _E.position).where(
    _E.expires_block <= bindparam("n")
)
_PLACE = select(_T.block, _T.position, _T.code).where(_T.tx_id == bindparam("id"))
_KNOWN_IDS = 64  # asked for at a time; missing ones are filled up with the last
_KNOWN = select(_T.tx_id).where(_T.tx_id.in_([bindparam(f"id{n}") for n in range(_KNOWN_IDS)]))
_HEIGHT = select(func.max(_B.number))
_BLOCK = select(_B.data).where(_B.number == bindparam("n"))
_STATE_HASH = select(_B.state_hash).where(_B.number == bindparam("n"))
_HISTORY = (
    select(_H.block, _H.position)
    .where(
        _H.namespace == bindparam("ns"),
        _H.key == bindparam("k"),
        tuple_(_H.block, _H.position) < tuple_(bindparam("b"), bindparam("p")),
    )
    .order_by(_H.block.desc(), _H.position.desc())
    .limit(PAGE_ROWS)
)


class _OneAtATime:
    """A lock that counts the reads which failed under it."""

    __slots__ = ("_lock", "failures")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.failures = 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self.failures += 1
        self._lock.release()


class Reader:
    """One pinned view of the database; may be called from many threads.

    Between `begin` and `end` every read sees the same committed blocks.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._get = PreparedSelect(connection, _GET)
        self._place = PreparedSelect(connection, _PLACE)
        self._known = PreparedSelect(connection, _KNOWN)
        self._height = PreparedSelect(connection, _HEIGHT)
        self._lock = _OneAtATime()
        self._transaction: RootTransaction | None = None

    @property
    def failures(self) -> int:
        """How many reads have failed so far."""
        return self._lock.failures

    def begin(self) -> int:
        """Pin the present state; return the number of blocks in it."""
        self._transaction = self._connection.begin()
        found = self._height.first()
        return 0 if found is None or found[0] is None else found[0] + 1

    def end(self) -> None:
        """Let the state go."""
        if self._transaction is not None:
            try:
                self._transaction.rollback()
            except DatabaseError:  # the server is gone, and the moment with it
                self._connection.invalidate()
            self._transaction = None

    def close(self) -> None:
        """Close the connection."""
        for statement in (self._get, self._place, self._known, self._height):
            statement.close()
        self.end()
        self._connection.close()

    def get(self, namespace: str, key: str) -> Row | None:
        """Return the row of a key."""
        with self._lock:
            found = self._get.first(ns=namespace, k=key.encode())
        return None if found is None else Row(found[0], Version(found[1], found[2]), found[3] or b"")

    def scan(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) with start <= key < end in key order; an empty end is unbounded."""
        for key, value, block, tx, metadata in self._pages(
            _SCAN_TO if end else _SCAN, start, end, ns=namespace
        ):
            yield key.decode(), Row(value, Version(block, tx), metadata or b"")

    def private(self, namespace: str, collection: str, key: str) -> Row | None:
        """Return a private row, if this node holds it."""
        names = {"ns": namespace, "collection": collection, "k": key.encode()}
        with self._lock:
            found = self._connection.execute(_PRIVATE, names).fetchone()
        return None if found is None else Row(found[0], Version(found[1], found[2]))

    def scan_private(
        self, namespace: str, collection: str, start: str, end: str
    ) -> Iterator[tuple[str, Row]]:
        """Yield (key, row) of the private rows held here, bounds as for `scan`."""
        statement = _PRIVATE_SCAN_TO if end else _PRIVATE_SCAN
        for key, value, block, tx in self._pages(statement, start, end, ns=namespace, collection=collection):
            yield key.decode(), Row(value, Version(block, tx))

    def private_writes(self, number: int) -> list[tuple[int, str, str, bytes]]:
        """Return what is held here of a block: (position, namespace, collection, content), in that order."""
        with self._lock:
            found = self._connection.execute(_PRIVATE_WRITES, {"n": number}).fetchall()
        return [(position, namespace, collection, data) for position, namespace, collection, data in found]

    def next_expiry(self) -> int | None:
        """Return the first block whose commit may have to remove private rows; None if there is none."""
        with self._lock:
            found = self._connection.execute(_NEXT_EXPIRIES).scalars().all()
        return min([number for number in found if number is not None], default=None)

    def due(self, number: int) -> list[Expiry]:
        """Return the private rows that the commit of a block may have to remove."""
        with self._lock:
            found = self._connection.execute(_DUE, {"n": number}).fetchall()
        return [
            Expiry(expires, HashedKey(namespace, collection, key_hash), Version(block, tx))
            for expires, namespace, collection, key_hash, block, tx in found
        ]

    def changes(self, namespace: str, key: str) -> Iterator[Version]:
        """Yield the transactions that changed a key, newest first."""
        before = (1 << 62, 0)
        while True:
            with self._lock:
                page = self._connection.execute(
                    _HISTORY, {"ns": namespace, "k": key.encode(), "b": before[0], "p": before[1]}
                ).fetchall()
            for block, position in page:
                yield Version(block, position)
            if len(page) < PAGE_ROWS:
                return
            before = (page[-1][0], page[-1][1])

    def place(self, tx_id: str) -> Place | None:
        """Return where a transaction id was committed."""
        if "\0" in tx_id:  # PostgreSQL's texts cannot even be asked for it
            return None
        with self._lock:
            found = self._place.first(id=tx_id)
        return None if found is None else Place(found[0], found[1], found[2])

    def known(self, tx_ids: Sequence[str]) -> set[str]:
        """Return those of the transaction ids that are committed."""
        found: set[str] = set()
        with self._lock:
            for first in range(0, len(tx_ids), _KNOWN_IDS):
                ids = tx_ids[first : first + _KNOWN_IDS]
                named = {f"id{n}": ids[min(n, len(ids) - 1)] for n in range(_KNOWN_IDS)}
                found.update([row[0] for row in self._known.all(**named)])
        return found

    def counts(self) -> Counts:
        """Return how many rows there are. O(rows)."""
        with self._lock:
            return Counts(*self._connection.execute(COUNTS).one())

    def block(self, number: int) -> bytes | None:
        """Return a serialised block."""
        with self._lock:
            data: bytes | None = self._connection.execute(_BLOCK, {"n": number}).scalar()
        return data

    def state_hash(self, number: int) -> bytes | None:
        """Return the state hash after a block."""
        with self._lock:
            digest: bytes | None = self._connection.execute(_STATE_HASH, {"n": number}).scalar()
        return digest

    def _pages(self, statement: Select[Any], start: str, end: str, **names: str) -> Iterator[Sequence[Any]]:
        """Yield rows page by page; the first column is the key."""
        position = start.encode()
        bounds = {"end": end.encode()} if end else {}
        while True:
            with self._lock:
                page = self._connection.execute(statement, {**names, "start": position, **bounds}).fetchall()
            yield from page
            if len(page) < PAGE_ROWS:
                return
            position = page[-1][0] + b"\x00"
