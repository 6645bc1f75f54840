"""A transaction's way through the node, and what can be read afterwards."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedpact.gateway.transport import TransportError
from fedpact.wire.blocks import data_hash, parse_block
from fedpact.wire.commits import Update, ValidationCode, commit_hash
from fedpact.wire.envelopes import parse_envelope
from fedpact.wire.rwsets import Version
from fedpact.wire.state_hash import state_hash_of


def test_a_created_record_is_read_back(world):
    ledger = world.create()
    client = world.client(ledger)
    assert client.run("create", "a", "1") == (ValidationCode.VALID, 1)
    assert client.evaluate("read", "a") == b"1"
    [row] = ledger.state("kv")
    assert (row.key, row.value, row.version) == ("a", b"1", Version(1, 0))


def test_a_transaction_does_not_read_its_own_writes(world):
    ledger = world.create()
    client = world.client(ledger)
    prepared = client.endorse("append", "a", "x")
    response = parse_envelope(prepared.envelope.SerializeToString()).response
    assert response.payload == b"nothing"


def test_an_evaluation_leaves_no_trace(world):
    ledger = world.create()
    world.client(ledger).evaluate("put", "a", "1")
    assert list(ledger.state("kv")) == []
    assert ledger.height() == 1


def test_a_refused_call_leaves_no_trace(world):
    ledger = world.create()
    with pytest.raises(TransportError):
        world.client(ledger).run("refuse")
    assert list(ledger.state("kv")) == []
    assert ledger.height() == 1


def test_transient_data_reaches_the_contract_and_no_block(world):
    ledger = world.create()
    client = world.client(ledger)
    assert client.evaluate("secret", transient={"secret": b"s3cret"}) == b"s3cret"
    prepared = client.endorse("put", "a", "1", transient={"secret": b"s3cret"})
    client.submit_envelope(prepared.signed())
    assert client.status(prepared.tx_id)[0] is ValidationCode.VALID
    assert all(b"s3cret" not in block for block in ledger.blocks())


def test_ranges_go_by_the_bytes_of_the_keys(world):
    ledger = world.create()
    client = world.client(ledger)
    keys = ["a", "b", "ba", "c", "é", "\U0001f600", "\x00obj\x00a\x00", "\x00obj\x00b\x00"]
    for key in reversed(keys):
        client.run("put", key, "v" + key)

    def seen(start, end):
        return list(json.loads(client.evaluate("range", start, end)))

    assert seen("b", "c") == ["b", "ba"]
    assert seen("", "") == ["a", "b", "ba", "c", "é", "\U0001f600"]  # composite keys are apart
    assert seen("c", "") == ["c", "é", "\U0001f600"]
    assert seen("\x00obj\x00", "\x00obj\x00\U0010ffff") == keys[-2:]
    assert seen("x", "y") == []
    assert [row.key for row in ledger.state("kv")] == sorted(keys, key=str.encode)


def test_a_range_longer_than_a_page_is_complete(make_world):
    world = make_world(organisations=1)
    ledger = world.create()
    client = world.client(ledger)
    pending = [client.submit("put", f"k{n:04d}", "v") for n in range(1100)]
    assert {client.status(tx_id)[0] for tx_id in pending} == {ValidationCode.VALID}
    assert len(json.loads(client.evaluate("range", "k", "l"))) == 1100
    assert len(list(ledger.state("kv", "k0100", "k0900"))) == 800


def test_history_is_told_newest_first_with_deletions(world):
    ledger = world.create()
    client = world.client(ledger)
    done = []
    for call in (("put", "a", "1"), ("put", "b", "9"), ("put", "a", "2"), ("delete", "a"), ("put", "a", "3")):
        tx_id = client.submit(*call)
        client.status(tx_id)
        done.append(tx_id)
    told = json.loads(client.evaluate("history", "a"))
    assert told == [[done[4], "3"], [done[3], None], [done[2], "2"], [done[0], "1"]]
    rows = list(ledger.history("kv", "a"))
    assert [(row.transaction_id, row.value) for row in rows] == [
        (done[4], b"3"),
        (done[3], None),
        (done[2], b"2"),
        (done[0], b"1"),
    ]
    assert [row.version.block for row in rows] == [5, 4, 3, 1]
    assert rows == sorted(rows, key=lambda row: -row.timestamp_ns)


def test_invalid_writes_are_not_in_the_history(world):
    ledger = world.create()
    client = world.client(ledger)
    client.run("create", "a", "1")
    first, second = client.endorse("append", "a", "x"), client.endorse("append", "a", "y")
    for prepared in (first, second):
        client.submit_envelope(prepared.signed())
    assert client.status(first.tx_id)[0] is ValidationCode.VALID
    assert client.status(second.tx_id)[0] is ValidationCode.MVCC_READ_CONFLICT
    assert [row.value for row in ledger.history("kv", "a")] == [b"1x", b"1"]


def test_the_chain_holds_together_and_the_hashes_are_those_of_its_content(world):
    ledger = world.create()
    client = world.client(ledger)
    for call in (
        ("put", "a", "1"),
        ("put", "b", "2"),
        ("put", "a", "3"),
        ("delete", "b"),
        ("create", "c", "4"),
    ):
        client.run(*call)
    previous = b""
    running = b""
    state = {}
    membership = world.config.membership()
    for number, data in enumerate(ledger.blocks()):
        block = parse_block(data)
        assert block.number == number
        assert block.previous_hash == previous
        assert block.data_hash == data_hash(block.envelopes)
        previous = block.hash
        if number == 0:
            assert world.config == type(world.config).from_block(world.config.to_genesis_block())
            continue
        [signature] = block.signatures
        assert membership.verify(*signature).ou == {"orderer"}
        updates = []
        for position, envelope in enumerate(block.envelopes):
            for write in parse_envelope(envelope).rwset[0].writes:
                updates.append(Update("kv", write.key, write.value, Version(number, position)))
                state[write.key] = write.value
        running = commit_hash(running, block.filter, updates)
        assert block.commit_hash == running
        present = [("kv", key, value) for key, value in state.items() if value is not None]
        assert ledger.state_hash_at(number) == state_hash_of(present)
    assert ledger.state_hash() == state_hash_of([(r.namespace, r.key, r.value) for r in ledger.state("kv")])
    with pytest.raises(IndexError):
        ledger.state_hash_at(ledger.height())


def test_the_state_hash_does_not_depend_on_how_blocks_were_cut(make_world):
    hashes, heights = set(), set()
    for together in (True, False):
        world = make_world()
        ledger, orderer = world.by_hand()
        client = world.client(ledger)
        for n in range(6):
            client.submit("put", f"k{n}", f"v{n}")
            if not together:
                orderer.cut()
        if together:
            orderer.waiting.reverse()
            orderer.cut()
        hashes.add(ledger.state_hash())
        heights.add(ledger.height())
    assert len(hashes) == 1
    assert heights == {2, 7}


def test_many_clients_at_once_lose_nothing(make_world):
    world = make_world(organisations=1)
    ledger = world.create()
    client = world.client(ledger)
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda n: client.run("create", f"k{n}", "v"), range(300)))
    assert {code for code, _ in results} == {ValidationCode.VALID}
    assert len(list(ledger.state("kv"))) == 300
    held = [envelope for data in ledger.blocks(1) for envelope in parse_block(data).envelopes]
    assert len({parse_envelope(envelope).transaction_id for envelope in held}) == len(held) == 300


def test_one_of_many_creators_of_one_key_wins(make_world):
    world = make_world(organisations=1)
    ledger, orderer = world.by_hand()
    client = world.client(ledger)
    tx_ids = [client.submit("create", "same", str(n)) for n in range(5)]
    orderer.cut()
    verdicts = [client.status(tx_id)[0] for tx_id in tx_ids]
    assert verdicts == [ValidationCode.VALID] + [ValidationCode.MVCC_READ_CONFLICT] * 4
    assert client.evaluate("read", "same") == b"0"


def test_the_consortiums_contracts_are_served_by_default(world):
    from fedpact_network.embedded.backend import EmbeddedBackend

    ledger = EmbeddedBackend.create(world.url, world.config, peers=world.peers, orderer=world.orderer())
    world.opened.append(ledger)
    metadata = (
        world.client(ledger).changed(chaincode="fedpact").evaluate("org.hyperledger.fabric:GetMetadata")
    )
    assert "registry" in json.loads(metadata)["contracts"]
