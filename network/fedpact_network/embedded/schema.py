"""The tables of a ledger database, on SQLite and PostgreSQL.

Keys are stored as their UTF-8 bytes: every database orders bytes alike, which is the order that range
queries promise, and PostgreSQL's text cannot hold the U+0000 of composite keys.

A change here needs a new revision in `migrations/versions` and its name in `HEAD`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    func,
    select,
)

HEAD = "0002"
"""Revision of this layout, the last one of `migrations/versions`."""

OLDER = ("0001",)
"""Revisions that are upgraded, oldest first."""

METADATA = MetaData()

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""A block's number; SQLite's INTEGER has 64 bits, and as a primary key is the table itself."""

VERSION_TABLE = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""One row: the revision of a database's layout."""

BLOCKS = Table(
    "blocks",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
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
    Column("block", NUMBER, nullable=False),
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
    Column("block", NUMBER, nullable=False),
    Column("position", Integer, nullable=False),
    Column("metadata", LargeBinary),
    sqlite_with_rowid=False,
)
"""The present value of every key and the transaction (block, position) that wrote it.

Hashes of private data are ordinary rows: namespace `<namespace>$$h<collection>`, key the 64 hexadecimal
digits of the key's hash, value the value's hash. `metadata` is what `encode_metadata` (fedpact.wire.rwsets)
makes; NULL for none.
"""

HISTORY = Table(
    "history",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("block", NUMBER, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Which valid transactions changed a key; the values are read from the blocks, which are the proof."""

EXPIRIES = Table(
    "expiries",
    METADATA,
    Column("expires_block", NUMBER, primary_key=True, autoincrement=False),
    Column("namespace", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("block", NUMBER, nullable=False),
    Column("position", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Block-to-live: the commit of block `expires_block` removes the hashed row (and the private one) of this
key's hash if its version still is (block, position), and then this row."""

PRIVATE_STATE = Table(
    "private_state",
    METADATA,
    Column("namespace", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("key_hash", LargeBinary(32), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("block", NUMBER, nullable=False),
    Column("position", Integer, nullable=False),
    Index("private_state_by_hash", "namespace", "collection", "key_hash", unique=True),
    sqlite_with_rowid=False,
)
"""The plain private rows of collections that this node's organisations are members of.

`key_hash` is the SHA-256 of `key`: expiries, and purges whose content is missing here, name only the hash.
"""

TRANSIENT = Table(
    "transient",
    METADATA,
    Column("tx_id", Text, primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("received_block", NUMBER, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("transient_by_block", "received_block"),
    sqlite_with_rowid=False,
)
"""Private write sets (`rwset.TxPvtReadWriteSet`) of endorsed transactions that are not committed yet.

Several a transaction, each under its own SHA-256: what one peer sends never hides what another one sent.
`received_block` is the height at which it came, for dropping what never was committed.
"""

PRIVATE_WRITES = Table(
    "private_writes",
    METADATA,
    Column("block", NUMBER, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("namespace", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("expires_block", NUMBER),
    Column("content", LargeBinary),
    sqlite_with_rowid=False,
)
"""Private write sets of valid transactions, for delivery and for other peers' reconciliation.

`content` is the collection's serialised `rwset.CollectionPvtReadWriteSet.rwset`; NULL where it is missing
here and still to be fetched. `expires_block` is when the row goes; NULL for never.
"""

Index("private_writes_by_expiry", PRIVATE_WRITES.c.expires_block)
_MISSING = PRIVATE_WRITES.c.content.is_(None)
Index(
    "private_writes_missing",
    PRIVATE_WRITES.c.block,
    PRIVATE_WRITES.c.position,
    sqlite_where=_MISSING,
    postgresql_where=_MISSING,
)

COUNTS = select(
    *[select(func.count()).select_from(table).scalar_subquery() for table in (STATE, HISTORY, TRANSACTIONS)]
)
"""Rows of the state, the history and the transactions, as `fedpact.ledger.Counts`. O(rows)."""
