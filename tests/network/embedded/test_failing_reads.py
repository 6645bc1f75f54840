"""A database that fails while a contract runs: that call has no answer, whatever the contract makes of it."""

from contextlib import suppress

import pytest
from sqlalchemy.exc import OperationalError

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Retries
from fedpact.gateway.errors import GatewayError
from fedpact.gateway.transport import Status
from fedpact.identity import CertificateAuthority
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact_chaincode.chaincode import Response
from fedpact_network.embedded.backend import EmbeddedBackend
from fedpact_network.embedded.reader import Reader
from fedpact_network.embedded.statements import PreparedSelect

CHANNEL = "consortium"


class Careless:
    """Does with an error of the database what contracts may do."""

    version = "1"

    def invoke(self, stub):
        operation = stub.args[0].decode()
        if operation == "passes on":
            stub.get_state("a")
        with suppress(Exception):
            stub.get_state("a")
        if operation == "scans":
            with suppress(Exception):
                list(stub.get_state_by_range("", ""))
        return Response(500, "no") if operation == "refuses" else Response(200, "", b"nothing there")


@pytest.fixture
def client(tmp_path):
    authority = CertificateAuthority.create("org1", "Org1MSP")
    with EmbeddedBackend.create(
        f"embedded://{tmp_path}/ledger.db",
        ChannelConfig(CHANNEL, (Organisation("Org1MSP", (authority.certificate_pem,)),)),
        peers=[authority.issue("peer0", role=None, ou="peer")],
        orderer=authority.issue("orderer0", role=None, ou="orderer"),
        chaincodes={"kv": Careless()},
    ) as ledger:
        yield Gateway(
            ledger.transport(),
            authority.issue("alice", role="member"),
            channel_id=CHANNEL,
            chaincode="kv",
            retries=Retries(resends=0),
        )


def fail(*_, **__):
    raise OperationalError("SELECT", None, OSError("disk I/O error"))


@pytest.mark.parametrize("operation", ["passes on", "swallows", "refuses", "scans"])
def test_no_answer_is_made_of_a_failed_read(client, monkeypatch, operation):
    with monkeypatch.context() as broken:
        broken.setattr(PreparedSelect, "first", fail)
        for call in (client.new_proposal(operation).endorse, client.new_proposal(operation).evaluate):
            with pytest.raises(GatewayError) as caught:
                call()
            assert caught.value.status is Status.UNAVAILABLE
    if operation != "refuses":
        assert client.evaluate(operation) == b"nothing there"


def test_a_block_that_cannot_be_judged_stops_the_node(client, monkeypatch):
    def known(reader, _):
        with reader._lock:
            fail()

    prepared = client.new_proposal("swallows").endorse()
    with monkeypatch.context() as broken:
        broken.setattr(Reader, "known", known)
        with pytest.raises(GatewayError) as caught:
            prepared.submit().result()
        assert caught.value.status is Status.UNAVAILABLE
    for call in (client.new_proposal("swallows").endorse, client.new_proposal("swallows").evaluate):
        with pytest.raises(GatewayError, match="the node's database failed"):
            call()
