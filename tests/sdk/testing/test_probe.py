"""The suite's chaincode on a ledger in memory: what private data, pages and policies of keys do there."""

import hashlib

import pytest

from fedpact.identity import CertificateAuthority
from fedpact.testing import probe
from fedpact.testing.probe import keys, secrets
from fedpact_chaincode.errors import COLLECTION_FORBIDDEN, MALFORMED_MESSAGE, READS_WITHOUT_PROTECTION
from fedpact_chaincode.key_policies import endorsed_by
from fedpact_chaincode.memory_stub import MemoryCollection
from fedpact_chaincode.testing import MemoryLedger, refused

PLACE = secrets.Place(collection="safe", key="k")


@pytest.fixture(scope="module")
def people():
    return {
        name: CertificateAuthority.create(name, name).issue("alice", role="member").creator
        for name in ("AlphaMSP", "BetaMSP")
    }


@pytest.fixture
def alice(people):
    return people["AlphaMSP"]


@pytest.fixture
def ledger():
    safe = MemoryCollection(frozenset({"AlphaMSP"}), member_only_read=True)
    return MemoryLedger(probe.chaincode(), collections={"safe": safe})


def put(ledger, creator, value):
    ledger.submit(creator, "secrets:put", PLACE, {secrets.VALUE: value})


def asked(ledger, creator, function, message=PLACE):
    return ledger.ask(creator, f"secrets:{function}", message, secrets.Found).value


def test_private_values(ledger, alice):
    put(ledger, alice, b"v")
    digest = hashlib.sha256(b"v").hexdigest()
    assert [asked(ledger, alice, function) for function in ("read", "digest")] == ["v", digest]
    ledger.submit(alice, "secrets:copy", PLACE)
    span = secrets.PrivateSpan(collection="safe")
    assert ledger.ask(alice, "secrets:span", span, probe.cells.Rows).rows == [("k", "v"), ("k'", "v")]
    ledger.submit(alice, "secrets:publish", PLACE)
    assert ledger.state["k"].decode() == digest
    ledger.submit(alice, "secrets:remove", PLACE)
    ledger.submit(alice, "secrets:purge", secrets.Place(collection="safe", key="k'"))
    assert (ledger.private, ledger.hashes) == ({}, {})
    ledger.submit(alice, "secrets:publish", PLACE)
    assert ledger.state == {}


def test_private_values_come_as_transient_data(ledger, alice):
    with refused(MALFORMED_MESSAGE):
        ledger.submit(alice, "secrets:put", PLACE)


def test_strangers_write_here_but_do_not_read(ledger, people):
    put(ledger, people["BetaMSP"], b"v")
    with refused(COLLECTION_FORBIDDEN):
        asked(ledger, people["BetaMSP"], "read")
    assert asked(ledger, people["BetaMSP"], "digest") is not None


def test_policies_of_keys(ledger, alice):
    policy = endorsed_by("AlphaMSP").hex()
    put(ledger, alice, b"v")
    ledger.submit(alice, "secrets:protect", secrets.Policy(collection="safe", key="k", policy=policy))
    assert asked(ledger, alice, "protection") == policy
    ledger.submit(alice, "cells:put", probe.cells.Plain(key="k", value="v"))
    for expected in (policy, None):
        ledger.submit(alice, "keys:protect", keys.KeyPolicy(key="k", policy=expected or ""))
        found = ledger.ask(alice, "keys:protection", keys.KeyPolicy(key="k"), keys.Protection)
        assert found.policy == expected


def test_pages(ledger, alice):
    for key in "abc":
        ledger.submit(alice, "cells:put", probe.cells.Plain(key=key, value=key))
    page = ledger.ask(alice, "keys:page", keys.PageOf(size=2), keys.Page)
    assert page == keys.Page(rows=[("a", "a"), ("b", "b")], bookmark="c")
    rest = ledger.ask(alice, "keys:page", keys.PageOf(size=2, bookmark="c"), keys.Page)
    assert rest == keys.Page(rows=[("c", "c")], bookmark="")
    with refused(READS_WITHOUT_PROTECTION):
        ledger.submit(alice, "keys:page_and_write", keys.PageOf(size=2))


def test_composite_keys(ledger, alice):
    for parts in (["red", "1"], ["red", "2"], ["blue", "1"]):
        ledger.submit(alice, "keys:write", keys.Composite(kind="marble", attributes=parts, value="v"))
    red = keys.Partial(kind="marble", attributes=["red"])
    found = ledger.ask(alice, "keys:partial", red, keys.Parts)
    assert found.rows == [("marble", ["red", "1"], "v"), ("marble", ["red", "2"], "v")]
    first = ledger.ask(alice, "keys:partial", keys.Partial(kind="marble", attributes=[], size=1), keys.Parts)
    assert (first.rows, bool(first.bookmark)) == ([("marble", ["blue", "1"], "v")], True)
    ledger.submit(alice, "keys:write", keys.Composite(kind="marble", attributes=["red", "1"]))
    assert len(ledger.ask(alice, "keys:partial", red, keys.Parts).rows) == 1
