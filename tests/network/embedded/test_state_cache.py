from fedpact.wire.rwsets import Row, Version
from fedpact_network.embedded.state_cache import StateCache

A, B = ("ns", "a"), ("ns", "b")


def row(value, block=1):
    return Row(value, Version(block, 0))


def test_what_was_read_is_found_absent_keys_included():
    cache = StateCache()
    cache.advance(3, [])
    cache.learn(A, row(b"1"), 3)
    cache.learn(B, None, 3)
    assert cache.find(A, 3).row == row(b"1")
    assert cache.find(B, 4).row is None
    assert cache.find(("ns", "c"), 3) is None


def test_a_reader_at_an_older_height_is_sent_to_its_own_view():
    cache = StateCache()
    cache.advance(3, [(A, row(b"new", 2))])
    assert cache.find(A, 2) is None
    assert cache.find(A, 3).row.value == b"new"


def test_what_an_older_reader_saw_never_replaces_what_a_block_wrote():
    cache = StateCache()
    cache.advance(3, [])
    cache.advance(4, [(A, row(b"new", 3))])
    cache.learn(A, row(b"old"), 3)
    cache.learn(B, row(b"removed by the block before"), 3)
    assert cache.find(A, 4).row.value == b"new"
    assert cache.find(B, 4) is None


def test_a_removed_key_is_known_to_be_absent():
    cache = StateCache()
    cache.advance(3, [(A, row(b"1"))])
    cache.advance(4, [(A, None)])
    assert cache.find(A, 4).row is None
    assert cache.find(A, 3) is None


def test_its_memory_is_bounded():
    cache = StateCache(limit_bytes=10_000)
    cache.advance(1, [(("ns", f"k{n}"), row(b"x" * 100)) for n in range(1000)])
    assert len(cache._entries) < 20
    assert cache.find(("ns", "k999"), 1).row == row(b"x" * 100)
    assert cache.find(("ns", "k0"), 1) is None
    cache.advance(2, [(A, row(b"x" * 20_000))])
    assert cache.find(A, 2) is None
    assert cache._size == 0
