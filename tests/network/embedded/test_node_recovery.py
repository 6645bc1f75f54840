"""What survives: reopening, killing, damage, a second node on the same file."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from fabric_protos.common import common_pb2

from fedpact.gateway.transport import Status, TransportError
from fedpact.identity import Wallet
from fedpact.ledger import LedgerError, create_ledger, inspect_ledger, open_ledger
from fedpact.wire.blocks import parse_block
from fedpact.wire.commits import Update, ValidationCode, commit_hash
from fedpact.wire.config import BatchRules
from fedpact.wire.envelopes import parse_envelope
from fedpact.wire.rwsets import Version
from fedpact.wire.state_hash import state_hash_of


def test_everything_is_there_after_reopening(world):
    ledger = world.create()
    client = world.client(ledger)
    client.run("create", "a", "1")
    tx_id = client.submit("append", "a", "2")
    client.status(tx_id)
    before = (list(ledger.blocks()), list(ledger.state("kv")), ledger.state_hash(), ledger.height())
    ledger.close()
    ledger = world.open()
    client = world.client(ledger)
    assert (list(ledger.blocks()), list(ledger.state("kv")), ledger.state_hash(), ledger.height()) == before
    assert client.status(tx_id) == (ValidationCode.VALID, 2)
    assert [row.value for row in ledger.history("kv", "a")] == [b"12", b"1"]
    assert client.run("append", "a", "3") == (ValidationCode.VALID, 3)
    assert parse_block(list(ledger.blocks())[3]).previous_hash == parse_block(before[0][2]).hash
    assert ledger.state_hash() == state_hash_of([("kv", "a", b"123")])
    blocks = [parse_block(data) for data in ledger.blocks()]
    update = Update("kv", "a", b"123", Version(3, 0))
    assert blocks[3].commit_hash == commit_hash(blocks[2].commit_hash, b"\x00", [update])


def test_a_transaction_id_is_remembered_across_a_restart(world):
    ledger = world.create()
    client = world.client(ledger)
    tx_id, proposal = client.proposal("append", "a", "x")
    envelope = client.endorse_signed(tx_id, proposal).signed()
    client.submit_envelope(envelope)
    client.status(tx_id)
    ledger.close()
    ledger = world.open()
    client = world.client(ledger)
    with pytest.raises(TransportError, match="failed to endorse"):
        client.endorse_signed(tx_id, proposal)
    client.submit_envelope(envelope)  # re-sent after an unknown outcome: the first one stands
    client.run("put", "b", "1")
    assert client.status(tx_id) == (ValidationCode.VALID, 1)
    found = [code for data in ledger.blocks(1) for code in parse_block(data).filter]
    assert found.count(ValidationCode.DUPLICATE_TXID) <= 1
    assert {row.key: row.value for row in ledger.state("kv")} == {"a": b"x", "b": b"1"}
    assert len(list(ledger.history("kv", "a"))) == 1


def test_endorsements_made_before_a_restart_are_verified_and_accepted(world):
    ledger = world.create()
    envelope = world.client(ledger).endorse("put", "a", "1")
    ledger.close()
    ledger = world.open()
    client = world.client(ledger)
    client.submit_envelope(envelope.signed())
    assert client.status(envelope.tx_id)[0] is ValidationCode.VALID


def test_closing_commits_what_was_accepted(make_world):
    world = make_world(organisations=1, batch=BatchRules(max_messages=7, timeout_ms=60_000))
    ledger = world.create()
    client = world.client(ledger)
    tx_ids = [client.submit("put", f"k{n}", "v") for n in range(20)]
    ledger.close()
    ledger = world.open()
    client = world.client(ledger)
    assert {client.status(tx_id)[0] for tx_id in tx_ids} == {ValidationCode.VALID}
    assert max(len(parse_block(data).envelopes) for data in ledger.blocks()) <= 7


LOAD = """
import itertools, os, sys, threading
sys.path.insert(0, sys.argv[3])
from conftest import Client, KeyValue
from fedpact.identity import Wallet
from fedpact_network.embedded.backend import EmbeddedBackend
import time
ledger = EmbeddedBackend.open(sys.argv[1], chaincodes={"kv": KeyValue()})
client = Client(ledger.transport(), Wallet(sys.argv[2]).get("alice"), time.time_ns)
numbers = itertools.count()
lock = threading.Lock()
def work():
    while True:
        key = f"k{next(numbers)}"
        tx_id = client.submit("create", key, "v")
        code, block = client.status(tx_id)
        with lock:
            sys.stdout.write(f"{tx_id} {key} {int(code)} {block}\\n")
            sys.stdout.flush()
for _ in range(8):
    threading.Thread(target=work).start()
