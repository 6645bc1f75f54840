"""The clients' side: everything that a node does on the ledger, under its own identity.

::

    member = Member(session_of=lambda context: sessions[context.node_id])
    app = ClientApp()
    serve(app, member, accuracy)

    @app.train(mods=[recorded_client(member)])
    def train(message, context): ...
"""

from __future__ import annotations

from flwr.clientapp import ClientApp

from fedpact_flower.client.duties import WrongModel, approve, identify, seal
from fedpact_flower.client.member import Evaluate, Member, SessionOf
from fedpact_flower.client.recording import recorded_client
from fedpact_flower.client.validation import validator

__all__ = [
    "Evaluate",
    "Member",
    "SessionOf",
    "WrongModel",
    "approve",
    "identify",
    "recorded_client",
    "seal",
    "serve",
    "validator",
]


def serve(app: ClientApp, member: Member, evaluate: Evaluate) -> None:
    """Let an app answer all queries of a recorded task.

    Parameters
    ----------
    app : the nodes' app; its training function takes `recorded_client(member)` as a mod.
    member : sessions and settings.
    evaluate : a model's quality on the node's own data.
    """
    app.query("identify")(identify(member))
    app.query("mutual_validate")(validator(evaluate, member))
    app.query("seal")(seal(member))
    app.query("approve")(approve(member, evaluate))
