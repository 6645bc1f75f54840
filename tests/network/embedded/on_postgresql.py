"""Running the tests of other modules again, with the ledger on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.network.embedded.conftest import World
from tests.postgresql_server import PASSWORD, PostgresqlServer


class OnServer(World):
    """A world whose ledger is in a schema of its own."""

    url = ""  # type: ignore[assignment]


@pytest.fixture
def make_world(
    tmp_path: Path, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., World]]:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # an opened ledger's URL has none
    worlds: list[World] = []

    def make(**settings: object) -> World:
        folder = tmp_path / f"world{len(worlds)}"
        folder.mkdir()
        world = OnServer(folder, **settings)
        world.url = postgresql.url(folder / "keys", postgresql.new_schema())
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


def again(*modules: ModuleType) -> dict[str, object]:
    """Return the tests of modules and the fixtures that they need, for a module's globals."""
    taken: dict[str, object] = {"make_world": make_world, "world": world}
    for module in modules:
        for name, value in vars(module).items():
            if name.startswith("test_") or type(value) is type(world):
                assert taken.setdefault(name, value) is value, f"there are two {name}"
    return taken
