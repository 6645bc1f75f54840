"""Read/write sets against bytes that Fabric's own code made."""

from pathlib import Path

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from hypothesis import given
from hypothesis import strategies as st

from fedpact.wire.errors import WireError
from fedpact.wire.range_digests import FABRIC_MAX_DEGREE, range_digest
from fedpact.wire.rwsets import (
    CollectionRwset,
    HashedMetadataWrite,
    HashedRead,
    HashedWrite,
    MetadataWrite,
    NamespaceRwset,
    PrivateRwset,
    RangeQuery,
    Read,
    Version,
    Write,
    decode,
    decode_private,
    encode,
    encode_private,
    hash_of,
    hashed,
)

LINES = [
    line.split()
    for line in (Path(__file__).parent / "fabric_rwsets.txt").read_text().splitlines()
    if not line.startswith("#")
]
PUBLIC, PRIVATE = (bytes.fromhex(line[1]) for line in LINES if line[0] in ("public", "private"))
DIGESTS = [line[1:] for line in LINES if line[0] == "digest"]
POLICY = (("VALIDATION_PARAMETER", b"policy"),)

SECRETS = PrivateRwset(
    "fedpact",
    "secrets",
    (*(Write(key, b"value of " + key.encode()) for key in "dacb"), Write("gone", None)),
    purges=("burnt",),
    metadata=("a",),
)
TOUCHED = PrivateRwset("fedpact", "touched", (), metadata=("t",))
ANOTHER = PrivateRwset("another", "secrets", (Write("k", b"v"),))


def public_part():
    secrets, touched = hashed(SECRETS), hashed(TOUCHED)
    read = HashedRead(hash_of("read"), Version(3, 4))
    return [
        NamespaceRwset(
            "fedpact",
            (Read("present", Version(7, 2)), Read("absent", None), Read("zero", Version(0, 0))),
            (
                RangeQuery("a", "b", True, (Read("aa", Version(1, 0)),)),
                RangeQuery("x", "", True, ()),
            ),
            (Write("present", b"value"), Write("gone", None)),
            (
                MetadataWrite("present", (("A", b"a"), *POLICY)),
                MetadataWrite("bare", ()),
                MetadataWrite("cleared", (("VALIDATION_PARAMETER", b""),)),
            ),
            (
                CollectionRwset(
                    "touched", (), (), (HashedMetadataWrite(hash_of("t"), POLICY),), touched.private_hash
                ),
                CollectionRwset(
                    "secrets",
                    (HashedRead(hash_of("missing"), None), read),
                    secrets.writes,
                    (HashedMetadataWrite(hash_of("a"), POLICY),),
                    secrets.private_hash,
                ),
                CollectionRwset("looked", (read,)),
            ),
        ),
        NamespaceRwset("another", collections=(hashed(ANOTHER),)),
    ]


def test_the_public_part_is_fabrics_byte_for_byte():
    assert encode(public_part()) == PUBLIC
    assert encode(decode(PUBLIC)) == PUBLIC


def test_the_private_part_is_fabrics_byte_for_byte():
    assert encode_private([TOUCHED, SECRETS, ANOTHER]) == PRIVATE
    assert encode_private(decode_private(PRIVATE)) == PRIVATE


def test_what_fabric_wrote_is_read_without_loss():
    another, fedpact = decode(PUBLIC)
    assert [item.collection for item in fedpact.collections] == ["looked", "secrets", "touched"]
    secrets = fedpact.collections[1]
    assert secrets.reads == (HashedRead(hash_of("missing"), None), HashedRead(hash_of("read"), Version(3, 4)))
    assert [write for write in secrets.writes if write.value_hash is None] == [
        HashedWrite(hash_of("burnt"), None, purge=True),
        HashedWrite(hash_of("gone"), None),
    ]
    assert HashedWrite(hash_of("a"), hash_of(b"value of a")) in secrets.writes
    assert fedpact.metadata[0] == MetadataWrite("bare", ())
    assert another.collections[0].private_hash == hashed(ANOTHER).private_hash


def test_decoded_private_content_has_the_hash_on_the_ledger():
    hashes = {
        (namespace.namespace, item.collection): item.private_hash
        for namespace in decode(PUBLIC)
        for item in namespace.collections
        if item.private_hash
    }
    decoded = decode_private(PRIVATE)
    assert {(item.namespace, item.collection): hashed(item).private_hash for item in decoded} == hashes


@pytest.mark.parametrize(
    ("degree", "number", "expected"), [(int(d), int(n), rest) for d, n, *rest in DIGESTS]
)
def test_long_ranges_have_fabrics_digest(degree, number, expected):
    digest = range_digest((Read(f"key_{i}", Version(1, i)) for i in range(number)), degree)
    if not expected:
        assert digest is None
        return
    level, *nodes = expected
    assert (digest.max_degree, digest.max_level) == (degree, int(level))
    assert [node[:8].hex() for node in digest.hashes] == nodes


