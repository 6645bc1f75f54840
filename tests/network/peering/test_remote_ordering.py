"""Envelopes on their way to an orderer elsewhere: what is known of them, and what is kept."""

from __future__ import annotations

import tracemalloc

import pytest

from fedpact.gateway.addresses import parse_address
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.submission import Submission
from fedpact_network.peering import broadcasting
from fedpact_network.peering.broadcasting import Broadcaster
from fedpact_network.peering.remote_orderer import RemoteOrderer


@pytest.fixture
def broadcaster(monkeypatch):
    monkeypatch.setattr(broadcasting, "_WAIT_S", 0.0)
    made = Broadcaster(parse_address("grpc://127.0.0.1:1,127.0.0.1:2"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([RefusalCode.ACCESS_DENIED], RefusalCode.ACCESS_DENIED),
        (["no answer", RefusalCode.ACCESS_DENIED], RefusalCode.ORDERERS_FAILED),
        (["no answer", "no answer", RefusalCode.MALFORMED], RefusalCode.ORDERERS_FAILED),
    ],
)
def test_a_refusal_after_no_answer_does_not_tell(broadcaster, monkeypatch, answers, code):
    """Who gave no answer may have ordered it."""
    left = list(answers)

    def attempt(self, index, envelope):
        answer = left.pop(0)
        if isinstance(answer, RefusalCode):
            raise Refusal(answer, "refused")
        return answer

    monkeypatch.setattr(Broadcaster, "_try", attempt)
    with pytest.raises(Refusal) as caught:
        broadcaster.send(b"envelope")
    assert caught.value.code is code
    assert left == []


def test_what_no_orderer_takes_is_not_kept_in_memory():
    class Down:
        def send(self, envelope):
            raise Refusal(RefusalCode.ORDERERS_FAILED, "no orderer takes transactions")

    orderer = RemoteOrderer(Down(), None, 1)
    tracemalloc.start()
    try:
        for number in range(50):
            envelope = bytes([number]) * (1 << 20)
            with pytest.raises(Refusal):
                orderer.submit(Submission(envelope, None, f"{number}"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5 << 20
    assert orderer.holds("7")
    with pytest.raises(Refusal) as caught:
        orderer.submit(Submission(b"another", None, "7"))
    assert caught.value.code is RefusalCode.DUPLICATE
