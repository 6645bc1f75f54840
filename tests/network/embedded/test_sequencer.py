"""The node's own orderer, with its thread."""

import threading
from itertools import chain

import pytest

from fedpact.wire.config import BatchRules
from fedpact.wire.envelopes import ParsedTransaction
from fedpact_network.embedded import orderer as orderer_module
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.orderer import Sequencer
from fedpact_network.embedded.submission import Submission


def named(name):
    """A submission that is known by a name."""
    return Submission(name.encode(), None, tx_id=name)


def run(rules, names):
    """Submit all, then let the blocks be cut; return them."""
    blocks, sequencer = [], Sequencer(rules)
    for name in names:
        sequencer.submit(named(name))
    sequencer.start(lambda batch: blocks.append([s.tx_id for s in batch]))
    sequencer.close()
    return blocks


def test_first_come_first_served():
    names = [f"t{n}" for n in range(100)]
    assert list(chain.from_iterable(run(BatchRules(), names))) == names


def test_blocks_are_cut_by_count():
    blocks = run(BatchRules(max_messages=7), [f"t{n}" for n in range(50)])
    assert max(map(len, blocks)) == 7
    assert sum(map(len, blocks)) == 50


def test_blocks_are_cut_by_bytes():
    names = [f"{n:0100d}" for n in range(40)]
    blocks = run(BatchRules(max_bytes=450, absolute_max_bytes=1000), names)
    assert max(map(len, blocks)) == 4
    assert list(chain.from_iterable(blocks)) == names


def test_blocks_are_cut_by_time():
    """One of two clients stays away: the other one's transaction goes after the time of the rules."""
    delivered = threading.Semaphore(0)
    sequencer = Sequencer(BatchRules(timeout_ms=30))
    sequencer.submit(named("a"))
    sequencer.submit(named("b"))
    sequencer.start(lambda batch: [delivered.release() for _ in batch])
    assert all(delivered.acquire(timeout=10) for _ in range(2))
    sequencer.submit(named("c"))
    assert delivered.acquire(timeout=10)
    sequencer.close()


def test_it_holds_what_is_not_committed_yet():
    entered, leave = threading.Event(), threading.Event()

    def deliver(batch):
        entered.set()
        leave.wait(10)

    sequencer = Sequencer(BatchRules())
    sequencer.start(deliver)
    sequencer.submit(named("a"))
    assert entered.wait(10)
    assert sequencer.holds("a")
    leave.set()
    sequencer.close()
    assert not sequencer.holds("a")


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(orderer_module, "_MAX_WAITING", 3)
    sequencer = Sequencer(BatchRules())
    for n in range(3):
        sequencer.submit(named(f"t{n}"))
    with pytest.raises(Refusal) as caught:
        sequencer.submit(named("t3"))
    assert caught.value.code is RefusalCode.OVERLOADED
    sequencer.submit(named("t2"))  # taken already


def test_after_a_failure_of_the_block_stage_nothing_is_taken(caplog):
    failed = threading.Event()

    def deliver(batch):
        failed.set()
        raise OSError("disk full")

    sequencer = Sequencer(BatchRules())
    sequencer.start(deliver)
    sequencer.submit(named("a"))
    assert failed.wait(10)
    sequencer._thread.join(10)
    with pytest.raises(Refusal) as caught:
        sequencer.submit(named("b"))
    assert caught.value.code is RefusalCode.STOPPED
    assert "disk full" in caplog.text
    sequencer.close()


def test_closed_it_takes_nothing():
    sequencer = Sequencer(BatchRules())
    sequencer.start(lambda batch: None)
    sequencer.close()
    sequencer.close()
    with pytest.raises(Refusal) as caught:
        sequencer.submit(named("a"))
    assert caught.value.code is RefusalCode.STOPPED


def test_a_malformed_submission_has_no_transaction():
    submission = Submission.read(b"\xff")
    assert submission.transaction is None
    assert submission.tx_id == ""
    assert submission.error is not None
    assert not isinstance(submission.transaction, ParsedTransaction)
