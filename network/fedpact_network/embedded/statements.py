"""Statements compiled once, for what every transaction or block needs.

Through `Connection.execute` a small statement costs several times what the database takes for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Select


class PreparedSelect:
    """A query on a cursor of its own, past SQLAlchemy: errors are the driver's."""

    def __init__(self, connection: Connection, statement: Select[Any]) -> None:
        self._text, self._names = _compiled(connection, statement)
        self._cursor = connection.connection.cursor()

    def first(self, **values: str | bytes) -> Sequence[Any] | None:
        """Return the first row."""
        self._execute(values)
        row: Sequence[Any] | None = self._cursor.fetchone()
        return row

    def all(self, **values: str | bytes) -> Sequence[Sequence[Any]]:
        """Return all rows."""
        self._execute(values)
        rows: Sequence[Sequence[Any]] = self._cursor.fetchall()
        return rows

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()

    def _execute(self, values: Mapping[str, str | bytes]) -> None:
        self._cursor.execute(self._text, _parameters(values, self._names))


class PreparedInsert:
    """An insert of rows with all columns of their table, in SQLAlchemy's transaction."""

    def __init__(self, connection: Connection, statement: Insert) -> None:
        self._connection = connection
        self._text, self._names = _compiled(connection, statement)

    def run(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows, at least one."""
        self._connection.exec_driver_sql(self._text, [_parameters(row, self._names) for row in rows])


def _compiled(connection: Connection, statement: Select[Any] | Insert) -> tuple[str, Sequence[str] | None]:
    """Return a statement's text and, for a driver without names, those of its parameters in order."""
    compiled = statement.compile(dialect=connection.dialect)
    return str(compiled), getattr(compiled, "positiontup", None)


def _parameters(values: Mapping[str, object], names: Sequence[str] | None) -> Any:
    return values if names is None else tuple([values[name] for name in names])
