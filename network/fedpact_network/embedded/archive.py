"""What backups, exports and their way back have in common: errors, files that appear whole, rows in bulk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import msgspec
from sqlalchemy import Table, insert, select
from sqlalchemy.engine import Connection

from fedpact.ledger import LedgerError, LedgerView
from fedpact.validation import BlockError, check_link
from fedpact.wire.blocks import parse_block
from fedpact.wire.errors import WireError
from fedpact_network.embedded import layout
from fedpact_network.embedded.sites import find_site

ROWS_TOGETHER = 500
_MODULUS = 1 << 256


class ArchiveCode(StrEnum):
    """Stable reasons; a code is never renamed and never given a second meaning."""

    FILE_EXISTS = "FILE_EXISTS"
    FILE_FOREIGN = "FILE_FOREIGN"
    FILE_TRUNCATED = "FILE_TRUNCATED"
    FILE_ALTERED = "FILE_ALTERED"
    BLOCK_REFUSED = "BLOCK_REFUSED"
    VERDICTS_DIFFER = "VERDICTS_DIFFER"


class ArchiveError(Exception):
    """A file or a chain cannot be taken over; nothing was changed, nothing is left behind.

    Attributes
    ----------
    code : `FILE_EXISTS`: nothing is overwritten. `FILE_FOREIGN`: the file is of another kind, or of a newer
        version. `FILE_TRUNCATED`: it ends early. `FILE_ALTERED`: its content does not fit together.
        `BLOCK_REFUSED`: a block does not belong to the chain or its orderers did not sign it.
        `VERDICTS_DIFFER`: a block's recorded verdicts are not those it deserves.
    """

    def __init__(self, code: ArchiveCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """Which ledger, and up to where.

    Attributes
    ----------
    channel : its name.
    height : number of blocks.
    tip_hash : header hash of the last block, hexadecimal.
    state_hash : after the last block, hexadecimal.
    """

    channel: str
    height: int
    tip_hash: str
    state_hash: str


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a path beside a new file; what was written there becomes the file when all went well.

    Raises
    ------
    ArchiveError
        FILE_EXISTS.
    """
    if target.exists():
        raise ArchiveError(ArchiveCode.FILE_EXISTS, f"{target} exists already")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # private data may come in
    try:
        yield part
        _flush(part)
        os.link(part, target)  # unlike a rename it overwrites nothing
        _flush(target.parent)
    except FileExistsError as error:
        raise ArchiveError(ArchiveCode.FILE_EXISTS, f"{target} exists already") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_database(url: str) -> Iterator[Connection]:
    """Yield a connection, in a transaction, to a new ledger's database with empty tables.

    The ledger is there when all went well, and nothing is when not. Its node's keys are no business of this.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
    """
    database = find_site(url).create(with_keys=False)
    try:
        with database.connect() as connection, connection.begin():
            layout.make(connection)
            yield connection
    except BaseException:
        database.discard()
        raise
    database.close()


def chain_of(ledger: LedgerView) -> Chain:
    """Follow a ledger's chain from its genesis block to its end. O(blocks).

    Raises
    ------
    LedgerError
        LEDGER_DAMAGED.
    """
    number, previous = 0, b""
    try:
        for number, data in enumerate(ledger.blocks()):
            block = parse_block(data)
            check_link(block, number=number, previous_hash=previous)
            previous = block.hash
    except (BlockError, WireError) as error:
        raise LedgerError("LEDGER_DAMAGED", ledger.url, f"block {number}: {error}") from error
    height = ledger.height()
    if not height or number != height - 1:
        raise LedgerError("LEDGER_DAMAGED", ledger.url, f"a block after block {number} is missing")
    return Chain(
        channel=ledger.channel_id, height=height, tip_hash=previous.hex(), state_hash=ledger.state_hash()
    )


def copy_rows(source: Connection, target: Connection, tables: Iterable[Table]) -> str:
    """Copy all rows of tables; return what `digest_rows` returns for the source."""
    digest = RowDigest()
    for table in tables:
        names = [column.name for column in table.columns]
        for rows in _pages(source, table):
            digest.add(table.name, rows)
            target.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
    return digest.hex()


def digest_rows(connection: Connection, tables: Iterable[Table]) -> str:
    """Return a digest of all rows, whatever their order; databases do not sort texts alike."""
    digest = RowDigest()
    for table in tables:
        for rows in _pages(connection, table):
            digest.add(table.name, rows)
    return digest.hex()


class RowDigest:
    """The sum of the rows' SHA-256, each with its table's name: finds accidents, proves nothing."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Take in rows, each a sequence of integers, bytes, texts and None."""
        for row in rows:
            content = repr((table, *row)).encode()
            self._sum += int.from_bytes(hashlib.sha256(content).digest())

    def hex(self) -> str:
        """Return the digest so far."""
        return f"{self._sum % _MODULUS:064x}"


def _pages(connection: Connection, table: Table) -> Iterator[Sequence[Sequence[object]]]:
    with connection.execution_options(yield_per=ROWS_TOGETHER).execute(select(table)) as result:
        yield from result.partitions()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
