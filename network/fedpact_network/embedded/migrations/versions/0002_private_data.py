"""Private data, key metadata, expiries; the revision itself replaces the table `about`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add what 0001 lacks; no row is rewritten."""
    op.drop_table("about")
    op.add_column("state", sa.Column("metadata", sa.LargeBinary))
    op.create_table(
        "expiries",
        sa.Column("expires_block", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("collection", sa.Text, primary_key=True),
        sa.Column("key_hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("block", NUMBER, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "private_state",
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("collection", sa.Text, primary_key=True),
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("key_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("block", NUMBER, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    by_hash = ["namespace", "collection", "key_hash"]
    op.create_index("private_state_by_hash", "private_state", by_hash, unique=True)
    op.create_table(
        "transient",
        sa.Column("tx_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("received_block", NUMBER, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("transient_by_block", "transient", ["received_block"])
    op.create_table(
        "private_writes",
        sa.Column("block", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("collection", sa.Text, primary_key=True),
        sa.Column("expires_block", NUMBER),
        sa.Column("content", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
    op.create_index("private_writes_by_expiry", "private_writes", ["expires_block"])
    missing = sa.text("content IS NULL")
    op.create_index(
        "private_writes_missing",
        "private_writes",
        ["block", "position"],
        sqlite_where=missing,
        postgresql_where=missing,
    )
