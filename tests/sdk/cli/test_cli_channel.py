"""`fedpact channel`, revocation, and the node's keys, from the shell of several administrators."""

from __future__ import annotations

import datetime
from contextlib import closing
from pathlib import Path

import pytest
from tests.network.server.conftest import TlsAuthority

from fedpact import Consortium
from fedpact.identity import Wallet
from fedpact.ledger import inspect_ledger, open_ledger
from fedpact_network.server.server import serve
from fedpact_network.server.settings import ServerSettings, Tls

ALPHA, BETA, GAMMA = "AlphaMSP/admin", "BetaMSP/admin", "GammaMSP/admin"


def configured(fedpact) -> dict[str, object]:
    return fedpact.ok("channel", "show", who=ALPHA).one


def test_what_is_in_force_is_shown(fedpact) -> None:
    shown = configured(fedpact)
    assert (shown["channel_id"], shown["sequence"], shown["block_number"]) == ("consortium", 0, 0)
    assert shown["organisations"] == ["AlphaMSP", "BetaMSP", "GammaMSP"]
    assert shown["batch"]["timeout_ms"] == 20
    assert shown["policies"]["/Channel/Application/Admins"] == "MAJORITY Admins"
    assert shown["policies"]["/Channel/Application/BetaMSP/Admins"] == "OR('BetaMSP.admin')"
    rows = fedpact.ok("channel", "members", who=ALPHA).lines
    assert [(row["mspid"], row["application"], row["orders"], row["revoked"]) for row in rows] == [
        (mspid, True, True, 0) for mspid in ("AlphaMSP", "BetaMSP", "GammaMSP")
    ]
    assert datetime.datetime.fromisoformat(rows[0]["roots_end"]) > datetime.datetime.now(datetime.UTC)


def test_a_change_from_proposal_to_force(fedpact, tmp_path: Path) -> None:
    update, signed = tmp_path / "update.pb", tmp_path / "signed.pb"
    proposed = fedpact.ok(
        "channel", "propose", "--batch-timeout-ms", "45", "--max-messages", "7", "--max-bytes", "100000",
        "--policy", "/Channel/Application/Endorsement=ANY Endorsement", "--output", update,
        who="AlphaMSP/node",
    ).one  # fmt: skip
    assert {change["path"] for change in proposed["changes"]} == {
        "/Channel/Application/Endorsement",
        "/Channel/Orderer/BatchSize",
        "/Channel/Orderer/BatchTimeout",
    }
    assert not any(change["satisfied"] for change in proposed["changes"])
    fedpact.ok("channel", "sign", update, "--output", signed, who=BETA)
    view = fedpact.ok("channel", "sign", update, who=ALPHA).one
    assert view == {"file": str(update), "signer": ALPHA, "signatures": 1}
    said = fedpact.refused("channel", "submit", update, who=GAMMA)
    assert "NOT_AUTHORISED" in said
    assert not fedpact.ok("channel", "review", update, who=GAMMA).one["ready"]
    reviewed = fedpact.ok("channel", "review", update, signed, who=GAMMA).one
    assert (reviewed["ready"], reviewed["signers"]) == (True, [ALPHA, BETA])
    assert configured(fedpact)["sequence"] == 0
    done = fedpact.ok("channel", "submit", update, signed, who="AlphaMSP/node").one
    shown = configured(fedpact)
    assert (shown["sequence"], shown["block_number"]) == (1, done["block_number"])
    assert shown["batch"] == {
        "max_messages": 7, "max_bytes": 100000, "absolute_max_bytes": 16777216, "timeout_ms": 45,
    }  # fmt: skip
    assert shown["policies"]["/Channel/Application/Endorsement"] == "ANY Endorsement"
    assert "BAD_VERSION" in fedpact.refused("channel", "submit", update, signed, who=ALPHA)
    assert "STALE" in fedpact.refused("channel", "review", update, who=ALPHA)
    assert fedpact.ok("audit").one["ok"]


