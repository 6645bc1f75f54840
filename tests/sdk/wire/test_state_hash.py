import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.wire.rwsets import Row, Version
from fedpact.wire.state_hash import (
    RESIDUE_BYTES,
    StateHash,
    digest_of_residue,
    digests_of,
    elements_of,
    state_hash_of,
)

PRIME = 2**3072 - 1103717
ROWS = [("ns", f"k{n}", bytes([n]) * n) for n in range(20)]


def by_definition(rows):
    """The product of all elements, written down plainly."""
    product = 1
    for namespace, key, value in rows:
        data = len(namespace).to_bytes(4, "big") + namespace.encode()
        data += len(key).to_bytes(4, "big") + key.encode() + value
        product = product * int.from_bytes(hashlib.shake_256(data).digest(384), "little") % PRIME
    return hashlib.sha256(product.to_bytes(384, "little")).hexdigest()


def test_it_is_the_product_of_all_rows():
    assert state_hash_of(ROWS) == by_definition(ROWS)


def test_golden_values():
    """These bytes are part of the format: ledgers that exist hold them."""
    assert state_hash_of([]) == "c85525462fdcf30a2c18d6f4b92923000974355c2477f59594d2c205a1d25add"
    assert (
        state_hash_of([("fedpact", "key", b"value")])
        == "03f558e33377421a48844a513a862c66c5b6fe8fe19b063f538fd7718990f3d5"
    )


def test_order_does_not_matter():
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert state_hash_of(shuffled) == state_hash_of(ROWS)


def test_every_part_of_a_row_matters():
    hashes = {
        state_hash_of(rows)
        for rows in (
            [],
            [("a", "b", b"c")],
            [("ab", "", b"c")],
            [("a", "bc", b"")],
            [("", "ab", b"c")],
            [("a", "b", b"d")],
            [("a", "b", b"c"), ("a", "b2", b"c")],
        )
    }
    assert len(hashes) == 7


def test_what_leaves_is_as_if_it_had_never_been():
    state = StateHash()
    for row in ROWS:
        state.add(*row)
    for row in ROWS[10:]:
        state.remove(*row)
    assert state.digest().hex() == state_hash_of(ROWS[:10])
    for row in ROWS[:10]:
        state.remove(*row)
    assert state.digest() == StateHash().digest()


def test_it_goes_on_from_its_residue():
    state = StateHash()
    for row in ROWS[:10]:
        state.add(*row)
    residue = state.residue()
    assert len(residue) == RESIDUE_BYTES
    assert digest_of_residue(residue).hex() == state_hash_of(ROWS[:10])
    resumed = StateHash(residue)
    for row in ROWS[10:]:
        resumed.add(*row)
    assert resumed.digest().hex() == state_hash_of(ROWS)


@pytest.mark.parametrize(
    "residue", [b"", b"\x01" * 383, bytes(384), PRIME.to_bytes(384, "little"), b"\xff" * 384]
)
def test_what_is_no_residue_is_refused(residue):
    with pytest.raises(ValueError, match="residue"):
        StateHash(residue)


KEYS = st.sampled_from(["a", "b", "c", "\x00x\x00"])


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.one_of(st.none(), st.binary(min_size=1, max_size=4)))))
def test_any_order_of_writes_and_removals_ends_at_the_hash_of_what_is_left(steps):
    state, rows = StateHash(), {}
    for key, value in steps:
        if key in rows:
            state.remove("ns", key, rows.pop(key))
        if value is not None:
            state.add("ns", key, value)
            rows[key] = value
        if value == b"\x00":
            state = StateHash(state.residue())
    assert state.digest().hex() == by_definition([("ns", key, value) for key, value in rows.items()])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=3)), max_size=8))
def test_hashes_computed_together_are_those_computed_one_by_one(changes):
    together, single = StateHash(), StateHash()
    marks, expected = [], []
    for adds, value in changes:
        for state in (together, single):
            (state.add if adds else state.remove)("ns", "key", value)
        marks.append(together.mark())
        expected.append(single.digest())
    assert digests_of(marks) == expected


ROW_STEPS = st.lists(
    st.tuples(KEYS, st.none() | st.tuples(st.binary(min_size=1, max_size=2), st.binary(max_size=2)))
)


@settings(deadline=None)
@given(ROW_STEPS)
def test_metadata_count_as_rows_of_their_own(steps):
    state, rows = StateHash(), {}
    for number, (key, content) in enumerate(steps):
        new = None if content is None else Row(content[0], Version(number, 0), content[1])
        state.replace("ns", key, rows.pop(key, None), new)
        if new is not None:
            rows[key] = new
    expected = [("ns", key, row.value) for key, row in rows.items()]
    expected += [("ns$$m", key, row.metadata) for key, row in rows.items() if row.metadata]
    assert state.digest().hex() == by_definition(expected)
    assert state_hash_of(
        e for key, row in rows.items() for e in elements_of("ns", key, row)
    ) == by_definition(expected)
