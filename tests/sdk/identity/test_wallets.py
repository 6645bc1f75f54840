from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from fedpact.identity import CertificateAuthority, Identity, IdentityError, Wallet


@pytest.fixture(scope="module")
def alice() -> Identity:
    return CertificateAuthority.create("Org 1", "Org1MSP").issue("Alice", role="member")


@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_round_trip(tmp_path: Path, alice: Identity, password: bytes | None) -> None:
    wallet = Wallet(tmp_path / "wallet")
    wallet.put("alice", alice, password)
    again = wallet.get("alice", password)
    assert again.creator == alice.creator
    alice.public_key.verify(again.sign(b"m"), b"m", again.signer._algorithm)  # type: ignore[attr-defined]


def test_files_are_private_and_in_the_format_of_fabrics_wallets(tmp_path: Path, alice: Identity) -> None:
    Wallet(tmp_path / "wallet").put("alice", alice)
    file = tmp_path / "wallet" / "alice.id"
    assert [path.name for path in file.parent.iterdir()] == ["alice.id"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    document = json.loads(file.read_text())
    assert (document["mspId"], document["type"], document["version"]) == ("Org1MSP", "X.509", 1)
    assert document["credentials"]["privateKey"].startswith("-----BEGIN PRIVATE KEY-----")


def test_list_replace_and_remove(tmp_path: Path, alice: Identity) -> None:
    wallet = Wallet(tmp_path)
    assert wallet.list() == ()
    wallet.put("b", alice)
    wallet.put("a.1", alice)
    wallet.put("b", alice)
    assert wallet.list() == ("a.1", "b")
    assert "b" in wallet
    wallet.remove("b")
    assert wallet.list() == ("a.1",)
    for missing in (wallet.get, wallet.remove):
        with pytest.raises(IdentityError) as caught:
            missing("b")
        assert caught.value.code == "NOT_IN_WALLET"


@pytest.mark.parametrize("label", ["", "../alice", "a/b", ".hidden", "a\0", "ä", "x" * 129])
def test_labels_never_leave_the_folder(tmp_path: Path, alice: Identity, label: str) -> None:
    with pytest.raises(IdentityError) as caught:
        Wallet(tmp_path).put(label, alice)
    assert caught.value.code == "BAD_NAME"


def test_wrong_password(tmp_path: Path, alice: Identity) -> None:
    wallet = Wallet(tmp_path)
    wallet.put("alice", alice, b"right")
    for password in (b"wrong", None):
        with pytest.raises(IdentityError) as caught:
            wallet.get("alice", password)
        assert caught.value.code == "KEY_LOCKED"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"credentials": 1, "mspId": "x"}', b"\xff\xfe", b"[" * 60_000, b" " * 70_000],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alice.id").write_bytes(content)
    with pytest.raises(IdentityError) as caught:
        Wallet(tmp_path).get("alice")
    assert caught.value.code == "MALFORMED"


def test_a_key_outside_memory_cannot_be_stored(tmp_path: Path, alice: Identity) -> None:
    class Token:
        def sign(self, message: bytes) -> bytes:
            return alice.sign(message)

    remote = Identity(alice.mspid, alice.certificate_pem, Token())
    assert remote.sign(b"m")
    with pytest.raises(IdentityError) as caught:
        Wallet(tmp_path).put("remote", remote)
    assert caught.value.code == "KEY_MISMATCH"
