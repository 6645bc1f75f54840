"""Frames of the local transport: round trips, and no bytes that crash a decoder."""

from hypothesis import given
from hypothesis import strategies as st

from fedpact.gateway import local_frames
from fedpact.gateway.local_frames import FrameError, Request, decode_reply, decode_request, encode_request
from fedpact.gateway.transport import TransportError


@given(
    st.builds(
        Request,
        st.sampled_from(sorted(local_frames.METHODS)),
        st.integers(0, 2**32 - 1).map(lambda ms: ms / 1000),
        st.binary(),
    )
)
def test_requests_round_trip(request):
    assert decode_request(encode_request(request)) == request


@given(st.binary(max_size=40))
def test_any_request_decodes_or_is_a_frame_error(body):
    try:
        request = decode_request(body)
    except FrameError:
        return
    assert request.method in local_frames.METHODS


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\x01" + tail))
def test_any_reply_decodes_or_is_an_error(body):
    try:
        reply = decode_reply(body)
    except (FrameError, TransportError):
        assert body[:1] != b"\x00"
    else:
        assert body == b"\x00" + reply
