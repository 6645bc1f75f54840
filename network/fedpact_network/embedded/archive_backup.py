"""Backup and restore of a ledger's database.

A backup is one SQLite file with every row of one moment, whichever database the ledger is in, and a table
that says what it holds. It has no keys of a node, but the private data of its organisations. It can be
inspected and audited as it is: `embedded:///path/to/backup.db`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Column, MetaData, Table, Text, create_engine, insert, select
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from fedpact.ledger import LedgerError
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
from fedpact_network.embedded.database_sqlite import SqliteView
from fedpact_network.embedded.inspection import InspectedLedger
from fedpact_network.embedded.schema import METADATA
from fedpact_network.embedded.sites import find_site

ABOUT = Table("backup", MetaData(), Column("name", Text, primary_key=True), Column("content", Text))
"""In a backup: `chain`, JSON of `Chain`; `rows`, the digest of all rows of all other tables."""

_TABLES = METADATA.sorted_tables
_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100


def back_up(url: str, target: Path) -> Chain:
    """Write a backup of one moment of a ledger, also while a node runs it.

    Parameters
    ----------
    url : the ledger's.
    target : a file that does not exist yet; it appears when it is written, on the disk and verified.

    Raises
    ------
    LedgerError
        As `fedpact.ledger.inspect_ledger`; LEDGER_DAMAGED too if the stored blocks are no chain.
    ArchiveError
        FILE_EXISTS; FILE_ALTERED if what was written reads otherwise.
    """
    site = find_site(url)
    with whole_file(target) as part:
        view = site.view()
        ledger = InspectedLedger(site.url, view)
        try:
            chain = chain_of(ledger)
            _write(part, view.connection, chain)
            if view.disturbed():
                raise LedgerError("LEDGER_BUSY", site.url, "a node wrote while this was read; try again")
        except DatabaseError as error:
            raise LedgerError("LEDGER_DAMAGED", site.url, f"the database: {error.orig}") from error
        finally:
            ledger.close()
        with _backup(part) as (_, written):
            if written != chain:
                raise ArchiveError(ArchiveCode.FILE_ALTERED, "the file does not hold what was written")
    return chain


def restore(source: Path, url: str) -> Chain:
    """Make a new ledger of a backup; its node's keys are put in their place by hand.

    Parameters
    ----------
    source : what `back_up` wrote.
    url : of a ledger that does not exist yet, in either kind of database.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, LEDGER_BUSY, DATABASE_UNREACHABLE.
    ArchiveError
        FILE_FOREIGN, FILE_TRUNCATED, FILE_ALTERED.
    """
    with _backup(source) as (connection, chain), new_database(url) as target:
        if copy_rows(connection, target, _TABLES) != digest_rows(target, _TABLES):
            raise ArchiveError(ArchiveCode.FILE_ALTERED, "the database does not hold what was written")
    return chain


def _write(path: Path, source: Connection, chain: Chain) -> None:
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool, hide_parameters=True)
    with engine.connect() as target:
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF"):  # the file is flushed as a whole
            target.exec_driver_sql(f"PRAGMA {pragma}")
        layout.make(target)
        ABOUT.create(target)
        rows = copy_rows(source, target, _TABLES)
        facts = {"chain": msgspec.json.encode(chain).decode(), "rows": rows}
        target.execute(insert(ABOUT), [{"name": name, "content": text} for name, text in facts.items()])
        target.commit()


@contextmanager
def _backup(path: Path) -> Iterator[tuple[Connection, Chain]]:
    """Yield a backup's rows, verified, and what they hold."""
    _check_file(path)
    view = SqliteView(path)
    try:
        yield view.connection, _verified(path, view)
    finally:
        view.close()


def _check_file(path: Path) -> None:
    """Look at the length that SQLite notes in its header, before it stumbles over what is missing."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        length = os.fstat(file.fileno()).st_size
    if header[: len(_MAGIC)] != _MAGIC[: len(header)] or not header:
        raise ArchiveError(ArchiveCode.FILE_FOREIGN, f"{path} is no backup of a ledger")
    page = int.from_bytes(header[16:18])
    if length < _HEADER_BYTES or length < (65536 if page == 1 else page) * int.from_bytes(header[28:32]):
        raise ArchiveError(ArchiveCode.FILE_TRUNCATED, f"{path} ends early")


def _verified(path: Path, view: SqliteView) -> Chain:
    altered = ArchiveError(ArchiveCode.FILE_ALTERED, f"{path} does not hold what was written")
    try:
        if not view.connection.dialect.has_table(view.connection, ABOUT.name):
            raise ArchiveError(ArchiveCode.FILE_FOREIGN, f"{path} is no backup of a ledger")
        facts = {row.name: row.content for row in view.connection.execute(select(ABOUT))}
        ledger = InspectedLedger(f"embedded://{path}", view)
        chain = msgspec.json.decode(facts.get("chain", ""), type=Chain)
        if digest_rows(view.connection, _TABLES) != facts.get("rows") or chain_of(ledger) != chain:
            raise altered
    except LedgerError as error:
        if error.code == "LAYOUT_UNKNOWN":
            raise ArchiveError(ArchiveCode.FILE_FOREIGN, str(error)) from error
        raise altered from error
    except (DatabaseError, msgspec.DecodeError, ValueError) as error:
        raise altered from error
    return chain
