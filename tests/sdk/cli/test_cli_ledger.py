"""Looking at a ledger, and the audit's exit code."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedpact import Consortium
from fedpact.identity import Wallet


@pytest.fixture
def url(fedpact) -> str:
    return f"embedded://{fedpact.home}/ledger.db"


def test_blocks_are_listed_from_a_height_on(fedpact, url: str) -> None:
    listed = fedpact.ok("ledger", "blocks", url).lines
    assert [block["number"] for block in listed] == list(range(len(listed)))
    assert fedpact.ok("ledger", "blocks", "--from", "2", "--count", "1").lines == [listed[2]]
    assert fedpact.ok("ledger", "blocks", "--from", "99").out == ""
    assert "range" in fedpact.refused("ledger", "blocks", "--from", "-1", code=2)


def test_a_transaction_is_shown_with_what_it_read_and_wrote(fedpact, url: str) -> None:
    fedpact.ok(
        "consortium", "propose", "m", "issue_credit", "AlphaMSP", "--amount", "1", who="AlphaMSP/admin"
    )
    with sqlite3.connect(fedpact.home / "ledger.db") as database:
        [(transaction,)] = database.execute("select tx_id from transactions order by block desc limit 1")
    database.close()
    shown = fedpact.ok("ledger", "tx", transaction, url).one
    assert (shown["function"], shown["creator"]) == ("registry:propose", "AlphaMSP/admin")
    assert shown["message"]["amount"] == 1
    assert shown["writes"] == ["registry.motion/AlphaMSP/m"]
    assert len(shown["endorsers"]) == 2
    assert "no transaction" in fedpact.refused("ledger", "tx", "0" * 64)


def test_state_is_listed_by_type_of_record(fedpact) -> None:
    rows = fedpact.ok("ledger", "state", "--record", "registry.organisation").lines
    assert [row["key"] for row in rows] == [["AlphaMSP"], ["BetaMSP"], ["GammaMSP"]]
    assert rows[0]["value"]["name"] == "Alpha Hospital"
    assert len(fedpact.ok("ledger", "state", "--count", "2").lines) == 2


def test_an_untouched_ledger_passes_the_audit(fedpact, url: str) -> None:
    report = fedpact.ok("audit", url).one
    assert (report["ok"], report["findings"]) == (True, [])
    assert report["transactions"] > 2


def test_an_altered_ledger_fails_it_with_the_place(fedpact, url: str) -> None:
    with sqlite3.connect(fedpact.home / "ledger.db") as database:
        forged = b'{"mspid":"AlphaMSP","name":"Omega","since_ms":1}'
        key = b"\0registry.organisation\0AlphaMSP\0"
        assert database.execute("update state set value = ? where key = ?", (forged, key)).rowcount == 1
    database.close()
    answer = fedpact("audit", url)
    assert answer.code == 1
    assert answer.err == ""
    assert [finding["check"] for finding in answer.one["findings"]] == ["STATE_ROW"]


def test_what_is_no_ledger_exits_with_3(fedpact, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    file.write_text("something else, and long enough to be read as a header of a database file, or not " * 3)
    assert "LEDGER_DAMAGED" in fedpact.refused("audit", f"embedded://{file}", code=3)
    assert "UNKNOWN_SCHEME" in fedpact.refused("ledger", "state", str(file), code=3)


def test_a_node_with_an_expired_certificate_exits_with_3_and_can_still_be_audited(fedpact, url: str) -> None:
    authority = Consortium.open(fedpact.home).authorities["AlphaMSP"]
    past = datetime.now(UTC) - timedelta(seconds=1)
    expired = authority.issue("peer0", role=None, ou="peer", not_after=past)
    Wallet(fedpact.home / "ledger.db.keys").put("peer.AlphaMSP", expired)
    said = fedpact.refused(
        "consortium", "propose", "m", "issue_credit", "AlphaMSP", who="AlphaMSP/admin", code=3
    )
    assert "KEYS_UNUSABLE" in said
    assert "EXPIRED" in said
    assert fedpact.ok("audit", url).one["ok"]
