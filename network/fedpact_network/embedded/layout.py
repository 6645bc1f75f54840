"""The layout of a database's tables: made new, recognised, or upgraded from an older revision.

Alembic is imported only where there is something to upgrade.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import insert, inspect, text
from sqlalchemy.engine import Connection

from fedpact_network.embedded.schema import HEAD, METADATA, OLDER, VERSION_TABLE

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")
_FIRST = OLDER[0]


class LayoutError(Exception):
    """The tables are not what this version works with.

    Attributes
    ----------
    code : stable, for `fedpact.ledger.LedgerError`. `LEDGER_DAMAGED`: there are no tables of a ledger;
        `LAYOUT_UNKNOWN`: a newer or foreign version made them; `LAYOUT_OLD`: an older one did, and they
        cannot be upgraded here.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def make(connection: Connection) -> None:
    """Make all tables in an empty database, within the caller's transaction."""
    METADATA.create_all(connection)
    VERSION_TABLE.create(connection)
    connection.execute(insert(VERSION_TABLE), {"version_num": HEAD})


def check(connection: Connection) -> None:
    """Do nothing if the layout is the present one.

    Raises
    ------
    LayoutError
        LEDGER_DAMAGED, LAYOUT_UNKNOWN, LAYOUT_OLD.
    """
    found = revision(connection)
    if found in OLDER:
        raise LayoutError(
            "LAYOUT_OLD", f"layout {found} of an older version; a node upgrades it when it opens it"
        )
    if found != HEAD:
        raise _refusal(found)


def upgrade(connection: Connection) -> None:
    """Bring an older layout to the present one, within the caller's transaction.

    Raises
    ------
    LayoutError
        LEDGER_DAMAGED, LAYOUT_UNKNOWN; LAYOUT_OLD if Alembic is not installed.
    """
    found = revision(connection)
    if found == HEAD:
        return
    if found not in OLDER:
        raise _refusal(found)
    try:
        from alembic import command
        from alembic.config import Config
    except ModuleNotFoundError as error:
        needs = f"layout {found} of an older version: install fedpact[node] to upgrade it"
        raise LayoutError("LAYOUT_OLD", needs) from error
    log.info("upgrading the database from layout %s to %s", found, HEAD)
    if not inspect(connection).has_table(VERSION_TABLE.name):  # before revisions were kept there
        VERSION_TABLE.create(connection)
        connection.execute(insert(VERSION_TABLE), {"version_num": found})
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def revision(connection: Connection) -> str | None:
    """Return the revision of the tables; None where there are none of a ledger."""
    tables = inspect(connection)
    if tables.has_table(VERSION_TABLE.name):
        found: str | None = connection.execute(VERSION_TABLE.select()).scalar()
        return found
    if tables.has_table("about"):
        schema = connection.execute(text("SELECT content FROM about WHERE name = 'schema'")).scalar()
        return _FIRST if schema == "1" else f"'{schema}'"
    return None


def _refusal(found: str | None) -> LayoutError:
    if found is None:
        return LayoutError("LEDGER_DAMAGED", "the database has no tables of a ledger")
    return LayoutError("LAYOUT_UNKNOWN", f"layout {found} is not known here; a newer version made it")
