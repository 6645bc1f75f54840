"""A chain replayed from its blocks alone, each one verified as a node verifies a block from elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError
from sqlalchemy.engine import Connection

from fedpact.validation import BlockError
from fedpact.wire.blocks import parse_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.errors import WireError
from fedpact_network.embedded.archive import ArchiveCode, ArchiveError
from fedpact_network.embedded.channel import Channel
from fedpact_network.embedded.committer import Committer
from fedpact_network.embedded.database_sqlite import SqliteDatabase, SqliteView
from fedpact_network.embedded.notifier import Notifier
from fedpact_network.embedded.own_signatures import OwnSignatures
from fedpact_network.embedded.private_commit import PrivateData
from fedpact_network.embedded.recovery import plant
from fedpact_network.embedded.snapshots import Snapshots
from fedpact_network.embedded.state_cache import StateCache
from fedpact_network.embedded.store import Store, Tip
from fedpact_network.embedded.validator import Validator

Progress = Callable[[int], None]
"""Told the number of blocks done."""


@contextmanager
def replayed(
    blocks: Iterable[bytes], organisations: Iterable[str] = (), progress: Progress | None = None
) -> Iterator[tuple[Tip, Connection]]:
    """Yield the last block and a connection to a temporary database with all that the blocks make.

    Parameters
    ----------
    blocks : serialised `common.Block`s from the genesis block on.
    organisations : for whose private data the content is noted as missing.
    progress : called after every block.

    Raises
    ------
    ArchiveError
        BLOCK_REFUSED, VERDICTS_DIFFER.
    """
    with tempfile.TemporaryDirectory(prefix="fedpact-") as folder:
        path = Path(folder) / "ledger.db"
        tip = _replay(Store(SqliteDatabase(path, durable=False)), iter(blocks), organisations, progress)
        view = SqliteView(path)
        try:
            yield tip, view.connection
        finally:
            view.close()


def _replay(
    store: Store, blocks: Iterator[bytes], organisations: Iterable[str], progress: Progress | None
) -> Tip:
    with ExitStack() as closing:
        closing.callback(store.close)
        channel = _begin(store, next(blocks, b""))
        validator = Validator(channel, OwnSignatures())
        closing.callback(validator.close)
        snapshots = Snapshots(store, StateCache())
        closing.callback(snapshots.close)
        private = PrivateData(organisations, ())
        committer = Committer(store, snapshots, channel, validator, Notifier(1), private)
        for data in blocks:
            _append(committer, store, data)
            if progress is not None:
                progress(committer.height)
        tip = store.tip()
        assert tip is not None  # noqa: S101 (the genesis block was stored above)
        return tip


def _begin(store: Store, genesis: bytes) -> Channel:
    try:
        bundle = Bundle.from_block(common_pb2.Block.FromString(genesis))
        plant(store, genesis)
    except (ValueError, DecodeError, WireError) as error:
        raise ArchiveError(ArchiveCode.BLOCK_REFUSED, f"the genesis block: {error}") from error
    return Channel(bundle, time.time)


def _append(committer: Committer, store: Store, data: bytes) -> None:
    number = committer.height
    try:
        committer.append(data)
        recorded = parse_block(data)
    except (BlockError, WireError, DecodeError) as error:
        raise ArchiveError(ArchiveCode.BLOCK_REFUSED, f"block {number}: {error}") from error
    deserved = parse_block(store.block(number))
    if (recorded.filter, recorded.commit_hash) != (deserved.filter, deserved.commit_hash):
        raise ArchiveError(
            ArchiveCode.VERDICTS_DIFFER, f"block {number} records other verdicts than it deserves"
        )
