"""What not every database can hold is refused where it is read: verdicts depend on no database."""

import pytest

from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.kv_messages import MAX_KEY_BYTES, MAX_NAME_BYTES
from fedpact.wire.private_rwsets import decode_private, encode_private
from fedpact.wire.rwset_records import CollectionRwset, HashedWrite, NamespaceRwset, PrivateRwset, Write
from fedpact.wire.rwsets import decode, encode

LONGEST = "é" * (MAX_KEY_BYTES // 2)
NAME = "n" * MAX_NAME_BYTES


def public(
    key: str = "k", namespace: str = "ns", collection: str = "c", key_hash: bytes = b"h" * 32
) -> bytes:
    hashed = CollectionRwset(collection, writes=(HashedWrite(key_hash, b"v"),))
    return encode([NamespaceRwset(namespace, writes=(Write(key, b"v"),), collections=(hashed,))])


def private(key: str = "k", namespace: str = "ns", collection: str = "c") -> bytes:
    return encode_private([PrivateRwset(namespace, collection, (Write(key, b"v"),))])


@pytest.mark.parametrize("change", [{"key": LONGEST}, {"namespace": NAME}, {"collection": NAME}])
def test_the_longest_are_read(change):
    assert decode(public(**change))
    assert decode_private(private(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"key": f"{LONGEST}x"},
        {"namespace": f"{NAME}n"},
        {"namespace": "a\0b"},
        {"collection": f"{NAME}n"},
        {"collection": "a\0b"},
    ],
)
def test_what_is_longer_is_refused(change):
    for read, data in ((decode, public(**change)), (decode_private, private(**change))):
        with pytest.raises(WireError) as caught:
            read(data)
        assert caught.value.code is WireCode.BAD_RWSET


def test_a_hash_that_is_none_is_refused():
    with pytest.raises(WireError) as caught:
        decode(public(key_hash=b"h" * 65))
    assert caught.value.code is WireCode.BAD_RWSET
