"""Sessions: how they reach a ledger, share it, and who they let into a model store."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fedpact import CertificateAuthority, Consortium, LedgerError, ModelStore, Rejected, connect, open_ledger
from fedpact.gateway.errors import GatewayError
from fedpact.gateway.local import LocalTransport
from fedpact.identity import Identity
from fedpact.models import ModelCode, ModelError
from fedpact.records import NodeKind

NODE = "AlphaMSP/node"


@pytest.fixture
def consortium(home: Path) -> Consortium:
    return Consortium.open(home)


def test_sessions_of_one_process_share_a_ledger_and_the_last_closes_it(consortium: Consortium) -> None:
    first = connect(consortium.url, identity=consortium.identity(NODE))
    second = connect(consortium.url, identity=consortium.identity("BetaMSP/node"))
    assert first.ledger is second.ledger
    with pytest.raises(LedgerError, match="LEDGER_BUSY"):
        open_ledger(consortium.url)
    first.close()
    first.close()
    assert len(second.council.members()) == 3
    second.close()
    open_ledger(consortium.url).close()


def test_a_ledger_that_the_caller_opened_stays_open(consortium: Consortium) -> None:
    with closing(open_ledger(consortium.url)) as ledger:
        with connect(ledger, identity=consortium.identity(NODE)) as session:
            assert session.ledger is ledger
        assert ledger.height() > 1
        connect(ledger, identity=consortium.identity(NODE)).council.members()


def test_a_session_over_a_socket_does_the_same_but_has_no_ledger(consortium: Consortium) -> None:
    with closing(open_ledger(consortium.url)) as ledger:
        address = ledger.local_address()
        assert address.startswith("unix://")
        with connect(address, identity=consortium.identity(NODE)) as session:
            assert session.ledger is None
            assert session.credit.account().id == NODE
            with pytest.raises(ValueError, match="connect by its URL"):
                session.audit.run()
        assert LocalTransport(address).path


def test_a_ledger_that_is_not_there_says_so(consortium: Consortium, tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as caught:
        connect(f"embedded://{tmp_path}/none.db", identity=consortium.identity(NODE))
    assert caught.value.code == "NO_SUCH_LEDGER"


def test_the_sessions_clock_dates_its_transactions(consortium: Consortium) -> None:
    now_ns = time.time_ns() + 5_000_000_000
    identity = consortium.identity("GammaMSP/researcher")
    with connect(consortium.url, identity=identity, clock_ns=lambda: now_ns) as session:
        node = session.council.register_node(NodeKind.PROVIDER)
        assert node.since_ms == session.time_ms == now_ns // 1_000_000


def test_the_ledger_refuses_a_clock_far_from_its_own(consortium: Consortium) -> None:
    early_ns = time.time_ns() - 200 * 10**9  # beyond the tolerance of a minute, within certificates
    identity = consortium.identity(NODE)
    with (
        connect(consortium.url, identity=identity, clock_ns=lambda: early_ns) as session,
        pytest.raises(GatewayError, match="time is off by"),
    ):
        session.credit.account()


def test_a_refusal_of_the_contract_is_raised_again_here(consortium: Consortium) -> None:
    with connect(consortium.url, identity=consortium.identity(NODE)) as session:
        with pytest.raises(Rejected) as caught:
            session.credit.transfer("BetaMSP", 5)
        assert caught.value.code.name == "INSUFFICIENT_CREDIT"
        assert caught.value.fields["amount"] == 5
        assert caught.value.transaction_id


def test_a_session_never_shows_its_keys(consortium: Consortium) -> None:
    with connect(consortium.url, identity=consortium.identity(NODE), retrieval_key=b"k" * 32) as session:
        assert repr(session) == "Session(AlphaMSP/node)"


def models(consortium: Consortium, home: Path, identity: Identity) -> ModelStore:
    with connect(consortium.url, identity=identity, models=str(home / "models")) as session:
        assert session.models is not None
        return session.models


def test_a_store_opened_by_url_takes_models_of_members_only(consortium: Consortium, home: Path) -> None:
    reader = consortium.identity("BetaMSP/node")
    mine = models(consortium, home, consortium.identity(NODE))
    taken = mine.put({"w": np.ones(2)}, recipients=[reader.certificate_pem])
    assert models(consortium, home, reader).get(taken.hash)["w"].tolist() == [1, 1]

    stranger = CertificateAuthority.create("Alpha", "AlphaMSP").issue("node", role="member")
    forged = ModelStore(str(home / "models"), stranger).put(
        {"w": np.zeros(2)}, recipients=[reader.certificate_pem]
    )
    with pytest.raises(ModelError) as caught:
        models(consortium, home, reader).get(forged.hash)
    assert caught.value.code is ModelCode.BAD_SIGNATURE
    # a store that does not know the members cannot tell
    assert ModelStore(str(home / "models"), reader).get(forged.hash)["w"].tolist() == [0, 0]


def test_a_store_given_as_an_object_is_used_as_it_is(consortium: Consortium, home: Path) -> None:
    identity = consortium.identity(NODE)
    store = ModelStore(str(home / "models"), identity)
    with connect(consortium.url, identity=identity, models=store) as session:
        assert session.models is store
    with connect(consortium.url, identity=identity) as session:
        assert session.models is None
