"""The validation query: a node scores the others' models on its own data (BPCV-FL, 4.1)."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp.typing import ClientAppCallable

from fedpact import Session
from fedpact.rules import NOT_ASKED, UNAVAILABLE
from fedpact_flower.arrays import Model, ModelCache, UnusableModel
from fedpact_flower.client.member import Evaluate, Member, remembered_secret
from fedpact_flower.phases import ANSWER, QUESTION, RoundCall, integers, score_key

NANO = 10**9
MAX_SCORE = 10**9
"""Scores are cut here: an error of 1e9 says the same as an infinite one."""

log = logging.getLogger(__name__)


def validator(evaluate: Evaluate, member: Member | None = None) -> ClientAppCallable:
    """Make the handler of the validation query.

    The node scores every model that it is asked about. A model that is not there, whose hash is not the
    one that its owner recorded, or that cannot be evaluated is `UNAVAILABLE`. With a member the scores go
    onto the ledger in a transaction of the node's own; without, into the reply only.

    Parameters
    ----------
    evaluate : the model's quality on the node's own data.
    member : None where there is no ledger.

    Examples
    --------
    >>> app.query("mutual_validate")(validator(accuracy, member))  # doctest: +SKIP
    """
    cache = ModelCache() if member is None else member.cache

    def validate(message: Message, context: Context) -> Message:
        question = message.content.config_records[QUESTION]
        participants, asked = int(str(question["participants"])), integers(question, "asked")
        given = dict(message.content.array_records)  # a view that Flower builds anew at each access
        models = {position: _usable(given.get(score_key(position)), cache) for position in asked}
        if member is None:
            scores = _scores(models, participants, evaluate, context)
        else:
            call, session = member.enter(message, context)
            recorded = _recorded(session, call)
            genuine = {
                position: model if model and model.digest == recorded.get(position) else None
                for position, model in models.items()
            }
            scores = _scores(genuine, participants, evaluate, context)
            secret = remembered_secret(call, context)
            session.training.record_scores(call.task_id, call.number, scores, secret=secret)
            log.info("%s: scores of round %d of task %s", session.identity.id, call.number, call.task_id)
        return Message(RecordDict({ANSWER: ConfigRecord({"scores": scores})}), reply_to=message)

    return validate


def nanos(score: float) -> int:
    """Return a score in 1e-9, as the ledger keeps it.

    Raises
    ------
    ValueError
        It is neither an accuracy nor an error: negative, or not a number.
    """
    if math.isnan(score) or score < 0:
        raise ValueError(f"a score is a number of 0 or more, not {score}")
    return round(min(score, float(MAX_SCORE)) * NANO)


def _recorded(session: Session, call: RoundCall) -> dict[int, str]:
    """Return the recorded hash of each participant, by position."""
    state = session.training.round(call.task_id, call.number)
    position = {node: place for place, node in enumerate(state.participants)}
    return {position[update.node]: update.model for update in state.updates}


def _usable(record: ArrayRecord | None, cache: ModelCache) -> Model | None:
    if record is None:
        return None
    try:
        model = cache.model_of(record)
    except UnusableModel:
        return None
    return model if model.finite else None


def _scores(
    models: Mapping[int, Model | None], participants: int, evaluate: Evaluate, context: Context
) -> list[int]:
    """Evaluate models; return a score for each participant, by position.

    A model on which the evaluation fails is unavailable; if it fails on every model, it is the node's own
    evaluation that is broken, and nobody else is blamed for that.
    """
    scores = [NOT_ASKED] * participants
    failures: list[Exception] = []
    for position, model in models.items():
        scores[position] = UNAVAILABLE
        if model is None:
            continue
        try:
            scores[position] = nanos(evaluate(model.arrays, context))
        except Exception as error:
            failures.append(error)
    if failures and not _any_scored(scores):
        raise failures[0]
    return scores


def _any_scored(scores: Sequence[int]) -> bool:
    return any(score >= 0 for score in scores)
