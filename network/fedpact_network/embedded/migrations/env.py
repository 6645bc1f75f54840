"""Alembic's entry: run the wanted revisions on the connection that the caller has a transaction on."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
context.run_migrations()
