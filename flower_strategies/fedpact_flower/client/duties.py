"""What members do besides training: prove who they are, seal a round as its leader, judge the final model."""

from __future__ import annotations

import logging

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from fedpact_flower.client.member import Evaluate, Member
from fedpact_flower.client.validation import nanos
from fedpact_flower.identification import answer
from fedpact_flower.phases import ANSWER, MODEL, QUESTION, octets, text

log = logging.getLogger(__name__)


class WrongModel(Exception):  # noqa: N818 - reads as what happened
    """A member was given another model than the ledger holds, and signs nothing about it."""


def identify(member: Member) -> ClientAppCallable:
    """Make the handler of the identification query: the node signs the server's challenge."""

    def handle(message: Message, context: Context) -> Message:
        _, session = member.enter(message, context)
        challenge = octets(message.content.config_records[QUESTION], "challenge")
        proof = answer(session.identity, challenge, context.node_id)
        reply = ConfigRecord({"node": session.identity.id, "signature": proof})
        return Message(RecordDict({ANSWER: reply}), reply_to=message)

    return handle


def seal(member: Member) -> ClientAppCallable:
    """Make the handler of the sealing query: the round's elected leader seals its accounts itself.

    It compares the global model's hash with the one that the aggregator recorded; the contract recomputes
    everything else and refuses whoever's turn it is not.
    """

    def handle(message: Message, context: Context) -> Message:
        call, session = member.enter(message, context)
        model = text(message.content.config_records[QUESTION], "model")
        session.training.seal(call.task_id, call.number, model)
        log.info("%s sealed round %d of task %s", session.identity.id, call.number, call.task_id)
        return Message(RecordDict(), reply_to=message)

    return handle


def approve(member: Member, evaluate: Evaluate) -> ClientAppCallable:
    """Make the handler of the approval query: a committee member measures the final model itself (Lu, III.D).

    What it records is the quality on its own data; whether that is within the tolerance of what the
    aggregator claims is for the contract to decide.

    Raises
    ------
    WrongModel
        The model that came is not the one whose hash the aggregator recorded; nothing is signed.
    """

    def handle(message: Message, context: Context) -> Message:
        call, session = member.enter(message, context)
        model = member.cache.model_of(message.content.array_records[MODEL])
        recorded = session.training.round(call.task_id, call.number).model
        if recorded is None or recorded.digest != model.digest:
            raise WrongModel(f"round {call.number} ended with another model than {model.digest}")
        quality = nanos(evaluate(model.arrays, context))
        session.training.approve(call.task_id, quality)
        reply = ConfigRecord({"quality_nano": quality})
        return Message(RecordDict({ANSWER: reply}), reply_to=message)

    return handle
