"""A node that orders and nodes that follow it."""

from __future__ import annotations

import pytest
from tests.network.peering.conftest import until


def test_a_follower_replicates_and_serves(world):
    ordering = world.ordering()
    follower = world.follower(ordering, "Org2MSP")
    ordering.caller().run("put", "a", "1")
    world.settle()
    bob = follower.caller(world.people["Org2MSP"])
    assert bob.evaluate("read", "a") == b"1"
    bob.run("put", "b", "2")
    assert ordering.caller().evaluate("read", "b") == b"2"
    world.assert_equal()
