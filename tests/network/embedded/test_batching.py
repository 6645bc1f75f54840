"""When blocks are cut, with a clock in the test's hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.wire.config import BatchRules
from fedpact_network.embedded.batching import Batcher

RULES = BatchRules(max_messages=10, max_bytes=1000, absolute_max_bytes=5000, timeout_ms=20)


def fed(batcher, count, now_s=0.0, size=1):
    for n in range(count):
        batcher.add((now_s, n), size, now_s)
    return batcher


def loaded(in_flight, rules=RULES):
    """An empty batcher that believes so many transactions to be in flight."""
    batcher = Batcher(rules)
    batcher._in_flight = float(in_flight)
    batcher._last_cut_s = 1.0
    return batcher


def test_an_empty_queue_waits_for_ever():
    assert Batcher(RULES).wait_s(0.0) is None


def test_a_lone_transaction_is_cut_at_once():
    batcher = fed(Batcher(RULES), 1)
    assert batcher.wait_s(0.0) == 0
    assert batcher.cut(0.0) == [(0.0, 0)]
    assert batcher.wait_s(0.0) is None


def test_what_must_be_alone_is_cut_at_once_after_what_came_before():
    batcher = fed(loaded(100), 3, now_s=1.0)
    assert batcher.wait_s(1.0) > 0
    batcher.add("alone", 1, 1.0, alone=True)
    fed(batcher, 1, now_s=2.0)
    blocks = []
    while batcher.wait_s(1.0) == 0:
        blocks.append(batcher.cut(1.0))
        batcher.done()
    assert blocks == [[(1.0, 0), (1.0, 1), (1.0, 2)], ["alone"]]
    assert len(batcher) == 1


def test_a_block_never_exceeds_the_count():
    batcher = fed(Batcher(RULES), 35)
    sizes = []
    while batcher:
        sizes.append(len(batcher.cut(0.0)))
        batcher.done()
    assert sum(sizes) == 35
    assert sizes[0] == 10
    assert max(sizes) <= 10


def test_a_full_block_is_cut_at_once():
    batcher = fed(loaded(40), 10, now_s=1.0)
    assert batcher.wait_s(1.0) == 0
    assert len(batcher.cut(1.0)) == 10


def test_preferred_bytes_cut_at_once_and_bound_the_block():
    batcher = fed(loaded(8), 3, now_s=1.0, size=400)
    assert batcher.wait_s(1.0) == 0
    assert len(batcher.cut(1.0)) == 2
    assert batcher.size_bytes == 400


def test_what_is_larger_than_the_preferred_bytes_goes_alone():
    batcher = Batcher(RULES)
    for n, size in enumerate((10, 3000, 10)):
        batcher.add(n, size, 0.0)
    blocks = []
    while batcher:
        blocks.append(batcher.cut(0.0))
        batcher.done()
    assert blocks == [[0], [1], [2]]


def test_nobody_waits_longer_than_the_time_of_the_rules():
    batcher = fed(loaded(8), 1, now_s=1.0)
    assert batcher.wait_s(1.0) == pytest.approx(0.02)
    assert batcher.wait_s(1.015) == pytest.approx(0.005)
    assert batcher.wait_s(1.02) == 0
    assert len(batcher.cut(1.02)) == 1


def test_who_did_not_come_in_time_is_no_longer_waited_for():
    batcher = fed(loaded(8), 1, now_s=1.0)
    batcher.cut(1.02)
    batcher.done()
    fed(batcher, 1, now_s=2.0)
    assert batcher.wait_s(2.0) == 0


def test_when_all_in_flight_have_come_half_of_them_go():
    batcher = fed(loaded(8), 7, now_s=1.0)
    assert batcher.wait_s(1.0) > 0
    fed(batcher, 1, now_s=1.0)
    assert batcher.wait_s(1.0) == 0
    assert len(batcher.cut(1.0)) == 4


def test_half_of_them_go_when_the_last_block_is_long_enough_ago():
    batcher = fed(loaded(8), 8, now_s=1.0)
    batcher.cut(1.0)
    batcher.done()
    assert len(batcher) == 4
    assert batcher.wait_s(1.001) == pytest.approx(0.019)
    assert batcher.wait_s(1.02) == 0


def test_those_in_the_block_count_as_in_flight():
    batcher = fed(Batcher(RULES), 1)
    batcher.cut(0.0)
    fed(batcher, 1, now_s=0.001)
    batcher.done()
    assert batcher.wait_s(0.001) > 0  # two clients: the other one is about to come back
    fed(batcher, 1, now_s=0.002)
    assert batcher.wait_s(0.002) == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 1500), st.floats(0, 0.03)), max_size=60),
    st.integers(1, 12),
)
def test_every_item_comes_out_once_in_order_within_the_rules_and_in_time(steps, most):
    rules = BatchRules(max_messages=most, max_bytes=1000, absolute_max_bytes=5000, timeout_ms=20)
    batcher, now_s, number, out = Batcher(rules), 0.0, 0, []
    arrived = {}
    sizes = {}

    def cut():
        batch = batcher.cut(now_s)
        batcher.done()
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(sizes[item] for item in batch) <= 1000
        out.extend(batch)

    for count, size, pause_s in steps:
        for _ in range(count):
            arrived[number], sizes[number] = now_s, size
            batcher.add(number, size, now_s)
            number += 1
        while batcher.wait_s(now_s) == 0:
            cut()
        waiting = batcher.wait_s(now_s)
        assert waiting is None or waiting <= 0.02 + 1e-9
        now_s += pause_s
    while batcher:
        cut()
    assert out == list(range(number))
