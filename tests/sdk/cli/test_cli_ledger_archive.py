"""A ledger as a file, and back, on the command line; on PostgreSQL too."""

from __future__ import annotations

from pathlib import Path

from tests.postgresql_server import PASSWORD, PostgresqlServer


def test_a_ledger_goes_into_files_and_comes_back(
    fedpact, tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    backup, blocks = tmp_path / "backup.db", tmp_path / "blocks"
    kept = fedpact.ok("ledger", "backup", backup).one
    assert (kept["channel"], kept["height"]) == ("consortium", len(fedpact.ok("ledger", "blocks").lines))
    assert fedpact.ok("ledger", "export", blocks, f"embedded://{fedpact.home}/ledger.db").one == kept
    schema = postgresql.new_schema()
    server, file = postgresql.url(tmp_path / schema, schema), f"embedded://{tmp_path}/new/ledger.db"
    assert fedpact.ok("ledger", "restore", backup, server).one == kept
    assert fedpact.ok("ledger", "import", blocks, file).one == kept
    assert fedpact.ok("audit", server).one["ok"]
    assert fedpact.ok("ledger", "rebuild", file).one == kept
    for url in (server, file):
        assert fedpact.ok("ledger", "state", url).lines == fedpact.ok("ledger", "state").lines


def test_a_consortium_on_postgresql(bare, tmp_path: Path, postgresql: PostgresqlServer) -> None:
    url = postgresql.url(tmp_path / "keys", postgresql.new_schema())
    bare.set(FEDPACT_HOME=str(tmp_path / "home"))
    founding = ("consortium", "found", "--organisation", "AlphaMSP=Alpha", "--url", url)
    shown = bare.ok(*founding).one
    assert shown["url"] == bare.ok("consortium", "show").one["url"]
    assert PASSWORD not in str(shown["url"])
    assert "%40" not in str(shown["url"])
    members = bare.ok("consortium", "members", who="AlphaMSP/admin").lines
    assert [member["mspid"] for member in members] == ["AlphaMSP"]


def test_what_cannot_be_taken_is_told_in_one_line(fedpact, tmp_path: Path) -> None:
    other, backup = tmp_path / "other", tmp_path / "backup.db"
    other.write_text("something else")
    new = f"embedded://{tmp_path}/new.db"
    assert "FILE_FOREIGN" in fedpact.refused("ledger", "restore", other, new)
    assert "FILE_FOREIGN" in fedpact.refused("ledger", "import", other, new)
    assert "FILE_EXISTS" in fedpact.refused("ledger", "backup", other)
    assert "FILE_EXISTS" in fedpact.refused("ledger", "export", other)
    assert "NO_SUCH_LEDGER" in fedpact.refused("ledger", "rebuild", new, code=3)
    assert "No such file" in fedpact.refused("ledger", "backup", tmp_path / "nowhere" / "backup.db")
    fedpact.ok("ledger", "backup", backup)
    assert "LEDGER_EXISTS" in fedpact.refused("ledger", "restore", backup, code=3)
    assert not Path(tmp_path / "new.db").exists()