def test_a_digest_travels():
    digest = range_digest([Read(f"{i}", None) for i in range(FABRIC_MAX_DEGREE + 1)])
    rwset = NamespaceRwset("n", range_queries=(RangeQuery("", "", True, (), digest),))
    assert digest is not None
    assert decode(encode([rwset])) == (rwset,)


def test_a_digest_needs_a_degree():
    with pytest.raises(ValueError, match="degree"):
        range_digest([], 1)


keys = st.text(min_size=1, max_size=3)
values = st.none() | st.binary(min_size=1, max_size=4)
privates = st.builds(
    lambda namespace, collection, writes, touched: PrivateRwset(
        namespace,
        collection,
        tuple(Write(*item) for item in sorted(writes.items())),
        (),
        tuple(sorted(touched)),
    ),
    st.sampled_from("ab"),
    st.sampled_from("cd"),
    st.dictionaries(keys, values, max_size=4),
    st.sets(keys, max_size=3),
)


@given(st.lists(privates, unique_by=lambda item: (item.namespace, item.collection)))
def test_private_content_round_trip(rwsets):
    ordered = sorted(rwsets, key=lambda item: (item.namespace, item.collection))
    assert decode_private(encode_private(rwsets)) == tuple(ordered)


entries = st.dictionaries(st.text(max_size=3), st.binary(max_size=3), max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
versions = st.none() | st.builds(Version, st.integers(0, 9), st.integers(0, 9))
digests = st.binary(min_size=32, max_size=32)


def _unique(items):
    return st.lists(items, max_size=4, unique_by=lambda item: item.key_hash).map(tuple)


collections = st.lists(
    st.builds(
        CollectionRwset,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
        _unique(st.builds(HashedRead, digests, versions)),
        _unique(st.builds(HashedWrite, digests, st.none() | digests, st.booleans())),
        _unique(st.builds(HashedMetadataWrite, digests, entries)),
        st.just(b"") | digests,
    ),
    max_size=3,
    unique_by=lambda item: item.collection,
).map(lambda found: tuple(sorted(found, key=lambda item: item.collection)))
metadata = st.lists(
    st.builds(MetadataWrite, st.text(max_size=3), entries), max_size=3, unique_by=lambda item: item.key
).map(lambda found: tuple(sorted(found)))


@given(collections, metadata)
def test_hashes_and_metadata_round_trip(collections, metadata):
    rwset = NamespaceRwset("n", metadata=metadata, collections=collections)
    assert decode(encode([rwset])) == (rwset,)


@pytest.mark.parametrize(
    "encoding",
    [
        lambda: encode([NamespaceRwset("n", metadata=(MetadataWrite("k", ()), MetadataWrite("k", POLICY)))]),
        lambda: encode([NamespaceRwset("n", collections=(CollectionRwset("c"), CollectionRwset("c")))]),
        lambda: encode(
            [NamespaceRwset("n", collections=(CollectionRwset("c", writes=(HashedWrite(b"k", None),) * 2),))]
        ),
        lambda: encode_private([ANOTHER, ANOTHER]),
        lambda: encode_private([PrivateRwset("n", "c", (Write("k", b"v"),), purges=("k",))]),
        lambda: encode_private([PrivateRwset("n", "c", (Write("\ud800", b"v"),))]),
        lambda: hashed(PrivateRwset("n", "c", (Write("\ud800", b"v"),))),
    ],
)
def test_repeats_and_broken_text_are_refused(encoding):
    with pytest.raises(WireError, match="BAD_RWSET"):
        encoding()


def test_private_content_is_writes_and_nothing_else():
    for rwset in (
        NamespaceRwset("n", reads=(Read("k", None),)),
        NamespaceRwset("n", range_queries=(RangeQuery("", "", True, ()),)),
        NamespaceRwset("n", metadata=(MetadataWrite("k", POLICY),)),
    ):
        with pytest.raises(WireError, match="more than writes"):
            decode_private(as_private(rwset))


def as_private(rwset):
    message = rwset_pb2.TxReadWriteSet.FromString(encode([rwset]))
    return rwset_pb2.TxPvtReadWriteSet(
        ns_pvt_rwset=[
            rwset_pb2.NsPvtReadWriteSet(
                namespace="n",
                collection_pvt_rwset=[
                    rwset_pb2.CollectionPvtReadWriteSet(collection_name="c", rwset=message.ns_rwset[0].rwset)
                ],
            )
        ]
    ).SerializeToString()


def test_the_hash_of_an_empty_value_removes_as_in_fabric():
    [rwset] = decode(
        encode(
            [
                NamespaceRwset(
                    "n", collections=(CollectionRwset("c", writes=(HashedWrite(b"k" * 32, hash_of(b"")),)),)
                )
            ]
        )
    )
    assert rwset.collections[0].writes == (HashedWrite(b"k" * 32, None),)
