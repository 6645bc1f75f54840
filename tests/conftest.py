"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql_server import PostgresqlServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, started with the first test that needs one."""
    from tests.postgresql_server import PostgresqlServer

    with closing(PostgresqlServer()) as server:
        yield server