def test_mistakes_cost_nothing(fedpact, tmp_path: Path, patients: Path) -> None:
    update = tmp_path / "update.pb"
    propose = ("channel", "propose", "--output", update)
    assert "what is to be changed" in fedpact.refused(*propose, who=ALPHA, code=2)
    assert "not in the channel" in fedpact.refused(
        *propose, "--remove-organisation", "NoMSP", who=ALPHA, code=2
    )
    fedpact.refused(*propose, "--policy", "/Channel/Application/Admins=SOME", who=ALPHA)
    fedpact.refused(*propose, "--policy", "nothing", who=ALPHA, code=2)
    fedpact.refused(*propose, "--add-organisation", patients, who=ALPHA, code=2)
    fedpact.refused(*propose, "--revoke", patients, who=ALPHA)
    fedpact.refused(*propose, "--revocation-list", f"AlphaMSP={patients}", who=ALPHA)
    assert "no file" in fedpact.refused(
        *propose, "--revocation-list", f"AlphaMSP={tmp_path / 'none'}", who=ALPHA
    ).lower().replace("no such file", "no file")
    assert "NO_CHANGE" in fedpact.refused(*propose, "--batch-timeout-ms", "20", who=ALPHA)
    assert not update.exists()
    fedpact.ok(*propose, "--batch-timeout-ms", "21", who=ALPHA)
    assert "there already" in fedpact.refused(*propose, "--batch-timeout-ms", "22", who=ALPHA)
    other = tmp_path / "other.pb"
    fedpact.ok("channel", "propose", "--batch-timeout-ms", "22", "--output", other, who=ALPHA)
    assert "one and the same" in fedpact.refused("channel", "submit", update, other, who=ALPHA)
    assert "MALFORMED" in fedpact.refused("channel", "sign", patients, who=ALPHA)
    assert "MALFORMED" in fedpact.refused("channel", "review", patients, who=ALPHA)
    assert configured(fedpact)["sequence"] == 0


def test_a_revoked_member_is_refused(fedpact, tmp_path: Path) -> None:
    height = inspected(fedpact).height()
    done = fedpact.ok("consortium", "revoke", "BetaMSP/node").one
    assert (done["id"], done["block_number"]) == ("BetaMSP/node", height)
    said = fedpact.refused("credit", "account", who="BetaMSP/node")
    assert "REVOKED" in said
    assert [row["revoked"] for row in fedpact.ok("channel", "members", who=ALPHA).lines] == [0, 1, 0]
    # Renewed, she is back; and a certificate that is not in the wallet any more is revoked by its file.
    fedpact.ok("consortium", "enrol", "BetaMSP/node", "--renew")
    fedpact.ok("credit", "account", who="BetaMSP/node")
    certificate = tmp_path / "certificate.pem"
    consortium = Consortium.open(fedpact.home)
    certificate.write_bytes(consortium.identity("BetaMSP/node").certificate_pem)
    fedpact.ok("consortium", "enrol", "BetaMSP/node", "--renew")
    fedpact.ok("consortium", "revoke", "--certificate", certificate)
    fedpact.ok("credit", "account", who="BetaMSP/node")
    assert [row["revoked"] for row in fedpact.ok("channel", "members", who=ALPHA).lines] == [0, 2, 0]
    # The same by hand: proposed, signed by the organisation's own administrator, submitted by another's.
    update = tmp_path / "update.pb"
    certificate.write_bytes(consortium.identity("AlphaMSP/node").certificate_pem)
    fedpact.ok("channel", "propose", "--revoke", certificate, "--output", update, who=GAMMA)
    fedpact.ok("channel", "sign", update, who=ALPHA)
    fedpact.ok("channel", "submit", update, who=GAMMA)
    assert "REVOKED" in fedpact.refused("credit", "account", who="AlphaMSP/node")
    assert fedpact.ok("audit").one["ok"]
    assert "either" in fedpact.refused("consortium", "revoke", code=2)
    assert "NOT_AUTHORISED" in fedpact.refused("consortium", "revoke", "BetaMSP/admin", who=ALPHA)
    fedpact.refused("consortium", "revoke", "BetaMSP/nobody", code=2)


