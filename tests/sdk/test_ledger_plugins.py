"""Finding a ledger's backend by its URL, through a real entry point of an installed distribution."""

import subprocess
import sys

import pytest

from fedpact.ledger import LedgerError, create_ledger, find_backend, open_ledger, without_password

MODULE = """
class Backend:
    @classmethod
    def create(cls, url, config, *, peers, orderer, clock_ns):
        return ("created", url, config, peers, orderer, clock_ns())

    @classmethod
    def open(cls, url, *, clock_ns):
        return ("opened", url, clock_ns())
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    (tmp_path / "paper_ledger.py").write_text(MODULE)
    info = tmp_path / "paper_ledger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper-ledger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fedpact.ledgers]\npaper = paper_ledger:Backend\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("paper_ledger", None)


@pytest.mark.parametrize("url", ["paper:///shelf/1", "paper+carbon://copy"])
def test_the_scheme_up_to_a_plus_names_the_backend(url):
    assert open_ledger(url, clock_ns=lambda: 7) == ("opened", url, 7)


def test_create_passes_everything_on():
    made = create_ledger("paper:///1", "config", peers=["peer"], orderer="orderer", clock_ns=lambda: 7)
    assert made == ("created", "paper:///1", "config", ["peer"], "orderer", 7)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("papr:///1", "did you mean paper://?"),
        ("zzz:///1", "known: "),
        ("paper", "did you mean paper://?"),
        ("", "known: "),
        ("/some/path", "known: "),
    ],
)
def test_an_unknown_scheme_names_what_there_is(url, hint):
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    assert (caught.value.code, caught.value.url) == ("UNKNOWN_SCHEME", url)
    assert hint in str(caught.value)


def test_the_product_registers_its_own_backend():
    """Without loading it: the entry point's name is enough to get past the look-up of the scheme."""
    with pytest.raises(LedgerError, match="did you mean embedded"):
        find_backend("embeded:///ledger.db")


def test_importing_the_protocols_loads_no_heavy_module():
    heavy = {"sqlalchemy", "grpc", "cryptography", "numpy", "google.protobuf", "fabric_protos"}
    code = "import sys, fedpact.ledger, fedpact.gateway.transport; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert heavy.isdisjoint(loaded.stdout.split())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("embedded:///a/b@c:d.db", "embedded:///a/b@c:d.db"),
        ("x://user@host:1/db?keys=/k", "x://user@host:1/db?keys=/k"),
        ("x://user:secret@host:1/db?keys=/a@b", "x://user@host:1/db?keys=/a@b"),
        ("x://user:se:c@ret@host/db", "x://user@host/db"),
        ("x://user:sec/ret@host/db", "x://user@host/db"),
        ("x://user:sec?r#et@host/db", "x://user@host/db"),
        ("x://user:sec://ret@host/db", "x://user@host/db"),
        ("x://host:5/db?mail=a@b", "x://host:5/db?mail=a@b"),
        ("user:secret@host", "user@host"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown == without_password(shown)
    assert LedgerError("LEDGER_BUSY", url, "taken").url == shown
    assert shown in str(LedgerError("LEDGER_BUSY", url, "taken"))
