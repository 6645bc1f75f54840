"""Private data that come after their block: only what has its hash, and only as far as it still counts."""

from __future__ import annotations

import pytest
from tests.network.embedded.test_private_commit import PrivateBench

from fedpact.wire.commits import ValidationCode
from fedpact.wire.rwsets import PrivateRwset, Row, Version, Write
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.private_commit import content_of
from fedpact_network.embedded.private_supply import Missing
from fedpact_network.embedded.schema import PRIVATE_WRITES

VALID = ValidationCode.VALID


def private(**values):
    writes = tuple(Write(key, value and value.encode()) for key, value in values.items())
    return PrivateRwset("kv", "secrets", writes)


@pytest.fixture
def bench(world):
    return PrivateBench(world)


@pytest.fixture
def node(bench):
    return bench.ledger.node


def test_what_was_missing_is_filled_in(bench, node):
    assert bench.block(bench.secret(a="1", b="2", known=False)) == [VALID]
    assert node.missing_private() == [Missing(2, 0, "kv", "secrets")]
    assert node.supply_private(2, 0, [private(a="1", b="2")]) == 1
    assert node.missing_private() == []
    assert bench.rows() == {"a": Row(b"1", Version(2, 0)), "b": Row(b"2", Version(2, 0))}
    with node.snapshots.view() as snapshot:
        assert snapshot.private("kv", "secrets", "a") == Row(b"1", Version(2, 0)), "at once"
    assert [item["content"] for item in bench.table(PRIVATE_WRITES)] == [content_of(private(a="1", b="2"))]
    assert node.supply_private(2, 0, [private(a="1", b="2")]) == 0
    assert bench.block(bench.secret(a="3")) == [VALID], "blocks go on"


def test_what_was_changed_since_stays_as_it_is(bench, node):
    bench.block(bench.secret(a="1", b="1", c="1", known=False))
    bench.block(bench.secret(a="2"), bench.secret(b=None))
    assert node.supply_private(2, 0, [private(a="1", b="1", c="1")]) == 1
    assert bench.rows() == {"a": Row(b"2", Version(3, 0)), "c": Row(b"1", Version(2, 0))}


def test_what_was_purged_since_is_not_kept(bench, node):
    bench.block(bench.secret(a="1", b="1", known=False))
    bench.block(bench.secret(purges=["a"]))
    assert node.supply_private(2, 0, [private(a="1", b="1")]) == 1
    assert set(bench.rows()) == {"b"}
    assert bench.table(PRIVATE_WRITES)[0]["content"] == content_of(private(b="1"))


@pytest.mark.parametrize(
    ("block", "position", "given"),
    [
        (2, 0, private(a="9")),
        (2, 0, private(a="1", b="1")),
        (2, 0, PrivateRwset("kv", "brief", (Write("a", b"1"),))),
        (2, 0, PrivateRwset("other", "secrets", (Write("a", b"1"),))),
        (2, 1, private(a="1")),
        (2, -1, private(a="1")),
        (9, 0, private(a="1")),
        (0, 0, private(a="1")),
    ],
)
def test_nothing_else_is_stored(bench, node, block, position, given):
    bench.block(bench.secret(a="1", known=False))
    with pytest.raises(Refusal) as caught:
        node.supply_private(block, position, [private(a="1"), given])
    assert caught.value.code is RefusalCode.MALFORMED
    assert bench.rows() == {}
    assert len(node.missing_private()) == 1


def test_of_what_this_node_does_not_hold_nothing_is_stored(bench, node):
    bench.block(bench.secret(collection="foreign", a="1", known=False))
    assert node.supply_private(2, 0, [PrivateRwset("kv", "foreign", (Write("a", b"1"),))]) == 0
    assert bench.rows("foreign") == {}
