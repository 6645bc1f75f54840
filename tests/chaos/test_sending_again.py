"""An envelope that is submitted again after a restart: the ledger knows it, the node's memory does not."""

import time

from fabric_protos.gateway import gateway_pb2
from tests.chaos.founding import CHANNEL, found

from fedpact.gateway.client import Gateway
from fedpact.testing import probe
from fedpact.wire.commits import ValidationCode
from fedpact_network.embedded.backend import EmbeddedBackend

CALL = ("cells:create", b'{"shelf":"s","place":"p","text":"x"}')
ASKED_S = 10.0


def test_whoever_submits_again_hears_the_first_verdict_at_once(folder):
    place = found(folder)

    def opened():
        return EmbeddedBackend.open(place.url, chaincodes={probe.NAME: probe.chaincode()})

    def client(ledger):
        return Gateway(ledger.transport(), place.alice, channel_id=CHANNEL, chaincode=probe.NAME)

    with opened() as ledger:
        transaction = client(ledger).new_proposal(*CALL).endorse()
        block = transaction.submit().result().block_number
        data = transaction.to_bytes()
    signature = gateway_pb2.PreparedTransaction.FromString(data).envelope.signature
    with opened() as ledger:
        commit = client(ledger).signed_transaction(data, signature).submit()
        begin = time.monotonic()
        assert commit.status(timeout_s=ASKED_S) == (ValidationCode.VALID, block)
        assert time.monotonic() - begin < ASKED_S / 2
