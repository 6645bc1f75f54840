"""A ledger as its blocks alone: export, import with full verification, and rebuilding the other tables.

An export is `MAGIC`, the JSON of a `Chain` and the blocks, each after its length as protobuf's varint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError

from fedpact.ledger import LedgerError, inspect_ledger
from fedpact_network.embedded import layout
from fedpact_network.embedded.archive import (
    ArchiveCode,
    ArchiveError,
    Chain,
    chain_of,
    copy_rows,
    digest_rows,
    new_database,
    whole_file,
)
from fedpact_network.embedded.archive_replay import Progress, replayed
from fedpact_network.embedded.database import Database, Site
from fedpact_network.embedded.schema import BLOCKS, EXPIRIES, HISTORY, METADATA, STATE, TRANSACTIONS
from fedpact_network.embedded.sites import find_site

MAGIC = b"fedpact blocks 1\n"
MAX_HEADER_BYTES = 4096
MAX_BLOCK_BYTES = 1 << 30

DERIVED = (BLOCKS, TRANSACTIONS, STATE, HISTORY, EXPIRIES)
"""What blocks make; their own table has the state hashes."""

_TABLES = METADATA.sorted_tables
_BLOCK = select(BLOCKS.c.data).where(BLOCKS.c.number == bindparam("n"))
_VARINT_BYTES = 5


def export_blocks(url: str, target: Path, progress: Progress | None = None) -> Chain:
    """Write all blocks of a ledger into a file, also while a node runs it.

    Parameters
    ----------
    url : the ledger's, of any backend.
    target : a file that does not exist yet; it appears when it is complete.
    progress : called after every block.

    Raises
    ------
    LedgerError
        As `fedpact.ledger.inspect_ledger`; LEDGER_DAMAGED if the stored blocks are no chain.
    ArchiveError
        FILE_EXISTS.
    """
    with whole_file(target) as part, closing(inspect_ledger(url)) as ledger:
        chain = chain_of(ledger)
        with part.open("wb") as file:
            file.write(MAGIC)
            _write(file, msgspec.json.encode(chain))
            for number, data in enumerate(ledger.blocks(), 1):
                _write(file, data)
                if progress is not None:
                    progress(number)
    return chain


def import_blocks(source: Path, url: str, progress: Progress | None = None) -> Chain:
    """Make a new ledger of an export; every block is verified as one that comes from another node.

    Private data is in no block. Its content is noted as missing where the keys of peers, put in their place
    before, say whose it is. The file itself names the genesis block: whom to trust is for the caller to know.

    Parameters
    ----------
    source : what `export_blocks` wrote.
    url : of a ledger that does not exist yet, in either kind of database.
    progress : called after every block.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
    ArchiveError
        FILE_FOREIGN, FILE_TRUNCATED, FILE_ALTERED, BLOCK_REFUSED, VERDICTS_DIFFER.
    """
    with source.open("rb") as file:
        chain = _read_header(file)
        blocks = _read_blocks(file, chain.height)
        with new_database(url) as target, replayed(blocks, _organisations(find_site(url)), progress) as made:
            tip, connection = made
            if (tip.header_hash.hex(), tip.state_hash.hex()) != (chain.tip_hash, chain.state_hash):
                raise ArchiveError(
                    ArchiveCode.FILE_ALTERED, "the blocks are not those that the file announces"
                )
            if copy_rows(connection, target, _TABLES) != digest_rows(target, _TABLES):
                raise ArchiveError(ArchiveCode.FILE_ALTERED, "the database does not hold what was written")
    return chain


def rebuild(url: str, progress: Progress | None = None) -> Chain:
    """Make everything that the blocks say anew; private data stays as it is. No node may run.

    For a ledger whose blocks are whole and whose other tables are not. All of it or nothing.

    Raises
    ------
    LedgerError
        NO_SUCH_LEDGER, LEDGER_BUSY, LEDGER_DAMAGED, LAYOUT_OLD, LAYOUT_UNKNOWN, DATABASE_UNREACHABLE.
    ArchiveError
        BLOCK_REFUSED, VERDICTS_DIFFER: the blocks are damaged too.
    """
    site = find_site(url)
    database = site.hold()
    try:
        _rebuild(site, database, progress)
    except layout.LayoutError as error:
        raise LedgerError(error.code, site.url, str(error)) from error
    except DatabaseError as error:
        raise LedgerError("LEDGER_DAMAGED", site.url, f"the database: {error.orig}") from error
    finally:
        database.close()
    with closing(inspect_ledger(url)) as ledger:
        return chain_of(ledger)


def _rebuild(site: Site, database: Database, progress: Progress | None) -> None:
    with database.connect() as connection, connection.begin():
        layout.upgrade(connection)
    with (
        database.connect(snapshot=True) as reader,
        replayed(_stored(site, reader), progress=progress) as (_, made),
        database.connect() as connection,
        connection.begin(),
    ):
        database.check()
        for table in DERIVED:
            connection.execute(delete(table))
        copy_rows(made, connection, DERIVED)


def _stored(site: Site, connection: Connection) -> Iterator[bytes]:
    last = connection.execute(select(func.max(BLOCKS.c.number))).scalar()
    for number in range(0 if last is None else last + 1):
        data = connection.execute(_BLOCK, {"n": number}).scalar()
        if data is None:
            raise LedgerError("LEDGER_DAMAGED", site.url, f"block {number} is missing")
        yield data


def _organisations(site: Site) -> list[str]:
    from fedpact_network.embedded.keys import NodeKeys

    return list(NodeKeys.load(site.keys).peers) if site.keys.is_dir() else []


def _write(file: BinaryIO, data: bytes) -> None:
    length, varint = len(data), bytearray()
    while length > 0x7F:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    file.write(varint)
    file.write(data)


def _read_header(file: BinaryIO) -> Chain:
    if file.read(len(MAGIC)) != MAGIC:
        raise ArchiveError(ArchiveCode.FILE_FOREIGN, "the file is no export of blocks")
    try:
        chain = msgspec.json.decode(_read(file, MAX_HEADER_BYTES), type=Chain)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(ArchiveCode.FILE_ALTERED, "the file's header cannot be read") from error
    if chain.height < 1:
        raise ArchiveError(ArchiveCode.FILE_ALTERED, "the file announces no block")
    return chain


def _read_blocks(file: BinaryIO, height: int) -> Iterator[bytes]:
    for _ in range(height):
        yield _read(file, MAX_BLOCK_BYTES)
    if file.read(1):
        raise ArchiveError(ArchiveCode.FILE_ALTERED, f"something follows the {height} blocks")


def _read(file: BinaryIO, limit: int) -> bytes:
    length = 0
    for position in range(_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            raise ArchiveError(ArchiveCode.FILE_TRUNCATED, "the file ends early")
        length |= (byte[0] & 0x7F) << 7 * position
        if not byte[0] & 0x80:
            break
    if length > limit:
        raise ArchiveError(ArchiveCode.FILE_ALTERED, f"a part of {length} bytes is announced")
    data = file.read(length)
    if len(data) < length:
        raise ArchiveError(ArchiveCode.FILE_TRUNCATED, "the file ends early")
    return data
