"""Read/write sets: Fabric's encoding, its order."""

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from hypothesis import given
from hypothesis import strategies as st

from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.rwsets import NamespaceRwset, RangeQuery, Read, Version, Write, decode, encode

SAMPLE = NamespaceRwset(
    "fedpact",
    (Read("absent", None), Read("present", Version(7, 2)), Read("zero", Version(0, 0))),
    (RangeQuery("a", "b", True, (Read("aa", Version(1, 0)),)), RangeQuery("", "", False, ())),
    (Write("gone", None), Write("present", b"value")),
)

u64 = st.integers(0, 2**64 - 1)
reads = st.builds(Read, st.text(), st.none() | st.builds(Version, u64, u64))
writes = st.builds(Write, st.text(), st.none() | st.binary(min_size=1))
queries = st.builds(RangeQuery, st.text(), st.text(), st.booleans(), st.lists(reads, max_size=3).map(tuple))


def _unique(items):
    return st.lists(items, max_size=5, unique_by=lambda item: item.key).map(tuple)


namespaces = st.lists(
    st.builds(
        NamespaceRwset,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
        _unique(reads),
        st.lists(queries, max_size=2).map(tuple),
        _unique(writes),
    ),
    max_size=3,
    unique_by=lambda rwset: rwset.namespace,
)


def by_hand(**fields):
    kv = kv_rwset_pb2.KVRWSet(**fields).SerializeToString()
    entry = rwset_pb2.NsReadWriteSet(namespace="fedpact", rwset=kv)
    return rwset_pb2.TxReadWriteSet(ns_rwset=[entry])


def test_encoding_is_fabrics():
    version = kv_rwset_pb2.Version
    read = kv_rwset_pb2.KVRead
    expected = by_hand(
        reads=[
            read(key="absent"),
            read(key="present", version=version(block_num=7, tx_num=2)),
            read(key="zero", version=version()),
        ],
        range_queries_info=[
            kv_rwset_pb2.RangeQueryInfo(
                start_key="a",
                end_key="b",
                itr_exhausted=True,
                raw_reads=kv_rwset_pb2.QueryReads(kv_reads=[read(key="aa", version=version(block_num=1))]),
            ),
            kv_rwset_pb2.RangeQueryInfo(),
        ],
        writes=[
            kv_rwset_pb2.KVWrite(key="gone", is_delete=True),
            kv_rwset_pb2.KVWrite(key="present", value=b"value"),
        ],
    ).SerializeToString()
    assert encode([SAMPLE]) == expected
    assert decode(expected) == (SAMPLE,)


@given(namespaces)
def test_decode_inverts_encode_up_to_order(rwsets):
    decoded = decode(encode(rwsets))
    assert list(decoded) == [
        NamespaceRwset(
            item.namespace,
            tuple(sorted(item.reads, key=lambda read: read.key)),
            item.range_queries,
            tuple(sorted(item.writes, key=lambda write: write.key)),
        )
        for item in sorted(rwsets, key=lambda rwset: rwset.namespace)
    ]


@given(namespaces)
def test_encoding_does_not_depend_on_the_order_given(rwsets):
    turned = [
        NamespaceRwset(item.namespace, item.reads[::-1], item.range_queries, item.writes[::-1])
        for item in reversed(rwsets)
    ]
    assert encode(turned) == encode(rwsets)


def test_keys_are_ordered_by_their_utf8_bytes():
    keys = ["\U00010000", "\uffff", "a", "\x00b", "\x7f", "é"]
    decoded = decode(encode([NamespaceRwset("n", writes=tuple(Write(key, b"1") for key in keys))]))
    assert [write.key for write in decoded[0].writes] == sorted(keys, key=str.encode)


def test_an_empty_value_removes_the_key_as_in_fabric():
    encoded = encode([NamespaceRwset("n", writes=(Write("k", b""),))])
    assert decode(encoded)[0].writes == (Write("k", None),)
    odd = by_hand(writes=[kv_rwset_pb2.KVWrite(key="k", value=b"")]).SerializeToString()
    assert decode(odd)[0].writes == (Write("k", None),)


def test_version_zero_is_not_absence():
    encoded = encode([NamespaceRwset("n", (Read("k", Version(0, 0)),))])
    assert decode(encoded)[0].reads == (Read("k", Version(0, 0)),)


@pytest.mark.parametrize(
    "rwsets",
    [
        [NamespaceRwset("n"), NamespaceRwset("n")],
        [NamespaceRwset("n", reads=(Read("k", None), Read("k", Version(1, 1))))],
        [NamespaceRwset("n", writes=(Write("k", b"1"), Write("k", b"2")))],
        [NamespaceRwset("n", writes=(Write("\ud800", b"1"),))],
        [NamespaceRwset("\ud800")],
    ],
)
def test_encode_refuses_repeats_and_broken_text(rwsets):
    with pytest.raises(WireError) as caught:
        encode(rwsets)
    assert caught.value.code is WireCode.BAD_RWSET


@pytest.mark.parametrize(
    ("rwset", "code"),
    [
        (
            by_hand(
                range_queries_info=[
                    kv_rwset_pb2.RangeQueryInfo(
                        reads_merkle_hashes=kv_rwset_pb2.QueryReadsMerkleSummary(max_degree=1)
                    )
                ]
            ),
            WireCode.BAD_RWSET,
        ),
        (rwset_pb2.TxReadWriteSet(ns_rwset=[rwset_pb2.NsReadWriteSet(rwset=b"\xff")]), WireCode.BAD_RWSET),
        (rwset_pb2.TxReadWriteSet(data_model=1), WireCode.BAD_RWSET),
    ],
)
def test_decode_refuses_what_it_does_not_carry(rwset, code):
    with pytest.raises(WireError) as caught:
        decode(rwset.SerializeToString())
    assert caught.value.code is code
