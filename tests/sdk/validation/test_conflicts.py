"""The version checks against a second implementation: executing the transaction again must read the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.validation.conflicts import conflict
from fedpact.validation.state_update import StateUpdate
from fedpact.wire.commits import ValidationCode
from fedpact.wire.range_digests import range_digest
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Row, Version, Write

KEYS = ["a", "b", "c", "d"]
KEY = st.sampled_from(KEYS)


class Rows(dict):
    """Committed rows in memory."""

    def get(self, namespace, key):
        return dict.get(self, key)

    def scan(self, namespace, start, end):
        return ((key, self[key]) for key in sorted(self) if start <= key and (not end or key < end))


def simulate(rows, gets, scans, writes):
    """Execute a transaction on some rows: what it reads, and what it wants to write."""
    reads = tuple(Read(key, rows[key].version if key in rows else None) for key in gets)
    queries = []
    for start, end, limit in scans:
        found = [Read(key, row.version) for key, row in rows.scan("ns", start, end)]
        if limit == 0:
            continue
        if limit is None or limit >= len(found):
            queries.append(RangeQuery(start, end, True, tuple(found)))
        else:
            queries.append(RangeQuery(start, found[limit - 1].key, False, tuple(found[:limit])))
    return NamespaceRwset("ns", reads, tuple(queries), tuple(Write(*write) for write in writes.items()))


def reads_the_same(rows, scans, rwset):
    """Whether every recorded scan would yield the same again, as far as it went."""
    wanted = [scan for scan in scans if scan[2] != 0]
    for (start, end, _), query in zip(wanted, rwset.range_queries, strict=True):
        found = [Read(key, row.version) for key, row in rows.scan("ns", start, end)]
        if not query.exhausted:
            found = found[: len(query.reads)]
        if tuple(found) != query.reads:
            return False
    return True


GETS = st.lists(KEY, max_size=2, unique=True)
SCANS = st.lists(
    st.tuples(KEY, st.one_of(st.just(""), KEY), st.one_of(st.none(), st.integers(0, 3))), max_size=2
)
WRITES = st.dictionaries(KEY, st.one_of(st.none(), st.sampled_from([b"1", b"2"])), max_size=2)
TRANSACTION = st.tuples(GETS, SCANS, WRITES)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(TRANSACTION, st.integers(0, 2), st.booleans()), max_size=12))
def test_a_transaction_is_valid_exactly_if_it_would_read_the_same_again(steps):
    """Each step simulates on a state up to two blocks old and may end the block."""
    states = [Rows()]
    pending = []
    for transaction, age, ends in steps:
        base = states[max(0, len(states) - 1 - age)]
        pending.append((transaction, simulate(base, *transaction)))
        if not ends:
            continue
        number = len(states)
        committed = states[-1]
        block = StateUpdate(committed, number)
        model = Rows(committed)
        for position, (calls, rwset) in enumerate(pending):
            verdict = conflict([rwset], committed, block)
            now = simulate(model, *calls)
            # One difference: Fabric asks whether the block touched a key that was read, not how.
            touched = any(("ns", read.key) in block.updates for read in rwset.reads)
            stale = touched or now.reads != rwset.reads
            assert (verdict is ValidationCode.MVCC_READ_CONFLICT) == stale
            if not stale:
                same = reads_the_same(model, calls[1], rwset)
                assert verdict is (ValidationCode.VALID if same else ValidationCode.PHANTOM_READ_CONFLICT)
            if verdict is ValidationCode.VALID:
                block.apply([rwset], position)
                for key, value in rwset.writes:
                    if value is None:
                        model.pop(key, None)
                    else:
                        model[key] = Row(value, Version(number, position))
        left = {key: Row(u.value, u.version) for (_, key), u in block.updates.items() if u.value is not None}
        removed = {key for (_, key), u in block.updates.items() if u.value is None}
        assert {**{k: r for k, r in committed.items() if k not in removed}, **left} == model
        states.append(model)
        pending = []


def check(block, committed, **parts):
    namespace = parts.pop("namespace", "ns")
    return conflict([NamespaceRwset(namespace, **parts)], committed, block)


def test_a_key_that_was_absent_and_that_the_block_removed_conflicts_as_in_fabric():
    rows = Rows()
    block = StateUpdate(rows, 1)
    block.apply([NamespaceRwset("ns", writes=(Write("a", None),))], 0)
    assert check(block, rows, reads=(Read("a", None),)) is ValidationCode.MVCC_READ_CONFLICT


def test_namespaces_are_apart():
    rows = Rows()
    block = StateUpdate(rows, 1)
    block.apply([NamespaceRwset("one", writes=(Write("a", b"1"),))], 0)
    assert check(block, rows, namespace="other", reads=(Read("a", None),)) is ValidationCode.VALID
    query = RangeQuery("a", "b", True, ())
    assert check(block, rows, namespace="other", range_queries=(query,)) is ValidationCode.VALID
    verdict = check(block, rows, namespace="one", range_queries=(query,))
    assert verdict is ValidationCode.PHANTOM_READ_CONFLICT


@given(
    st.sets(st.integers(0, 40)),
    st.integers(2, 4),
    st.dictionaries(st.integers(0, 40), st.sampled_from([b"x", None]), max_size=2),
)
def test_a_hashed_range_is_judged_as_the_same_range_in_full(present, degree, changed):
    rows = Rows({f"k{n:02}": Row(b"v", Version(1, n)) for n in present})
    reads = tuple(Read(key, row.version) for key, row in sorted(rows.items()))
    digest = range_digest(reads, degree)
    block = StateUpdate(rows, 2)
    block.apply([NamespaceRwset("ns", writes=tuple(Write(f"k{n:02}", v) for n, v in changed.items()))], 0)
    full = check(block, rows, range_queries=(RangeQuery("k", "l", True, reads),))
    if digest is not None:
        assert check(block, rows, range_queries=(RangeQuery("k", "l", True, (), digest),)) is full
    elif reads:
        rows.clear()  # a digest that stands for another range
        other = range_digest([Read(f"x{n}", None) for n in range(9)], degree)
        verdict = check(StateUpdate(rows, 2), rows, range_queries=(RangeQuery("k", "l", True, (), other),))
        assert verdict is ValidationCode.PHANTOM_READ_CONFLICT
