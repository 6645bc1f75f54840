"""Which ledger and who acts: option before environment before home; what is missing is said in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fedpact import Consortium
from fedpact.gateway.connection import Retries
from fedpact.gateway.local_server import LocalServer
from fedpact.gateway.transport import Status, Transport, TransportError
from fedpact.identity import Wallet
from fedpact.ledger import inspect_ledger, open_ledger

ALPHA, BETA = "AlphaMSP/admin", "BetaMSP/admin"


def acting(answer) -> str:
    return answer.one["id"]


def test_an_option_comes_before_the_environment(fedpact) -> None:
    fedpact.set(FEDPACT_AS=ALPHA)
    assert acting(fedpact.ok("credit", "account")) == ALPHA
    assert acting(fedpact.ok("credit", "account", who=BETA)) == BETA


def test_a_home_given_as_an_option_comes_before_the_environment(fedpact, tmp_path: Path) -> None:
    home, fedpact.home = fedpact.home, None
    fedpact.set(FEDPACT_HOME=str(tmp_path / "elsewhere"))
    assert "no consortium was founded" in fedpact.refused("credit", "account", who=ALPHA, code=2)
    fedpact.ok("credit", "account", "--home", home, who=ALPHA)


def test_without_a_name_the_only_identity_acts(fedpact, tmp_path: Path) -> None:
    wallet = tmp_path / "mine"
    fedpact.ok("consortium", "enrol", "GammaMSP/guest", "--to-wallet", wallet)
    assert acting(fedpact.ok("credit", "account", "--wallet", wallet)) == "GammaMSP/guest"


@pytest.mark.parametrize(
    ("who", "hint"),
    [
        (None, "give --as (FEDPACT_AS); the wallet holds AlphaMSP/admin"),
        ("AlphaMSP/admn", "did you mean AlphaMSP/admin?"),
        ("Nobody", "it holds AlphaMSP/admin"),
        ("a b/c d", "it holds AlphaMSP/admin"),
    ],
)
def test_an_identity_that_is_not_there_is_a_usage_error(fedpact, who: str | None, hint: str) -> None:
    assert hint in fedpact.refused("credit", "account", who=who, code=2)


def test_nothing_said_is_a_usage_error(bare) -> None:
    assert "--home (FEDPACT_HOME)" in bare.refused("credit", "account", code=2)
    assert "--home (FEDPACT_HOME)" in bare.refused("audit", code=2)
    assert "--home (FEDPACT_HOME)" in bare.refused("consortium", "show", code=2)


def test_an_identity_needs_a_wallet(bare) -> None:
    message = bare.refused("credit", "account", "--url", "unix:///nowhere.sock", code=2)
    assert "--wallet" in message


@pytest.mark.parametrize(
    ("name", "content"), [("consortium.json", "{}"), ("consortium.json", "nonsense"), ("retrieval.key", None)]
)
def test_a_damaged_home_is_a_usage_error(fedpact, name: str, content: str | None) -> None:
    file = fedpact.home / name
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    message = fedpact.refused("credit", "account", who=ALPHA, code=2)
    assert "is damaged" in message or name in message


def test_a_member_elsewhere_has_a_url_a_wallet_with_a_password_and_the_retrieval_key(
    fedpact, tmp_path: Path
) -> None:
    password, key = tmp_path / "password", tmp_path / "retrieval.key"
    password.write_text("correct horse\n")
    key.write_bytes((fedpact.home / "retrieval.key").read_bytes())
    wallet, url = tmp_path / "member", f"embedded://{fedpact.home}/ledger.db"
    fedpact.ok("consortium", "enrol", "BetaMSP/doctor", "--to-wallet", wallet, "--password-file", password)
    fedpact.set(FEDPACT_HOME="", FEDPACT_URL=url, FEDPACT_WALLET=str(wallet))
    assert "KEY_LOCKED" in fedpact.refused("credit", "account")
    fedpact.set(FEDPACT_PASSWORD_FILE=str(password))
    assert acting(fedpact.ok("credit", "account")) == "BetaMSP/doctor"
    assert "FEDPACT_RETRIEVAL_KEY" in fedpact.refused("retrieval", "search", "--term", "x", code=2)
    fedpact.ok("retrieval", "search", "--term", "x", "--retrieval-key", key)
    password.write_text("wrong")
    assert "KEY_LOCKED" in fedpact.refused("credit", "account")


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "ü" * 64])
def test_another_file_is_no_key(fedpact, tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    message = fedpact.refused(
        "retrieval", "search", "--term", "x", "--retrieval-key", file, who=ALPHA, code=2
    )
    assert "64 hexadecimal digits" in message
    assert content[:8] not in message or not content


def test_no_command_takes_a_secret_itself(fedpact) -> None:
    for option in ("--key", "--password", "--secret"):
        assert "No such option" in fedpact.refused("credit", "account", option, "x", code=2)


class Socket:
    """A node of this process on a socket, as another process reaches it."""

    def __init__(self, transport: Transport, path: Path) -> None:
        self.transport = transport
        self.server = LocalServer(self, path)

    def evaluate(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self.transport.evaluate(request, timeout_s=timeout_s)

    def endorse(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self.transport.endorse(request, timeout_s=timeout_s)

    def submit(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self.transport.submit(request, timeout_s=timeout_s)

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        return self.transport.commit_status(request, timeout_s=timeout_s)

    def submit_and_wait(self, request: bytes, /, *, timeout_s: float) -> bytes:
        self.submit(request, timeout_s=timeout_s)
        return self.verdict_of(request, timeout_s)

    def verdict_of(self, request: bytes, timeout_s: float) -> bytes:
        return self.transport.submit_and_wait(request, timeout_s=timeout_s)

    def close(self) -> None:
        self.server.close()


class DeadAfterSubmit(Socket):
    """The transaction arrives, its verdict never does."""

    def verdict_of(self, request: bytes, timeout_s: float) -> bytes:
        raise TransportError(Status.UNAVAILABLE, "the line is dead")

    def commit_status(self, request: bytes, /, *, timeout_s: float) -> bytes:
        raise TransportError(Status.UNAVAILABLE, "the line is dead")


@pytest.fixture
def served(fedpact, tmp_path: Path) -> Iterator[Callable[[type[Socket]], str]]:
    opened: list[Socket] = []
    with closing(open_ledger(f"embedded://{fedpact.home}/ledger.db")) as ledger:

        def serve(kind: type[Socket]) -> str:
            opened.append(kind(ledger.transport(), tmp_path / "s.sock"))
            return opened[-1].server.address

        yield serve
        for one in opened:
            one.close()


def test_a_running_node_is_reached_through_its_socket(fedpact, served) -> None:
    url = served(Socket)
    assert acting(fedpact.ok("credit", "account", "--url", url, who=ALPHA)) == ALPHA


def test_while_a_node_runs_the_ledger_can_be_read_and_audited_but_not_opened_twice(fedpact, served) -> None:
    served(Socket)
    assert fedpact.ok("audit").one["ok"]
    assert "LEDGER_BUSY" in fedpact.refused("credit", "account", who=ALPHA, code=3)


def test_what_cannot_be_reached_exits_with_3(fedpact, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nobody.sock"
    assert "UNAVAILABLE" in fedpact.refused("credit", "account", "--url", nowhere, who=ALPHA, code=3)
    gone = f"embedded://{tmp_path}/gone.db"
    assert "NO_SUCH_LEDGER" in fedpact.refused("credit", "account", "--url", gone, who=ALPHA, code=3)
    assert "did you mean embedded://" in fedpact.refused("audit", "embeded:///x.db", code=3)


def committed(url: str, transaction: str) -> None:
    """Wait until the node has committed what it accepted before its answers were lost."""
    deadline = time.monotonic() + 20
    while True:
        with closing(inspect_ledger(url)) as ledger:  # each one shows the moment at which it was opened
            if ledger.locate(transaction) is not None:
                return
        assert time.monotonic() < deadline, "the transaction was not committed in time"
        threading.Event().wait(0.01)


def test_an_unknown_outcome_exits_with_4_and_names_the_transaction(
    fedpact, served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retries, "wait_s", lambda self, attempt: 0.0)
    url = served(DeadAfterSubmit)
    words = ["consortium", "propose", "funds", "issue_credit", "AlphaMSP", "--amount", "5"]
    message = fedpact.refused(*words, "--url", url, who=ALPHA, code=4)
    assert "fedpact ledger tx" in message
    transaction = message.split("transaction ")[1][:64]
    committed(Consortium.open(fedpact.home).url, transaction)
    shown = fedpact.ok("ledger", "tx", transaction).one
    assert (shown["code"], shown["function"]) == ("VALID", "registry:propose")


def test_the_wallet_of_a_home_is_private(fedpact) -> None:
    fedpact.ok("consortium", "enrol", "AlphaMSP/x")
    modes = {path.stat().st_mode & 0o777 for path in (fedpact.home / "wallet").iterdir()}
    assert modes == {0o600}
    assert "AlphaMSP@x" in Wallet(fedpact.home / "wallet").list()
