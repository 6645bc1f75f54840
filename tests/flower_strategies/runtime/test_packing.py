"""Packed messages and frames against Flower's own wire format."""

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.serde import array_record_to_proto, message_from_proto, message_to_proto
from hypothesis import given
from hypothesis import strategies as st

from fedpact_flower.runtime import flower_internals as flower
from fedpact_flower.runtime import frames
from fedpact_flower.runtime.packing import PackedMessage, PackedReply, Packer, Shelf, digest_of

_NAMES = st.text(max_size=6)
_INTEGERS = st.integers(-(2**63), 2**64 - 1)
_FLOATS = st.floats(allow_nan=False)
_ARRAYS = st.builds(
    lambda kind, shape: Array(np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)),
    st.sampled_from(["float32", "float64", "int8", "bool", "complex64"]),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
)
_ARRAY_RECORDS = st.builds(ArrayRecord, st.dictionaries(_NAMES, _ARRAYS, max_size=3))
_METRICS = st.builds(MetricRecord, st.dictionaries(_NAMES, st.one_of(_INTEGERS, _FLOATS), max_size=3))
_SETTINGS = st.one_of(st.booleans(), _FLOATS, st.text(), st.binary(), st.lists(st.booleans(), max_size=3))
_CONFIGS = st.builds(ConfigRecord, st.dictionaries(_NAMES, _SETTINGS, max_size=3))
_CONTENTS = st.builds(
    RecordDict, st.dictionaries(_NAMES, st.one_of(_ARRAY_RECORDS, _METRICS, _CONFIGS), max_size=5)
)


@pytest.fixture(autouse=True, scope="module")
def _identity() -> None:
    flower.adopt_server_identity()


def _message(content: RecordDict) -> Message:
    message = Message(content, 101, "query.anything", group_id="9")
    flower.stamp(message, "1-1")
    return message


@given(_CONTENTS)
def test_a_packed_message_arrives_as_flowers_own_would(content):
    message = _message(content)
    packer, shelf = Packer(), Shelf()
    packed = frames.read_call(frames.call_frame(packer.pack(message))[1:])
    for digest in packed.digests:
        shelf.put(digest, flower.decode_arrays(packer.payload(digest)))
    arrived = shelf.unpack(packed)
    expected = message_from_proto(message_to_proto(message))
    assert arrived.content == expected.content
    assert list(arrived.content) == list(expected.content), "the order of the records"
    assert arrived.metadata == expected.metadata


@given(_ARRAY_RECORDS)
def test_arrays_are_encoded_as_flower_encodes_them(record):
    assert flower.encode_arrays(record) == array_record_to_proto(record).SerializeToString()
    assert flower.decode_arrays(flower.encode_arrays(record)) == record


@given(_ARRAY_RECORDS, _ARRAY_RECORDS)
def test_digests_agree_exactly_when_the_encodings_do(left, right):
    same = flower.encode_arrays(left) == flower.encode_arrays(right)
    assert (digest_of(left) == digest_of(right)) == same


def test_a_digest_covers_each_property_and_the_order():
    array = Array("float32", (2,), "numpy.ndarray", b"abcd")
    variants = [
        {"a": array, "b": array},
        {"b": array, "a": array},
        {"a": array},
        {"a": Array("float64", (2,), "numpy.ndarray", b"abcd")},
        {"a": Array("float32", (2, 1), "numpy.ndarray", b"abcd")},
        {"a": Array("float32", (2,), "torch", b"abcd")},
        {"a": Array("float32", (2,), "numpy.ndarray", b"abc")},
        {},
    ]
    assert len({digest_of(ArrayRecord(dict(variant))) for variant in variants}) == len(variants)


def test_equal_records_share_one_payload():
    packer = Packer()
    records = [ArrayRecord([np.arange(4)]) for _ in range(2)]
    first, second = (packer.pack(_message(RecordDict({"model": record}))) for record in records)
    assert first.digests == second.digests
    assert packer.payload(first.digests[0]) is packer.payload(second.digests[0])


def test_a_shelf_keeps_what_it_is_told():
    shelf = Shelf()
    for digest in (b"a", b"b", b"c"):
        shelf.put(digest, ArrayRecord())
    shelf.keep([b"b", b"z"])
    assert shelf.digests == {b"b"}
    shelf.keep([])
    with pytest.raises(KeyError):
        shelf.unpack(PackedMessage("1-1", 101, _message(RecordDict()).metadata.message_id.encode(), (b"b",)))


@given(st.binary(), st.lists(st.binary(), max_size=3))
def test_reply_frames_round_trip(rest, arrays):
    assert frames.read_reply(frames.reply_frame(PackedReply(rest, tuple(arrays)))) == (len(arrays), rest)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=3))
def test_keep_frames_round_trip(digests):
    frame = frames.keep_frame(digests)
    assert frame[:1] == frames.KEEP
    assert frames.read_digests(frame[1:]) == digests


def test_too_few_or_too_many_arrays_are_refused():
    rest, records = flower.split_message(_message(RecordDict({"model": ArrayRecord([np.arange(4)])})))
    for wrong in ([], records * 2):
        with pytest.raises(ValueError, match="zip"):
            flower.join_message(rest, wrong)