"""


@pytest.mark.parametrize("acknowledged", [1, 40, 150])
def test_after_a_kill_what_was_acknowledged_is_there_and_nothing_twice(make_world, acknowledged):
    from fedpact.identity import Wallet

    world = make_world(organisations=1)
    world.create().close()
    Wallet(world.folder / "wallet").put("alice", world.alice)
    here = os.path.dirname(__file__)
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD, world.url, str(world.folder / "wallet"), here],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, process.stdout as lines:
        told = [lines.readline().split() for _ in range(acknowledged)]
        process.send_signal(signal.SIGKILL)
        told += [line.split() for line in lines if line.endswith("\n")]
    told = [entry for entry in told if len(entry) == 4]
    assert len(told) >= acknowledged
    ledger = world.open()
    client = world.client(ledger)
    rows = {row.key for row in ledger.state("kv")}
    for tx_id, key, code, block in told:
        assert client.status(tx_id, timeout_s=1) == (int(code), int(block))
        assert key in rows
    held = [
        parse_envelope(e).transaction_id for data in ledger.blocks(1) for e in parse_block(data).envelopes
    ]
    assert len(set(held)) == len(held)
    assert len(rows) == len(held)  # no half of a block
    assert ledger.state_hash() == state_hash_of([(r.namespace, r.key, r.value) for r in ledger.state("kv")])
    assert client.run("create", "afterwards", "v")[0] is ValidationCode.VALID


def test_an_exit_in_the_middle_of_a_block_leaves_the_block_before(world):
    """The child ends between the writes of a block and their commit: none of them is there."""
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    state, height = ledger.state_hash(), ledger.height()
    ledger.close()
    child = os.fork()
    if child == 0:
        from fedpact_network.embedded import store

        write = store.Store._write

        def write_and_die(self, record):
            write(self, record)
            os._exit(7)

        store.Store._write = write_and_die
        world.client(world.open()).run("put", "a", "2")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    ledger = world.open()
    assert (ledger.state_hash(), ledger.height()) == (state, height)
    assert world.client(ledger).run("put", "a", "3")[0] is ValidationCode.VALID


def test_a_second_node_on_the_same_file_is_refused(world):
    ledger = world.create()
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "LEDGER_BUSY"
    child = os.fork()
    if child == 0:
        try:
            world.open()
        except LedgerError as error:
            os._exit(0 if error.code == "LEDGER_BUSY" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert world.client(ledger).run("put", "a", "1")[0] is ValidationCode.VALID
    ledger.close()
    world.open()


def test_a_forked_child_does_not_hold_the_file_after_its_parent_let_go(world):
    ledger = world.create()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    try:
        ledger.close()
        world.open().close()
    finally:
        os.close(write)
        os.close(read)
        os.waitpid(child, 0)


def test_an_existing_file_is_never_touched(world):
    world.path.write_bytes(b"precious")
    with pytest.raises(LedgerError) as caught:
        world.create()
    assert caught.value.code == "LEDGER_EXISTS"
    assert world.path.read_bytes() == b"precious"


def test_what_is_no_ledger_is_not_opened(world):
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "NO_SUCH_LEDGER"
    assert not world.path.exists()
    world.path.write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "LEDGER_DAMAGED"
    world.path.unlink()
    with sqlite3.connect(world.path) as database:
        database.execute("create table other(x)")
    database.close()
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "LEDGER_DAMAGED"


DAMAGES = {
    "block": "update blocks set data = substr(data, 1, length(data) - 40) || zeroblob(40) where number = 2",
    "header hash": "update blocks set header_hash = zeroblob(32) where number = 2",
    "state hash": "update blocks set state_hash = zeroblob(32) where number = 2",
    "residue": "update blocks set state_residue = zeroblob(384) where number = 2",
    "link": "update blocks set data = (select data from blocks where number = 0) where number = 1",
    "missing": "delete from blocks where number = 1",
    "genesis": "update blocks set data = x'ffff' where number = 0",
    "no blocks": "delete from blocks",
    "no layout": "delete from alembic_version",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_end_of_the_chain_is_not_continued(world, damage):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    world.client(ledger).run("put", "b", "2")
    ledger.close()
    with sqlite3.connect(world.path) as database:
        assert database.execute(DAMAGES[damage]).rowcount
    database.close()
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "LEDGER_DAMAGED"


def test_transactions_exchanged_in_the_last_block_are_noticed(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    world.client(ledger).run("put", "b", "2")
    first, last = (common_pb2.Block.FromString(data) for data in list(ledger.blocks())[1:])
    ledger.close()
    last.data.data[0] = first.data.data[0]
    with sqlite3.connect(world.path) as database:
        database.execute("update blocks set data = ? where number = 2", (last.SerializeToString(),))
    database.close()
    with pytest.raises(LedgerError, match="transactions of block 2"):
        world.open()


def test_keys_lie_beside_the_database_and_never_in_it(world):
    ledger = world.create()
    world.client(ledger).run("put", "a", "1")
    ledger.close()
    folder = world.folder / "ledger.db.keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [
        "orderer.id",
        "peer.Org1MSP.id",
        "peer.Org2MSP.id",
        "peer.Org3MSP.id",
    ]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert b"PRIVATE KEY" not in world.path.read_bytes()
    shutil.rmtree(folder)
    with pytest.raises(LedgerError) as caught:
        world.open()
    assert caught.value.code == "KEYS_UNUSABLE"
    assert "keys" in str(caught.value)


def test_a_node_whose_certificates_have_expired_says_so_and_lets_go(world):
    world.create().close()
    now_ns = world.offset_ns
    world.offset_ns = 100 * 365 * 86_400 * 10**9
    with pytest.raises(LedgerError, match=r"cannot act as peer: EXPIRED") as caught:
        world.open()
    assert caught.value.code == "KEYS_UNUSABLE"
    with closing(inspect_ledger(world.url)) as ledger:
        assert ledger.height() == 1
    world.offset_ns = now_ns
    assert world.open().height() == 1


def test_keys_that_are_not_of_the_channel_do_not_run_it(world):
    world.create().close()
    wallet = Wallet(world.folder / "ledger.db.keys")
    wallet.put("orderer", world.alice)
    with pytest.raises(LedgerError, match="cannot act as orderer") as caught:
        world.open()
    assert caught.value.code == "KEYS_UNUSABLE"
    wallet.put("orderer", world.orderer())
    for mspid in world.authorities:
        wallet.remove(f"peer.{mspid}")
    with pytest.raises(LedgerError, match="needs peers") as caught:
        world.open()
    assert caught.value.code == "KEYS_UNUSABLE"


def test_a_node_does_not_start_with_keys_that_nobody_would_accept(world):
    client = world.authorities["Org1MSP"].issue("peer0", role=None, ou="client")
    with pytest.raises(ValueError, match="peer"):
        world.create(peers=[client])
    with pytest.raises(ValueError, match="one of each"):
        world.create(peers=[])
    assert not world.path.exists()


def test_the_plug_in_is_found_by_its_scheme(world):
    ledger = create_ledger(world.url, world.config, peers=world.peers, orderer=world.orderer())
    assert ledger.channel_id == "consortium"
    assert ledger.url == world.url
    ledger.close()
    ledger = open_ledger(world.url)
    assert ledger.height() == 1
    ledger.close()


@pytest.mark.parametrize(
    "url", ["embedded://host/path", "embedded:///x?y=1", "embedded:", "embedded+postgresql://host/db"]
)
def test_urls_that_name_no_file(world, url):
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    assert caught.value.code == "UNKNOWN_SCHEME"


def test_a_path_with_spaces_and_signs(world):
    from fedpact_network.embedded.backend import EmbeddedBackend

    url = f"embedded://{world.folder}/a%20folder/l%23dger.db"
    ledger = EmbeddedBackend.create(url, world.config, peers=world.peers, orderer=world.orderer())
    ledger.close()
    assert (world.folder / "a folder" / "l#dger.db").exists()


def test_the_plug_in_comes_without_its_database_library():
    code = "import sys, fedpact, fedpact_network.embedded.backend; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_when_the_database_fails_nobody_is_told_anything_wrong(world, caplog):
    """The database refuses every further block: who waits hears that, and the file stays whole."""
    ledger = world.create()
    client = world.client(ledger)
    client.run("put", "a", "1")
    state = ledger.state_hash()
    other = sqlite3.connect(world.path)
    other.execute("create trigger no before insert on history begin select raise(abort, 'disk full'); end")
    other.close()
    tx_id = client.submit("put", "a", "2")
    for call in (lambda: client.status(tx_id), lambda: client.submit("put", "b", "1")):
        with pytest.raises(TransportError) as caught:
            call()
        assert caught.value.status is Status.UNAVAILABLE
    ledger.close()
    assert "disk full" in caplog.text
    other = sqlite3.connect(world.path)
    other.execute("drop trigger no")
    other.close()
    ledger = world.open()
    client = world.client(ledger)
    assert (ledger.height(), ledger.state_hash()) == (2, state)
    with pytest.raises(TransportError):
        client.status(tx_id, timeout_s=0)
    assert client.run("put", "a", "3") == (ValidationCode.VALID, 2)


def test_keys_of_a_ledger_that_is_gone_are_not_taken_over(world):
    world.create().close()
    for file in world.folder.glob("ledger.db*"):
        if file.is_file():
            file.unlink()
    world.create(peers=world.peers[:1]).close()
    assert list(world.open().node.endorser._peers) == ["Org1MSP"]


def test_what_could_not_be_founded_leaves_no_file(world, monkeypatch):
    from fedpact_network.embedded import recovery

    def fail(store, config):
        raise OSError("disk full")

    monkeypatch.setattr(recovery, "found", fail)
    with pytest.raises(OSError, match="disk full"):
        world.create()
    assert not world.path.exists()
    monkeypatch.undo()
    assert world.create().height() == 1


def test_closing_ends_every_thread_and_closes_every_file(make_world):
    world = make_world(organisations=1)
    world.create().close()
    folder = f"/proc/{os.getpid()}/fd"
    threads, files = set(threading.enumerate()), len(os.listdir(folder))
    ledger = world.open()
    client = world.client(ledger)
    ledger.local_address()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.run("put", f"k{n}", "v"), range(40)))
    rows = ledger.state("kv")
    next(rows)
    rows.close()
    assert set(threading.enumerate()) > threads
    ledger.close()
    assert set(threading.enumerate()) == threads
    assert len(os.listdir(folder)) == files
