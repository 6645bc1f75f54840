"""Private write sets between endorsement and commit."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from fedpact.wire.commits import ValidationCode
from fedpact.wire.rwsets import PrivateRwset, Write
from fedpact_network.embedded import transient_store
from fedpact_network.embedded.errors import Refusal, RefusalCode
from fedpact_network.embedded.notifier import Outcome
from fedpact_network.embedded.recovery import found
from fedpact_network.embedded.schema import TRANSIENT
from fedpact_network.embedded.sites import find_site
from fedpact_network.embedded.store import Store
from fedpact_network.embedded.transient_store import KEPT_BLOCKS, TransientStore

DONE = Outcome(ValidationCode.VALID, 1)


def secret(value="v" * 100):
    return (PrivateRwset("kv", "secrets", (Write("k", value.encode()),)),)


@pytest.fixture
def store(world):
    store = Store(find_site(world.url).create())
    found(store, world.config)
    yield store
    store.close()


@pytest.fixture
def transient(store):
    transient = TransientStore(store.connection(), limit_bytes=1_000)
    yield transient
    transient.close()


def kept(store):
    with store.connection() as connection:
        return set(connection.execute(select(TRANSIENT.c.tx_id)).scalars())


def test_what_is_kept_is_found_after_a_restart(store, transient):
    transient.keep("a", secret(), 1)
    assert transient.find("a") == secret()
    again = TransientStore(store.connection())
    assert again.find("a") == secret()
    assert again.find("b") == ()
    again.close()


def test_different_sets_of_a_transaction_stand_beside_each_other(transient):
    for value in ("one", "two", "one"):
        transient.keep("a", secret(value), 1)
    assert len(transient.find("a")) == 2
    assert set(transient.find("a")) == {*secret("one"), *secret("two")}


def test_what_is_committed_goes_with_the_next_that_comes(store, transient):
    transient.keep("a", secret(), 1)
    transient.committed(2, [("a", DONE), ("unknown", DONE)])
    assert kept(store) == {"a"}
    transient.keep("b", secret(), 2)
    assert kept(store) == {"b"}


def test_it_is_bounded_and_room_comes_with_commits(store, transient):
    for number in range(6):
        transient.keep(f"{number}", secret(), 1)
    with pytest.raises(Refusal) as caught:
        for number in range(6, 12):
            transient.keep(f"{number}", secret(), 1)
    assert caught.value.code is RefusalCode.OVERLOADED
    before = kept(store)
    transient.committed(2, [(tx_id, DONE) for tx_id in before])
    transient.keep("new", secret(), 2)
    assert kept(store) == {"new"}


def test_the_same_once_more_takes_no_room(store, transient):
    for _ in range(50):
        transient.keep("a", secret(), 1)
    assert len(transient.find("a")) == 1
    transient.keep("b", secret(), 1)
    assert kept(store) == {"a", "b"}


def test_transactions_are_counted_however_small(transient, monkeypatch):
    monkeypatch.setattr(transient_store, "MAX_TRANSACTIONS", 2)
    for tx_id in ("a", "b", "a"):
        transient.keep(tx_id, secret("" if tx_id == "b" else "v"), 1)
    with pytest.raises(Refusal) as caught:
        transient.keep("c", secret(""), 1)
    assert caught.value.code is RefusalCode.OVERLOADED
    transient.committed(2, [("a", DONE)])
    transient.keep("c", secret(""), 2)


def test_what_never_comes_is_dropped_after_many_blocks(store, transient):
    transient.keep("never", secret(), 5)
    transient.keep("a", secret(), 5 + KEPT_BLOCKS)
    assert kept(store) == {"never", "a"}
    transient.keep("b", secret(), 6 + KEPT_BLOCKS)
    assert kept(store) == {"a", "b"}


def test_what_was_given_up_and_is_endorsed_again_waits_anew(store, transient):
    transient.keep("a", secret(), 1)
    transient.keep("a", secret(), 2 + KEPT_BLOCKS)
    transient.keep("b", secret(), 2 + KEPT_BLOCKS)
    assert kept(store) == {"a", "b"}
    assert transient.find("a") == secret()


def test_what_is_committed_can_go_at_once(store, transient):
    transient.keep("a", secret(), 1)
    transient.keep("b", secret(), 1)
    transient.forget()
    assert kept(store) == {"a", "b"}
    transient.committed(2, [("a", DONE)])
    transient.forget()
    assert kept(store) == {"b"}
