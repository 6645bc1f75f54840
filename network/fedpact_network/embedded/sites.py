"""From a ledger's URL to its database; SQLAlchemy and drivers are imported with the first ledger only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlencode, urlsplit

from fedpact.ledger import LedgerError

if TYPE_CHECKING:
    from fedpact_network.embedded.database import Site

FILE = "embedded:///path/to/ledger.db"
SERVER = "embedded+postgresql://user:password@host:port/database?keys=/path/to/keys[&schema=name]"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_DEFAULT_SCHEMA = "public"


def find_site(url: str) -> Site:
    """Return the place that a URL names.

    Parameters
    ----------
    url : `embedded:///path/to/ledger.db`, or
        `embedded+postgresql://user:password@host:port/database?keys=/path/to/keys[&schema=name]`.
        User, password, host and port default to what PostgreSQL's own clients take (PGUSER, ~/.pgpass and
        the like), the schema to `public`.

    Raises
    ------
    LedgerError
        UNKNOWN_SCHEME for anything else. The message never has the password.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == "embedded" and not (parts.netloc or parts.query or parts.fragment):
            return _file(url, parts)
        if parts.scheme == "embedded+postgresql" and not parts.fragment:
            return _server(url, parts)
    except ValueError:  # its text may hold a part of the password
        raise LedgerError("UNKNOWN_SCHEME", url, f"expected {SERVER}") from None
    raise LedgerError("UNKNOWN_SCHEME", url, f"expected {FILE} or {SERVER}")


def _file(url: str, parts: SplitResult) -> Site:
    from fedpact_network.embedded.database_sqlite import SqliteSite

    if len(parts.path) < 2:
        raise ValueError("no path")
    return SqliteSite(url, Path(unquote(parts.path)))


def _server(url: str, parts: SplitResult) -> Site:
    from sqlalchemy.engine import URL

    from fedpact_network.embedded.database_postgresql import PostgresqlSite

    query = {name: found[-1] for name, found in parse_qs(parts.query, strict_parsing=True).items()}
    schema, keys = query.pop("schema", _DEFAULT_SCHEMA), query.pop("keys", "")
    database = unquote(parts.path[1:])
    if query or not database or not Path(keys).is_absolute() or not _SCHEMA.fullmatch(schema):
        raise ValueError("a part is missing or wrong")
    server = URL.create(
        "postgresql+psycopg",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        host=parts.hostname,
        port=parts.port,
        database=database,
    )
    user, port = f"{parts.username}@" if parts.username else "", f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    named = {"keys": keys} | ({} if schema == _DEFAULT_SCHEMA else {"schema": schema})
    shown = f"{parts.scheme}://{user}{host}{port}/{quote(database)}?{urlencode(named, safe='/')}"
    return PostgresqlSite(shown, server, schema=schema, keys=Path(keys))
