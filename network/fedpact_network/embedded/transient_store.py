"""Private write sets of transactions that were endorsed here and are not committed yet.

They are on the disk before the endorsement leaves the node. A transaction's are dropped some time after its
commit, together with the next ones that come; those of transactions that never come after so many blocks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from fedpact.wire.rwsets import PrivateRwset, decode_private, encode_private
from fedpact_network.embedded.database import upsert
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.schema import TRANSACTIONS, TRANSIENT

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from fedpact_network.embedded.notifier import Outcome

MAX_BYTES = 256 << 20
"""Most that all waiting write sets take together."""

MAX_TRANSACTIONS = 100_000
"""Most transactions that wait, however little they write."""

KEPT_BLOCKS = 10_000
"""After so many blocks a transaction is not expected any more: more than three minutes at 50 blocks a second,
longer than a proposal may wait for its envelope."""

Share = Callable[[str, Sequence[PrivateRwset]], None]
"""Sends private write sets of a transaction id to other members' nodes before they are endorsed."""

_T = TRANSIENT.c
_SIZES = select(_T.tx_id, _T.received_block, func.length(_T.content)).order_by(_T.received_block)
_FIND = select(_T.content).where(_T.tx_id == bindparam("id")).order_by(_T.digest)
_HELD = select(_T.tx_id).where(_T.tx_id == bindparam("id"), _T.digest == bindparam("digest"))
_DROP = delete(TRANSIENT).where(_T.tx_id == bindparam("id"))
_COMMITTED = delete(TRANSIENT).where(_T.tx_id.in_(select(TRANSACTIONS.c.tx_id)))


def _nobody(_tx_id: str, _rwsets: Sequence[PrivateRwset]) -> None:
    """There are no other members' nodes."""


class TransientStore:
    """The table of private write sets that wait for their transaction's commit.

    A listener of the `Notifier`: it learns from there what was committed.

    Parameters
    ----------
    connection : its own, for writing; closed with it.
    share : sends what is endorsed here to other members.
    limit_bytes : most that is kept.
    """

    def __init__(
        self, connection: Connection, *, share: Share = _nobody, limit_bytes: int = MAX_BYTES
    ) -> None:
        self._connection = connection
        self._share = share
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._put = upsert(TRANSIENT)
        self._kept: dict[str, tuple[int, int]] = {}  # received block, bytes
        self._done: set[str] = set()
        self._bytes = 0
        with connection.begin():
            connection.execute(_COMMITTED)  # a crash came before they were dropped
            for tx_id, received, size in connection.execute(_SIZES):
                self._count(tx_id, received, size)

    def endorsed(self, tx_id: str, rwsets: Sequence[PrivateRwset], height: int) -> None:
        """Keep what is endorsed here, and share it; as `keep`, and what `share` raises."""
        self.keep(tx_id, rwsets, height)
        self._share(tx_id, rwsets)

    def keep(self, tx_id: str, rwsets: Sequence[PrivateRwset], height: int) -> None:
        """Put a transaction's write sets on the disk; the same ones again change nothing.

        Parameters
        ----------
        tx_id : of the endorsed transaction.
        rwsets : what it writes into collections.
        height : number of blocks there are.

        Raises
        ------
        Refusal
            OVERLOADED; STOPPED when the database fails.
        WireError
            BAD_RWSET.
        """
        content = encode_private(rwsets)
        digest = sha256(content).digest()
        row = {"tx_id": tx_id, "digest": digest, "received_block": height, "content": content}
        with self._lock:
            self._expire(height)
            waiting = self._bytes - sum(self._kept[done][1] for done in self._done)
            if waiting + len(content) > self._limit or self._full(tx_id):
                raise Refusal(RefusalCode.OVERLOADED, "too much private data waits for its transactions")
            try:
                with self._connection.begin():
                    waits = tx_id in self._kept and tx_id not in self._done
                    if waits and self._holds(tx_id, digest):
                        return
                    if self._done:
                        self._connection.execute(_DROP, [{"id": done} for done in self._done])
                    self._connection.execute(self._put, row)
            except SQLAlchemyError as error:
                raise Refusal(RefusalCode.STOPPED, "the node's database failed") from error
            self._dropped()
            self._count(tx_id, height, len(content))

    def find(self, tx_id: str) -> tuple[PrivateRwset, ...]:
        """Return the write sets that are kept for a transaction; a `PrivateSource`."""
        if tx_id not in self._kept:
            return ()
        with self._lock, self._connection.begin():
            contents = self._connection.execute(_FIND, {"id": tx_id}).scalars().all()
        return tuple(rwset for content in contents for rwset in decode_private(content))

    def committed(self, _height: int, outcomes: Collection[tuple[str, Outcome]]) -> None:
        """Hear of a block: what is committed, valid or not, is not needed any more."""
        if self._kept:
            with self._lock:
                self._done.update(tx_id for tx_id, _ in outcomes if tx_id in self._kept)

    def stopped(self, _reason: str) -> None:
        """Hear that nothing more will be committed."""

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def forget(self) -> None:
        """Drop at once what is committed: a block has purged or expired what it may hold."""
        with self._lock:
            if self._done:
                with self._connection.begin():
                    self._connection.execute(_DROP, [{"id": done} for done in self._done])
                self._dropped()

    def _dropped(self) -> None:
        for done in self._done:
            self._bytes -= self._kept.pop(done)[1]
        self._done.clear()

    def _full(self, tx_id: str) -> bool:
        return tx_id not in self._kept and len(self._kept) - len(self._done) >= MAX_TRANSACTIONS

    def _holds(self, tx_id: str, digest: bytes) -> bool:
        return self._connection.execute(_HELD, {"id": tx_id, "digest": digest}).first() is not None

    def _expire(self, height: int) -> None:
        late = height - KEPT_BLOCKS
        for tx_id, (received, _) in self._kept.items():  # in order of arrival
            if received >= late:
                break
            self._done.add(tx_id)

    def _count(self, tx_id: str, received: int, size: int) -> None:
        before = self._kept.get(tx_id, (received, 0))
        self._kept[tx_id] = before[0], before[1] + size
        self._bytes += size
