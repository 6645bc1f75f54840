"""Founding: what lies in a home afterwards, and what it takes to open it again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedpact import CertificateAuthority, Consortium, FoundingRules, LedgerError, connect, found
from fedpact.consortium.founding import wallet_label
from fedpact.ledger import open_ledger
from fedpact.wire.config import ConfigError
from fedpact.wire.membership import Membership

TWO = {"AlphaMSP": "Alpha", "BetaMSP": "Beta"}


def test_a_home_can_be_opened_again(tmp_path: Path) -> None:
    consortium, ledger = found(tmp_path / "home", TWO, rules=FoundingRules(channel_id="trial"))
    ledger.close()
    again = Consortium.open(tmp_path / "home")
    assert (again.url, again.channel_id) == (consortium.url, "trial")
    assert again.organisations == TWO
    assert again.retrieval_key == consortium.retrieval_key
    assert {mspid: ca.certificate_pem for mspid, ca in again.authorities.items()} == {
        mspid: ca.certificate_pem for mspid, ca in consortium.authorities.items()
    }


def test_every_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    consortium, ledger = found(tmp_path / "home", TWO)
    consortium.enrol("AlphaMSP", "doctor", role="member")
    ledger.close()
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
    secret = [path for path in (tmp_path / "home").rglob("*") if path.suffix in {".key", ".pem", ".id"}]
    assert len(secret) >= 6
    assert {path.stat().st_mode & 0o077 for path in secret} == {0}


def test_the_ledger_has_no_keys_and_knows_its_rules(tmp_path: Path) -> None:
    rules = FoundingRules(endorsement="OR('AlphaMSP.peer')", council=(3, 4))
    _, ledger = found(tmp_path / "home", TWO, rules=rules)
    bundle = ledger.bundle
    ledger.close()
    assert Consortium.open(tmp_path / "home").council == (3, 4)
    assert bundle.endorsement_policy.text == "OR('AlphaMSP.peer')"
    assert b"PRIVATE KEY" not in (tmp_path / "home" / "ledger.db").read_bytes()


@pytest.mark.parametrize("council", [(1, 1), (-1, 3), (1, 1001)])
def test_a_council_that_could_not_decide_is_not_founded(tmp_path: Path, council: tuple[int, int]) -> None:
    with pytest.raises(ConfigError):
        found(tmp_path / "home", TWO, rules=FoundingRules(council=council))
    assert not (tmp_path / "home").exists()


def test_one_seed_makes_one_consortium(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def make(name: str, seed: bytes) -> tuple[bytes, bytes, bytes, str]:
        consortium, ledger = found(tmp_path / name, TWO, seed=seed, not_before=start)
        genesis, digest = next(ledger.blocks()), ledger.state_hash()
        doctor = consortium.enrol("AlphaMSP", "doctor", role="member")
        ledger.close()
        return genesis, consortium.retrieval_key, doctor.certificate_pem, digest

    first, second, other = make("a", b"1" * 32), make("b", b"1" * 32), make("c", b"2" * 32)
    assert first == second
    assert all(mine != theirs for mine, theirs in zip(first[:3], other[:3], strict=True))


def test_without_a_seed_nothing_repeats(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        consortium, ledger = found(tmp_path / name, TWO)
        ledger.close()
        keys |= {consortium.retrieval_key, consortium.authorities["AlphaMSP"].certificate_pem}
    assert len(keys) == 4


def test_nothing_is_founded_twice(tmp_path: Path) -> None:
    _, ledger = found(tmp_path / "home", TWO)
    ledger.close()
    with pytest.raises(FileExistsError):
        found(tmp_path / "home", TWO)
    (tmp_path / "home" / "consortium.json").unlink()
    with pytest.raises(LedgerError) as caught:
        found(tmp_path / "home", TWO)
    assert caught.value.code == "LEDGER_EXISTS"


def test_a_ledger_may_lie_elsewhere_and_a_home_anywhere(tmp_path: Path) -> None:
    url = f"embedded://{tmp_path}/disk/ledger.db"
    consortium, ledger = found(tmp_path / "home", TWO, url=url)
    ledger.close()
    assert consortium.url == url
    odd, ledger = found(tmp_path / "50 % # ?", TWO)
    ledger.close()
    open_ledger(odd.url).close()


def test_there_is_nothing_to_open_where_nothing_was_founded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Consortium.open(tmp_path)


def test_an_enrolled_identity_is_certified_by_its_organisation_and_kept(home: Path) -> None:
    consortium = Consortium.open(home)
    issued = consortium.enrol("BetaMSP", "nurse", role="validator")
    roots = {mspid: [ca.certificate_pem] for mspid, ca in consortium.authorities.items()}
    member = Membership(roots).identify(issued.creator)
    assert (member.id, member.role, "client" in member.ou) == ("BetaMSP/nurse", "validator", True)
    assert consortium.identity("BetaMSP/nurse").certificate_pem == issued.certificate_pem
    assert wallet_label("BetaMSP/nurse") in consortium.wallet.list()
    assert "admin" in Membership(roots).identify(consortium.identity("BetaMSP/admin").creator).ou


def test_an_authority_may_be_moved_to_its_organisation(home: Path, tmp_path: Path) -> None:
    (home / "authorities" / "BetaMSP").rename(tmp_path / "beta")
    consortium = Consortium.open(home)
    with pytest.raises(FileNotFoundError, match="authority of BetaMSP"):
        consortium.enrol("BetaMSP", "nurse", role="member")
    consortium.enrol("AlphaMSP", "nurse", role="member")
    issued = CertificateAuthority.load(tmp_path / "beta").issue("nurse", role="member")
    with connect(consortium.url, identity=issued) as session:
        assert [member.mspid for member in session.council.members()] == ["AlphaMSP", "BetaMSP", "GammaMSP"]
