"""The tables of a ledger database.

Keys are stored as their UTF-8 bytes: every database orders bytes alike, which is the order that range
queries promise, and PostgreSQL's text cannot hold the U+0000 of composite keys.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, func, select

VERSION = "1"
"""Of this layout; a database of another one is refused."""

METADATA = MetaData()

ABOUT = Table(
    "about",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),
)
"""Facts about the database itself; `schema` is the version of this layout."""

BLOCKS = Table(
    "blocks",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("header_hash", LargeBinary(32), nullable=False),
    Column("state_hash", LargeBinary(32), nullable=False),
    Column("state_residue", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""The chain: `data` is the serialised `common.Block`; the state hash holds after the block."""

TRANSACTIONS = Table(
    "transactions",
    METADATA,
    Column("tx_id", Text, primary_key=True),
    Column("block", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("code", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Where each transaction id was first committed by who owns it, and its validation code."""

STATE = Table(
    "state",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("block", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The present value of every key and the transaction (block, position) that wrote it."""

HISTORY = Table(
    "history",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which valid transactions changed a key; the values are read from the blocks, which are the proof."""

COUNTS = select(
    *[select(func.count()).select_from(table).scalar_subquery() for table in (STATE, HISTORY, TRANSACTIONS)]
)
"""Rows of the state, the history and the transactions, as `fedpact.ledger.Counts`. O(rows)."""