def test_an_organisation_joins_with_a_home_of_its_own(fedpact, tmp_path: Path) -> None:
    home, described, update = tmp_path / "delta", tmp_path / "delta.json", tmp_path / "update.pb"
    join = ("consortium", "join", "--organisation", "DeltaMSP=Delta", "--home", home)
    key = ("--retrieval-key", fedpact.home / "retrieval.key")
    url = Consortium.open(fedpact.home).url
    joined = fedpact.ok(*join, *key, "--url", url).one
    assert (joined["organisations"], joined["identities"]) == ({"DeltaMSP": "Delta"}, ["DeltaMSP/admin"])
    fedpact.refused(*join, *key, "--url", url)
    assert "UNKNOWN_MSP" in fedpact.refused("credit", "account", "--home", home)
    described.write_text(fedpact.ok("consortium", "describe", "--home", home).out)
    assert "which organisation" in fedpact.refused("consortium", "describe", code=2)
    fedpact.ok("channel", "propose", "--add-organisation", described, "--output", update, who=ALPHA)
    for admin in (ALPHA, GAMMA):
        fedpact.ok("channel", "sign", update, who=admin)
    fedpact.ok("channel", "submit", update, who=ALPHA)
    fedpact.ok("credit", "account", "--home", home)
    anchors = tmp_path / "anchors.pb"
    fedpact.ok(
        "channel", "propose", "--anchor-peers", "DeltaMSP=a.example:1,b.example:2", "--output", anchors,
        "--home", home,
    )  # fmt: skip
    fedpact.ok("channel", "sign", anchors, "--home", home)
    fedpact.ok("channel", "submit", anchors, "--home", home)
    rows = {row["mspid"]: row for row in fedpact.ok("channel", "members", who=ALPHA).lines}
    assert rows["DeltaMSP"]["addresses"] == ["a.example:1", "b.example:2"]
    leave = tmp_path / "leave.pb"
    fedpact.ok("channel", "propose", "--remove-organisation", "DeltaMSP", "--output", leave, who=ALPHA)
    for admin in (ALPHA, BETA, GAMMA):
        fedpact.ok("channel", "sign", leave, who=admin)
    fedpact.ok("channel", "submit", leave, who=GAMMA)
    assert "UNKNOWN_MSP" in fedpact.refused("credit", "account", "--home", home)
    assert fedpact.ok("audit").one["ok"]


def test_expired_keys_of_the_node_are_replaced(fedpact) -> None:
    consortium = Consortium.open(fedpact.home)
    keys = Wallet(fedpact.home / "ledger.db.keys")
    rows = fedpact.ok("node", "keys", "show").lines
    assert [(row["plays"], row["id"], row["fault"]) for row in rows] == [
        ("peer", "AlphaMSP/peer0", ""),
        ("peer", "BetaMSP/peer0", ""),
        ("peer", "GammaMSP/peer0", ""),
        ("orderer", "AlphaMSP/orderer0", ""),
    ]
    beta = consortium.authorities["BetaMSP"]
    begin = beta.certificate.not_valid_before_utc
    expired = beta.issue(
        "peer0", role=None, ou="peer", not_before=begin, not_after=begin + datetime.timedelta(seconds=1)
    )
    keys.put("peer.BetaMSP", expired)
    assert "KEYS_UNUSABLE" in fedpact.refused("credit", "account", who="AlphaMSP/node", code=3)
    assert "EXPIRED" in fedpact.ok("node", "keys", "show").lines[1]["fault"]
    fedpact.ok("consortium", "enrol", "BetaMSP/peer0", "--role", "peer")
    replaced = fedpact.ok("node", "keys", "replace", "BetaMSP/peer0").one
    assert (replaced["plays"], replaced["id"], replaced["fault"]) == ("peer", "BetaMSP/peer0", "")
    fedpact.ok("consortium", "enrol", "AlphaMSP/orderer1", "--role", "orderer")
    assert fedpact.ok("node", "keys", "replace", "AlphaMSP/orderer1").one["plays"] == "orderer"
    fedpact.ok("consortium", "register-node", who="AlphaMSP/node")  # endorsed and ordered
    assert fedpact.ok("audit").one["ok"]


