"""Revisions of the tables' layout, applied by Alembic when a node opens an older ledger; see `layout.py`."""
