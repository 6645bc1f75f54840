"""Backup, restore, rebuild, export and import, on both databases and from each to the other."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2
from tests.network.embedded.conftest import KeyValue, World
from tests.postgresql_server import PostgresqlServer

from fedpact.audit import audit
from fedpact.ledger import LedgerError, LedgerView, inspect_ledger
from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded import archive_backup, archive_blocks
from fedpact_network.embedded.archive import ArchiveCode, ArchiveError, Chain
from fedpact_network.embedded.archive_backup import back_up, restore
from fedpact_network.embedded.archive_blocks import MAGIC, export_blocks, import_blocks, rebuild
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.ledger import EmbeddedLedger

KINDS = ("sqlite", "postgresql")
Places = Callable[[str], str]


@pytest.fixture
def new_url(postgresql: PostgresqlServer, tmp_path: Path) -> Places:
    """Return the URL of a ledger that does not exist yet, in a kind of database."""

    def new(kind: str) -> str:
        schema = postgresql.new_schema()
        if kind == "sqlite":
            return f"embedded://{tmp_path}/{schema}/ledger.db"
        return postgresql.url(tmp_path / schema / "keys", schema)

    return new


def keys_of(url: str) -> Path:
    from fedpact_network.embedded.sites import find_site

    return find_site(url).keys


class Written(World):
    """A ledger with everything that a public one can have: changes, removals, conflicts."""

    url = ""  # type: ignore[assignment]

    def create(self, *_: object) -> EmbeddedLedger:
        ledger = super().create()
        client = self.client(ledger)
        for number in range(5):
            client.run("put", f"k{number}", "x" * number or "0")
        stale = client.endorse("append", "k0", "lost")
        client.run("append", "k0", "1")
        client.submit_envelope(stale.signed())
        assert client.status(stale.tx_id)[0] is ValidationCode.MVCC_READ_CONFLICT
        client.run("delete", "k1")
        client.run("put", "\0b\0ä\0", "\0")
        return ledger


@pytest.fixture(params=KINDS)
def written(request, tmp_path: Path, new_url: Places) -> Iterator[Written]:
    folder = tmp_path / "world"
    folder.mkdir()
    world = Written(folder)
    world.url = new_url(request.param)
    yield world
    world.close()


def everything(ledger: LedgerView) -> dict[str, object]:
    return {
        "channel": ledger.channel_id,
        "blocks": list(ledger.blocks()),
        "state": list(ledger.state("kv")),
        "history": [list(ledger.history("kv", f"k{number}")) for number in range(5)],
        "counts": ledger.counts(),
        "hashes": [ledger.state_hash_at(number) for number in range(ledger.height())],
    }


def seen(url: str) -> dict[str, object]:
    with closing(inspect_ledger(url)) as ledger:
        assert audit(ledger, chaincodes={"kv": KeyValue()}).ok
        return everything(ledger)


def goes_on(world: World, url: str, keys: Path) -> None:
    """Let a node go on with a ledger that came from a file."""
    with pytest.raises(LedgerError) as caught:
        EmbeddedBackend.open(url)
    assert caught.value.code == "KEYS_UNUSABLE"
    shutil.copytree(keys, keys_of(url), dirs_exist_ok=True)
    with closing(EmbeddedBackend.open(url, chaincodes={"kv": KeyValue()})) as ledger:
        height = ledger.height()
        assert world.client(ledger).run("append", "k0", "later") == (ValidationCode.VALID, height)
        assert world.client(ledger).evaluate("read", "k0") == b"01later"
    seen(url)


def nothing_at(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        inspect_ledger(url)
    assert caught.value.code == "NO_SUCH_LEDGER"


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_beside_a_node_is_restored_in_either_database(written, new_url, tmp_path, kind):
    ledger, file = written.create(), tmp_path / "backup.db"
    before = everything(ledger)
    chain = back_up(written.url, file)
    assert written.client(ledger).run("put", "k9", "later")[0] is ValidationCode.VALID
    assert chain == Chain(
        channel=ledger.channel_id,
        height=len(before["blocks"]),
        tip_hash=chain.tip_hash,
        state_hash=before["hashes"][-1],
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if "backup" in path.name) == ["backup.db"]
    url = new_url(kind)
    assert restore(file, url) == chain
    assert seen(url) == seen(f"embedded://{file}") == before
    goes_on(written, url, keys_of(written.url))


@pytest.mark.parametrize("kind", KINDS)
def test_exported_blocks_are_imported_into_either_database(written, new_url, tmp_path, kind):
    ledger, file = written.create(), tmp_path / "blocks"
    before = everything(ledger)
    done: list[int] = []
    chain = export_blocks(written.url, file, done.append)
    assert done == list(range(1, len(before["blocks"]) + 1))
    assert written.client(ledger).run("put", "k9", "later")[0] is ValidationCode.VALID
    url = new_url(kind)
    assert import_blocks(file, url) == chain
    assert seen(url) == before
    goes_on(written, url, keys_of(written.url))


def test_private_tables_are_in_a_backup_and_outlast_rebuilding(written, new_url, tmp_path):
    written.create().close()
    rows = {
        "private_state": [("kv", "c", b"\0k", b"h" * 32, b"v", 1, 0)],
        "transient": [("a" * 64, b"d" * 32, 3, b"content")],
        "private_writes": [(1, 0, "kv", "c", None, None), (2, 0, "kv", "c", 7, b"content")],
    }
    file, url = tmp_path / "backup.db", new_url("sqlite")
    back_up(written.url, file)
    restore(file, url)
    path = Path(url.removeprefix("embedded://"))
    with closing(sqlite3.connect(path)) as database:
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            database.executemany(f"insert into {table} values ({marks})", values)
        database.commit()
    rebuild(url)
    back_up(url, tmp_path / "second.db")
    with closing(sqlite3.connect(tmp_path / "second.db")) as database:
        for table, values in rows.items():
            assert sorted(database.execute(f"select * from {table}"), key=str) == sorted(values, key=str)
    other = new_url("postgresql")
    assert restore(tmp_path / "second.db", other) == back_up(other, tmp_path / "third.db")


DAMAGES = [
    "delete from state",
    "update state set value = '' where block = 2",
    "insert into state values ('kv', 'zz', 'zz', 1, 0, null)",
    "delete from history where block = 3",
    "update transactions set code = 7",
    "update blocks set state_residue = '', state_hash = '' where number > 1",
    "insert into expiries values (9, 'kv', 'c', 'h', 1, 0)",
]


def test_damaged_tables_are_rebuilt(written, postgresql):
    ledger = written.create()
    before = everything(ledger)
    with pytest.raises(LedgerError) as caught:
        rebuild(written.url)
    assert caught.value.code == "LEDGER_BUSY"
    ledger.close()
    for statement in DAMAGES:
        execute(written.url, postgresql, statement)
    with closing(inspect_ledger(written.url)) as damaged:
        assert everything(damaged) != before
    chain = rebuild(written.url)
    assert (chain.height, chain.state_hash) == (len(before["blocks"]), before["hashes"][-1])
    assert seen(written.url) == before
    with closing(EmbeddedBackend.open(written.url, chaincodes={"kv": KeyValue()})) as again:
        assert written.client(again).evaluate("read", "k0") == b"01"


def execute(url: str, server: PostgresqlServer, statement: str) -> None:
    if url.startswith("embedded:"):
        with closing(sqlite3.connect(url.removeprefix("embedded://"))) as database:
            database.execute(statement.replace("''", "x''").replace("'zz'", "x'7a7a'"))
            database.commit()
    else:
        with server.connect() as connection:
            connection.execute(f"set search_path = {url.rpartition('schema=')[2]}")
            connection.execute(statement)


def test_damaged_blocks_are_not_rebuilt_from(written, postgresql):
    written.create().close()
    execute(written.url, postgresql, "delete from state")
    with closing(inspect_ledger(written.url)) as ledger:
        before = everything(ledger)
    with closing(inspect_ledger(written.url)) as ledger:
        block = common_pb2.Block.FromString(list(ledger.blocks())[3])
    block.metadata.metadata[2] = b"\x0b" * len(block.metadata.metadata[2])
    replace_block(written.url, postgresql, 3, block.SerializeToString())
    with pytest.raises(ArchiveError) as caught:
        rebuild(written.url)
    assert caught.value.code == ArchiveCode.VERDICTS_DIFFER
    replace_block(written.url, postgresql, 3, b"\xff")
    with pytest.raises(ArchiveError) as caught:
        rebuild(written.url)
    assert caught.value.code == ArchiveCode.BLOCK_REFUSED
    execute(written.url, postgresql, "delete from blocks where number = 3")
    with pytest.raises(LedgerError, match="block 3 is missing"):
        rebuild(written.url)
    with closing(inspect_ledger(written.url)) as ledger:
        assert ledger.counts() == before["counts"]


def replace_block(url: str, server: PostgresqlServer, number: int, data: bytes) -> None:
    content = f"x'{data.hex()}'" if url.startswith("embedded:") else f"'\\x{data.hex()}'"
    execute(url, server, f"update blocks set data = {content} where number = {number}")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """An export of a small ledger, `blocks`, beside its backup, `backup.db`."""
    folder = tmp_path / "small"
    folder.mkdir()
    world = World(folder)
    with closing(world.create()) as ledger:
        for number in range(3):
            world.client(ledger).run("put", "a", str(number))
        export_blocks(world.url, tmp_path / "blocks")
        back_up(world.url, tmp_path / "backup.db")
    return tmp_path / "blocks"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["blocks", "backup.db"])
def test_a_file_that_ends_early_is_refused(exported, new_url, kind, what):
    take = import_blocks if what == "blocks" else restore
    whole = (exported.parent / what).read_bytes()
    part = exported.with_name("part")
    for length in (len(whole) - 1, len(whole) // 2, len(MAGIC) + 3):
        part.write_bytes(whole[:length])
        url = new_url(kind)
        with pytest.raises(ArchiveError) as caught:
            take(part, url)
        assert caught.value.code == ArchiveCode.FILE_TRUNCATED
        nothing_at(url)


@pytest.mark.parametrize("take", [import_blocks, restore])
@pytest.mark.parametrize("content", [b"", b"something else", b"fedpact blocks 2\n", b"\0" * 10_000, None])
def test_a_foreign_file_is_refused(tmp_path, new_url, take, content):
    file, url = tmp_path / "file", new_url("sqlite")
    if content is None:
        with closing(sqlite3.connect(file)) as database:
            database.execute("create table blocks (number integer)")
    else:
        file.write_bytes(content)
    with pytest.raises(ArchiveError) as caught:
        take(file, url)
    assert caught.value.code == ArchiveCode.FILE_FOREIGN
    nothing_at(url)
    assert not keys_of(url).exists()


def test_any_changed_byte_of_an_export_is_found_or_means_nothing(exported, new_url):
    whole, part = exported.read_bytes(), exported.with_name("part")
    url = new_url("sqlite")
    import_blocks(exported, url)
    before = seen(url)
    step = max(1, len(whole) // 25)
    refused = 0
    for position in range(0, len(whole), step):
        part.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        url = new_url("sqlite")
        try:
            import_blocks(part, url)
        except ArchiveError:
            refused += 1
            nothing_at(url)
        else:  # a byte that no signature and no verdict covers, as the genesis block's metadata
            assert {**seen(url), "blocks": []} == {**before, "blocks": []}
    assert refused > 15


@pytest.mark.parametrize(
    "change", ["appended", "fewer announced", "another announced", "no text", "huge part", "no block"]
)
def test_an_export_that_does_not_fit_together_is_refused(exported, new_url, change):
    whole, url = exported.read_bytes(), new_url("postgresql")
    header = whole[len(MAGIC) + 2 : whole.index(b"}") + 1]
    exported.write_bytes(
        {
            "appended": whole + b"\0",
            "fewer announced": whole.replace(b'"height":4', b'"height":3'),
            "another announced": whole.replace(b'"state_hash":"', b'"state_hash":"0')[:-1],
            "no text": whole.replace(b'"channel":"c', b'"channel":"\xff'),
            "huge part": MAGIC + b"\xff\xff\xff\xff\x0f",
            "no block": whole.replace(b'"height":4', b'"height":0'),
        }[change]
    )
    assert header.startswith(b'{"channel"')
    with pytest.raises(ArchiveError) as caught:
        import_blocks(exported, url)
    assert caught.value.code in (ArchiveCode.FILE_ALTERED, ArchiveCode.FILE_TRUNCATED)
    nothing_at(url)


@pytest.mark.parametrize(
    "statement",
    [
        "update state set value = x'00'",
        "delete from history where block = 2",
        "update blocks set data = x'00' where number = 1",
        "insert into private_state values ('a', 'b', x'00', x'00', x'00', 1, 1)",
        "update backup set content = '{}' where name = 'chain'",
        "delete from backup",
        "drop table transactions",
    ],
)
def test_an_altered_backup_is_refused(exported, new_url, statement):
    file, url = exported.with_name("backup.db"), new_url("postgresql")
    with closing(sqlite3.connect(file)) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(ArchiveError) as caught:
        restore(file, url)
    assert caught.value.code == ArchiveCode.FILE_ALTERED
    nothing_at(url)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_overwritten(exported, new_url, kind):
    url, file = new_url(kind), exported.with_name("backup.db")
    import_blocks(exported, url)
    before = seen(url)
    for take, source in ((import_blocks, exported), (restore, file)):
        with pytest.raises(LedgerError) as caught:
            take(source, url)
        assert caught.value.code == "LEDGER_EXISTS"
    for write in (export_blocks, back_up):
        content = file.read_bytes()
        with pytest.raises(ArchiveError) as refused:
            write(url, file)
        assert refused.value.code == ArchiveCode.FILE_EXISTS
        assert file.read_bytes() == content
    assert seen(url) == before


@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_half_way_leaves_nothing(exported, new_url, kind, monkeypatch):
    url = new_url(kind)
    monkeypatch.setattr(archive_blocks, "digest_rows", lambda *_: "other")
    with pytest.raises(ArchiveError, match="FILE_ALTERED"):
        import_blocks(exported, url)
    nothing_at(url)
    monkeypatch.undo()
    monkeypatch.setattr(archive_backup, "digest_rows", lambda *_: 1 / 0)
    import_blocks(exported, url)
    with pytest.raises(ZeroDivisionError):
        back_up(url, exported.with_name("second.db"))
    left = {path.name for path in exported.parent.iterdir()} & {"second.db", f".second.db.{os.getpid()}.part"}
    assert left == set()


def test_a_damaged_chain_is_not_backed_up(exported, postgresql, new_url):
    url = new_url("sqlite")
    import_blocks(exported, url)
    execute(url, postgresql, "delete from blocks where number = 1")
    for write in (export_blocks, back_up):
        with pytest.raises(LedgerError) as caught:
            write(url, exported.with_name("second"))
        assert caught.value.code == "LEDGER_DAMAGED"
    assert not exported.with_name("second").exists()