@pytest.mark.parametrize(
    ("role", "who", "reason"),
    [
        ("member", "AlphaMSP/somebody", "plays no peer or orderer"),
        ("admin", "AlphaMSP/second", "plays no peer or orderer"),
        ("orderer", "BetaMSP/orderer0", "plays no peer or orderer"),
    ],
)
def test_only_peers_and_orderers_of_the_same_organisation_replace_them(
    fedpact, role: str, who: str, reason: str
) -> None:
    before = fedpact.ok("node", "keys", "show").out
    fedpact.ok("consortium", "enrol", who, "--role", role)
    said = fedpact.refused("node", "keys", "replace", who, code=3)
    assert "KEYS_UNUSABLE" in said
    assert reason in said
    assert fedpact.ok("node", "keys", "show").out == before
    assert fedpact.ok("audit").one["ok"]


def test_strangers_and_revoked_peers_replace_no_keys(fedpact, tmp_path: Path) -> None:
    home = tmp_path / "delta"
    key, url = fedpact.home / "retrieval.key", Consortium.open(fedpact.home).url
    fedpact.ok(
        "consortium", "join", "--organisation", "AlphaMSP=Alpha", "--home", home,
        "--retrieval-key", key, "--url", url,
    )  # fmt: skip
    fedpact.ok("consortium", "enrol", "AlphaMSP/peer0", "--role", "peer", "--home", home)
    said = fedpact.refused("node", "keys", "replace", "AlphaMSP/peer0", "--wallet", home / "wallet", code=3)
    assert "FOREIGN_CA" in said
    fedpact.ok("consortium", "enrol", "AlphaMSP/peer1", "--role", "peer")
    fedpact.ok("consortium", "revoke", "AlphaMSP/peer1")
    assert "REVOKED" in fedpact.refused("node", "keys", "replace", "AlphaMSP/peer1", code=3)
    assert "NO_SUCH_LEDGER" in fedpact.refused(
        "node", "keys", "show", f"embedded://{tmp_path}/none.db", code=3
    )


def inspected(fedpact):
    return inspect_ledger(Consortium.open(fedpact.home).url)


def test_the_same_through_a_served_node(fedpact, tmp_path: Path) -> None:
    authority, update = TlsAuthority("tls"), tmp_path / "update.pb"
    certificate, key = authority.issue("localhost")
    (tmp_path / "roots.pem").write_bytes(authority.root)
    settings = ServerSettings(
        listen="localhost:0", tls=Tls(certificate=certificate, key=key), operations=None
    )
    with (
        closing(open_ledger(Consortium.open(fedpact.home).url)) as ledger,
        serve(ledger, settings) as server,
    ):
        fedpact.set(FEDPACT_URL=f"grpcs://{server.address}?tls_roots={tmp_path / 'roots.pem'}")
        fedpact.ok("channel", "propose", "--max-messages", "3", "--output", update, who=ALPHA)
        for admin in (BETA, GAMMA):
            fedpact.ok("channel", "sign", update, who=admin)
        fedpact.ok("channel", "submit", update, who=ALPHA)
        fedpact.ok("consortium", "revoke", "BetaMSP/node")
        assert "REVOKED" in fedpact.refused("credit", "account", who="BetaMSP/node")
        shown = configured(fedpact)
        assert (shown["sequence"], shown["batch"]["max_messages"]) == (2, 3)
        assert shown["block_number"] == ledger.bundle.block_number
    assert "refused" in fedpact.refused("channel", "show", who=ALPHA, code=3).lower()
