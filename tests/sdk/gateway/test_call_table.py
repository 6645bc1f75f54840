"""Batched calls without I/O: numbers, batches, replies in any order."""

import pytest

from fedpact.gateway.call_table import CallTable
from fedpact.gateway.local_frames import (
    MAX_FRAME_BYTES,
    FrameError,
    decode_calls,
    decode_reply,
    decode_request,
    encode_call,
    encode_reply,
)
from fedpact.gateway.transport import Status, TransportError


def test_calls_that_wait_become_one_message():
    table = CallTable()
    numbers = [table.add("evaluate", b"one", 1.5, "A"), table.add("submit", b"two", 2.0, "B")]
    calls = decode_calls(table.batch())
    assert [number for number, _ in calls] == numbers
    assert [decode_request(body) for _, body in calls] == [
        ("evaluate", 1.5, b"one"),
        ("submit", 2.0, b"two"),
    ]
    assert not table.has_outgoing


def test_replies_find_their_waiters_in_any_order():
    table = CallTable()
    first, second, third = (table.add("evaluate", b"", 1.0, name) for name in "ABC")
    table.forget(second)
    message = b"".join(encode_call(number, encode_reply(b"%d" % number)) for number in (third, second, first))
    found = [(waiter, decode_reply(body)) for waiter, body in table.replies(message)]
    assert found == [("C", b"3"), ("A", b"1")]
    assert table.replies(message) == []


def test_a_message_is_bounded_but_holds_at_least_one_call():
    table = CallTable()
    for size in (10, 3 << 20, 10, 10):
        table.add("submit", bytes(size), 1.0, size)
    sizes = []
    while table.has_outgoing:
        sizes.append([len(decode_request(body).message) for _, body in decode_calls(table.batch())])
    assert sizes == [[10], [3 << 20], [10, 10]]


def test_too_long_a_request_is_refused_and_not_sent():
    table = CallTable()
    with pytest.raises(TransportError) as caught:
        table.add("submit", bytes(MAX_FRAME_BYTES), 1.0, "A")
    assert caught.value.status is Status.INVALID_ARGUMENT
    assert not table.has_outgoing
    assert table.drop() == []


def test_dropping_gives_all_waiters_back():
    table = CallTable()
    for name in "AB":
        table.add("evaluate", b"", 1.0, name)
    assert table.drop() == ["A", "B"]
    assert not table.has_outgoing


@pytest.mark.parametrize(
    "message", [b"\x00", b"\x00" * 11, encode_call(1, b"xy")[:-1], b"\xff\xff\xff\xff" + bytes(20)]
)
def test_a_garbled_message_breaks_the_stream(message):
    with pytest.raises(FrameError):
        decode_calls(message)
    with pytest.raises(TransportError) as caught:
        CallTable().replies(message)
    assert caught.value.status is Status.UNAVAILABLE
