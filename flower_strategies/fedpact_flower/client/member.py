"""Who a client is on the ledger, and what it remembers between the phases of a round."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import ConfigRecord, Context, Message

from fedpact import Session
from fedpact.models import Array
from fedpact.rules import Mechanism, commitment_of
from fedpact_flower.arrays import ModelCache
from fedpact_flower.phases import RoundCall

SessionOf = Callable[[Context], Session]
Evaluate = Callable[[Mapping[str, Array], Context], float]
"""Quality of a model on the node's own data: accuracy in [0, 1], or mean absolute error >= 0."""

_SECRETS = "fedpact.secrets"


def spends_nothing(reply: Message) -> Sequence[Mechanism]:
    """Say that an update was released without differential privacy."""
    return ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """What a client app needs to act on the ledger under each node's own identity.

    Attributes
    ----------
    session_of : the session of the node whose context is given; the app keeps sessions itself.
    follow : sets simulated sessions' clock to a time in milliseconds; None: their clock runs by itself.
    spends : the privacy mechanisms that a reply to a training message releases.
    recipients : certificates (PEM) of who may open the stored models, besides their owner.
    cache : decoded models, for all nodes of this process.
    """

    session_of: SessionOf
    follow: Callable[[int], None] | None = None
    spends: Callable[[Message], Sequence[Mechanism]] = spends_nothing
    recipients: Sequence[bytes] = ()
    cache: ModelCache = field(default_factory=ModelCache)

    def enter(self, message: Message, context: Context) -> tuple[RoundCall, Session]:
        """Return the round that a message belongs to and the node's session, its clock set.

        Raises
        ------
        ValueError
            The message names no round: a member does nothing that the ledger does not know of.
        """
        call = RoundCall.expected(message)
        if self.follow is not None:
            self.follow(call.time_ms)
        return call, self.session_of(context)


def make_secret(call: RoundCall, context: Context, session: Session) -> tuple[str, str]:
    """Return commitment and secret of a round; the secret is chosen once and kept in the node's context.

    All secrets of a round together, once revealed, seed the next round's draws (domain: section 6). A
    secret is the hash of a signature, which nobody else can make; identities that sign deterministically
    make the same one again.

    Returns
    -------
    SHA-256 of the secret, and the secret itself, both hex.
    """
    known = remembered_secret(call, context)
    if known is not None:
        return commitment_of(known), known
    statement = f"fedpact/round-secret/1\n{call.task_id}\n{call.number}".encode()
    secret = hashlib.sha256(session.identity.sign(statement)).hexdigest()
    # one secret is enough: a node is in one round at a time
    context.state[_SECRETS] = ConfigRecord({"task_id": call.task_id, "round": call.number, "secret": secret})
    return commitment_of(secret), secret


def remembered_secret(call: RoundCall, context: Context) -> str | None:
    """Return the secret that the node committed to in this round; None if it did not."""
    record = context.state.config_records.get(_SECRETS)
    if record is None or (record["task_id"], record["round"]) != (call.task_id, call.number):
        return None
    return str(record["secret"])
