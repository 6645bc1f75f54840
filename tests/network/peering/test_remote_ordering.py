"""Envelopes on their way to an orderer elsewhere: what is known of them, and what is kept."""

from __future__ import annotations

import pytest

from fedpact.gateway.addresses import parse_address
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.peering import broadcasting
from fedpact_network.peering.broadcasting import Broadcaster


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
