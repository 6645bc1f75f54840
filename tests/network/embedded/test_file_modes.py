"""Who may read a ledger's files: they hold private data."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_ledgers_files_are_its_owners_only(world, usual_umask):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    names = {path.name for path in world.path.parent.glob(f"{world.path.name}*") if path.is_file()}
    assert {world.path.name, f"{world.path.name}-wal"} <= names
    for name in names:
        assert world.path.with_name(name).stat().st_mode & 0o077 == 0, name
