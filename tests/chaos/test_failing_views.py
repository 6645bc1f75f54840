"""A database that fails while its log is folded in, in the node's own process: nobody waits for ever."""

import threading
from contextlib import suppress

import pytest
from sqlalchemy.exc import OperationalError
from tests.chaos.founding import CHANNEL, found

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.errors import EndorseError, OutcomeUnknown
from fedpact.gateway.transport import Status
from fedpact.ledger import LedgerError
from fedpact.testing import probe
from fedpact_network.embedded import database_sqlite
from fedpact_network.embedded.backend import EmbeddedBackend

CALL = ("cells:write", b'{"shelf":"s","place":"p","text":"x"}')


@pytest.fixture
def place(folder):
    return found(folder)


def opened(place):
    return EmbeddedBackend.open(place.url, chaincodes={probe.NAME: probe.chaincode()})


def gateway(place, ledger):
    deadlines = Deadlines(endorse_s=5, submit_s=5, commit_s=5)
    return Gateway(
        ledger.transport(),
        place.alice,
        channel_id=CHANNEL,
        chaincode=probe.NAME,
        deadlines=deadlines,
        retries=Retries(resends=0),
    )


def test_a_log_that_cannot_be_folded_in_stops_the_node_and_holds_up_nobody(place, monkeypatch):
    def fail(self, connection):
        raise OperationalError("PRAGMA wal_checkpoint", None, OSError("disk I/O error"))

    with opened(place) as ledger:
        client = gateway(place, ledger)
        client.submit(*CALL)
        monkeypatch.setattr(database_sqlite, "CHECKPOINT_BYTES", 0)
        monkeypatch.setattr(database_sqlite.SqliteDatabase, "checkpoint", fail)
        with pytest.raises(OutcomeUnknown) as caught:
            client.submit(*CALL)
        assert caught.value.status is Status.UNAVAILABLE
        refused = []

        def call():
            with suppress(AssertionError), pytest.raises(EndorseError) as error:
                client.new_proposal(*CALL).endorse()
            refused.append(error.value.status)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(10)
        assert refused == [Status.UNAVAILABLE]


def test_a_log_that_cannot_be_folded_in_at_the_start_is_a_ledger_error(place, monkeypatch):
    monkeypatch.setattr(database_sqlite, "CHECKPOINT_BYTES", -1)
    raw = database_sqlite.SqliteDatabase.checkpoint

    class Broken:
        connection = property(lambda self: self)
        driver_connection = property(lambda self: self)

        def execute(self, statement):
            if "checkpoint" in statement:
                raise database_sqlite.sqlite3.OperationalError("disk I/O error")
            return self

        def close(self):
            pass

    monkeypatch.setattr(database_sqlite.SqliteDatabase, "must_checkpoint", lambda self: True)
    monkeypatch.setattr(database_sqlite.SqliteDatabase, "checkpoint", lambda self, _: raw(self, Broken()))
    with pytest.raises(LedgerError):
        opened(place)
