"""The clients' app: it trains; where the message belongs to a recorded round, it also records."""

from __future__ import annotations

from functools import cache

from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import ClientAppCallable, Mod

from fedpact import Session
from fedpact_flower.bench import processor_time
from fedpact_flower.bench.cnn import Trainer
from fedpact_flower.bench.team import Team
from fedpact_flower.client import Member, identify, recorded_client, seal
from fedpact_flower.phases import RoundCall


def client_app(trainer: Trainer, team: Team) -> ClientApp:
    """Make one app for both kinds of rounds, so that they run in the same processes on the same data.

    Parameters
    ----------
    trainer : what a client computes.
    team : who the clients are. Each worker process opens its clients' sessions through the ledger's socket.
    """
    address = team.ledger.local_address()

    @cache
    def open_session(partition: int) -> Session:
        return team.session(partition, address=address)

    def session_of(context: Context) -> Session:
        return open_session(int(context.node_config["partition-id"]))

    member = Member(session_of=session_of)
    app = ClientApp()
    app.train(mods=[_where_recorded(recorded_client(member))])(trainer.train)
    app.query("identify")(identify(member))
    app.query("seal")(seal(member))
    app.query("processor_time")(processor_time.answer)
    return app


def _where_recorded(mod: Mod) -> Mod:
    def apply(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        if RoundCall.of(message) is None:
            return call_next(message, context)
        return mod(message, context, call_next)

    return apply
