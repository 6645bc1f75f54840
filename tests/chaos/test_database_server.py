"""A ledger on PostgreSQL: the node is killed, its server crashes, its connections are cut."""

import os
import signal

import psycopg
import pytest
from tests.chaos.kills import campaign, serve
from tests.chaos.under_load import UnderLoad
from tests.postgresql_server import START_S, PostgresqlServer

KILLS = int(os.environ.get("FEDPACT_CHAOS_KILLS", "8")) // 2
ROUNDS = int(os.environ.get("FEDPACT_CHAOS_ROUNDS", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 20 * KILLS)]


class CrashingServer(PostgresqlServer):
    """A server that ends without writing anything more, and comes back."""

    def crash(self):
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(START_S)

    def restart(self):
        self._process = self._start()

    def cut_connections(self, schema_user="fedpact"):
        """End the sessions of all ledgers; return how many."""
        with self.connect() as connection:
            cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = %s"
            [count] = connection.execute(cut, (schema_user,)).fetchone()
        return count


@pytest.fixture(scope="module")
def server():
    made = CrashingServer()
    yield made
    made.close()


def test_nothing_is_lost_and_nothing_done_twice_over_many_kills(folder, seed, server):
    url = server.url(folder / "keys", server.new_schema())
    facts = campaign(folder, KILLS, seed, url=url)
    print(facts)
    assert facts["valid"] > KILLS


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("failure", ["the server crashes", "its connections are cut"])
def test_a_node_that_loses_its_database_stops_and_has_acknowledged_nothing_wrong(
    folder, seed, server, failure, turn
):
    run = UnderLoad(folder, seed + turn, server.url(folder / "keys", server.new_schema()))
    with run.clients():
        for _ in range(2):
            with run.life() as life:
                serve(run.place, life)
                run.referee.after_restart()
                run.some_are_acknowledged()
                prepared = run.prepared()
                if failure == "the server crashes":
                    server.crash()
                else:
                    assert server.cut_connections() >= 2
                run.stops_serving(prepared)
                assert life.process.poll() is None
            if failure == "the server crashes":
                with run.life() as life:
                    assert life.answer()[:2] == ["REFUSED", "DATABASE_UNREACHABLE:"]
                with pytest.raises(psycopg.OperationalError):
                    server.connect()
                server.restart()
        run.finish()
