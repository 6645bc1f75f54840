"""The training mod: what a client sends back is recorded first, under its own identity."""

from __future__ import annotations

import logging

from flwr.app import ArrayRecord, ConfigRecord, Context, Message
from flwr.clientapp.typing import ClientAppCallable, Mod

from fedpact import Rejected, Session
from fedpact.models import ModelRef
from fedpact_flower.arrays import Model
from fedpact_flower.client.member import Member, make_secret
from fedpact_flower.phases import RECORDED, RoundCall

log = logging.getLogger(__name__)


def recorded_client(member: Member) -> Mod:
    """Make the mod that records a node's update on the ledger before the reply leaves the node.

    It stores the model in the session's model store (where there is one) and records its hash, size,
    place, privacy spending and the commitment for the next draw, in one transaction. What the ledger
    refuses (a spent budget, an elimination, a closed round) never leaves the node: the refusal is raised
    and Flower turns it into an error reply.

    Examples
    --------
    >>> @app.train(mods=[recorded_client(member)])  # doctest: +SKIP
    ... def train(message, context): ...
    """

    def record(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        call, session = member.enter(message, context)
        reply = call_next(message, context)
        if reply.has_error():
            return reply
        model = member.cache.model_of(_only_arrays(reply))
        commitment, _ = make_secret(call, context, session)
        try:
            session.training.record_update(
                call.task_id,
                call.number,
                _stored(member, session, model),
                commitment=commitment,
                events=member.spends(reply),
            )
        except Rejected as rejected:
            if not _recorded_before(rejected, call, session, model):
                raise
        log.info("%s: update of round %d of task %s", session.identity.id, call.number, call.task_id)
        reply.content[RECORDED] = ConfigRecord({"node": session.identity.id, "model": model.digest})
        return reply

    return record


def _recorded_before(rejected: Rejected, call: RoundCall, session: Session, model: Model) -> bool:
    """Whether the node recorded this very model already: it is asked again when a server starts again."""
    if rejected.code.name != "RECORD_EXISTS":
        return False
    updates = session.training.round(call.task_id, call.number).updates
    return any(update.node == session.identity.id and update.model == model.digest for update in updates)


def _only_arrays(reply: Message) -> ArrayRecord:
    records = list(reply.content.array_records.values())
    if len(records) != 1:
        raise ValueError(f"a recorded reply has one array record, not {len(records)}")
    return records[0]


def _stored(member: Member, session: Session, model: Model) -> ModelRef:
    """Store the model; without a store it is only to be had from the message itself."""
    if session.models is None:
        return ModelRef(model.digest, model.size_bytes, f"message://{model.digest}")
    return session.models.put(model.arrays, recipients=member.recipients)
