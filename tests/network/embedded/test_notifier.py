import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded import notifier as notifier_module
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.notifier import Notifier, Outcome

VALID = Outcome(ValidationCode.VALID, 1)


def refused(call, *args):
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value.code


def waiting(notifier, count):
    deadline = time.monotonic() + 10
    while notifier._waiting < count:
        assert time.monotonic() < deadline
    return notifier


def test_everyone_who_waits_for_a_transaction_is_told():
    notifier = Notifier(1)
    with ThreadPoolExecutor(6) as pool:
        told = [pool.submit(notifier.wait, tx_id, 10) for tx_id in ("a", "a", "b")]
        waiting(notifier, 3).publish(
            2, [("a", VALID), ("b", VALID._replace(code=ValidationCode.DUPLICATE_TXID))]
        )
        assert [t.result().code for t in told] == [0, 0, 9]
    assert notifier._waiters == {}
    assert notifier._waiting == 0


def test_an_outcome_may_come_before_the_question():
    notifier = Notifier(1)
    notifier.publish(2, [("a", VALID)])
    assert notifier.wait("a", 0) == VALID
    assert notifier.recent("a") == VALID


def test_what_is_not_in_memory_is_looked_up():
    notifier = Notifier(1)
    assert notifier.wait("old", 0, look_up=lambda tx_id: VALID) == VALID
    assert notifier._waiting == 0


def test_time_over():
    notifier = Notifier(1)
    assert refused(notifier.wait, "a", 0) is RefusalCode.NOT_COMMITTED_YET
    assert refused(notifier.wait, "a", -5) is RefusalCode.NOT_COMMITTED_YET
    assert notifier._waiters == {}


def test_stopping_wakes_everyone():
    notifier = Notifier(1)
    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(notifier.wait, "a", 10), pool.submit(notifier.wait_for_height, 9, 10)]
        waiting(notifier, 1).stop("gone")
        for future in told:
            assert isinstance(future.exception(10), Refusal)
            assert future.exception().code is RefusalCode.STOPPED
    assert refused(notifier.wait, "b", 1) is RefusalCode.STOPPED


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(notifier_module, "_MAX_RECENT", 10)
    monkeypatch.setattr(notifier_module, "_MAX_WAITERS", 1)
    notifier = Notifier(1)
    notifier.publish(2, [(str(n), VALID) for n in range(50)])
    assert len(notifier._recent) == 10
    assert notifier.recent("49") == VALID
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(notifier.wait, "x", 10)
        waiting(notifier, 1)
        assert refused(notifier.wait, "y", 10) is RefusalCode.OVERLOADED
        notifier.publish(3, [("x", VALID)])
        assert first.result() == VALID


def test_the_height_is_told():
    notifier = Notifier(3)
    assert notifier.wait_for_height(3, 0) == 3
    assert notifier.wait_for_height(4, 0) == 3
    threading.Timer(0.01, notifier.publish, (4, [])).start()
    assert notifier.wait_for_height(4, 10) == 4
