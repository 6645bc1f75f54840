"""The script's last acts: rounds that find a liar out, the committee, the delivery, a hit in the cache."""

from __future__ import annotations

import hashlib

from fedpact.models import ModelRef
from fedpact.testing.script.cast import AGGREGATOR, LIAR, NODES, RESEARCHER, Cast
from fedpact.testing.script.founding import CATEGORY
from fedpact.testing.script.team import FINGERPRINT, ROUNDS, TASK
from fedpact_chaincode.contracts.privacy.records import Gaussian, Laplace
from fedpact_chaincode.rules.evidence import NOT_ASKED
from fedpact_chaincode.rules.lottery import commitment_of

MECHANISMS = (
    Gaussian(noise_multiplier_nano=5_000_000_000, count=3),
    Laplace(epsilon_nano=10_000_000, count=2),
)
HONEST_ERROR, LIARS_ERROR = 45_000_000_000, 160_000_000_000
FINAL_ERROR = 44_123_456_789


def train(cast: Cast) -> None:
    """Play all rounds; the liar is eliminated as soon as the rules allow it."""
    for number in range(1, ROUNDS + 1):
        cast.acts(AGGREGATOR).training.open_round(TASK)
        opened = cast.acts(AGGREGATOR).training.round(TASK, number)
        participants = opened.participants
        for node in participants:
            cast.acts(node).training.record_update(
                TASK,
                number,
                _model(node, number),
                commitment=commitment_of(_secret(node, number)),
                events=MECHANISMS,
            )
        cast.acts(AGGREGATOR).training.begin_scoring(TASK, number)
        for node, asked in reversed(list(zip(participants, opened.asked, strict=True))):
            row = [
                _error(node, other, number) if place in asked else NOT_ASKED
                for place, other in enumerate(participants)
            ]
            secret = _secret(node, number)
            cast.acts(node).training.record_scores(TASK, number, row, secret=secret)
        cast.acts(RESEARCHER).training.close_round(TASK, number)
        model = _model("all", number)
        cast.acts(AGGREGATOR).training.record_global(TASK, number, model)
        election = cast.acts(AGGREGATOR).training.round(TASK, number).election
        if election is None:
            raise ValueError(f"round {number} has no election")
        cast.acts(election.ranking[0]).training.seal(TASK, number, model.hash)


def deliver(cast: Cast) -> None:
    """Have the committee measure, complete the task, deliver; ask again."""
    members = cast.acts(RESEARCHER).training.committee(TASK).members
    if members != [node for node in NODES if node != LIAR]:
        raise ValueError(f"the committee is {members}")
    for place, node in enumerate(members):
        cast.acts(node).training.approve(TASK, FINAL_ERROR + place * 10**8)
    cast.acts(RESEARCHER).training.complete(TASK)
    cast.acts(AGGREGATOR).sharing.deliver("AlphaMSP/first", TASK, note="encrypted for the researcher")
    cast.acts(RESEARCHER).sharing.request("second", FINGERPRINT, CATEGORY, max_age_ms=10**6)


def _model(node: str, number: int) -> ModelRef:
    digest = _digest("model", node, number)
    return ModelRef(hash=digest, size_bytes=4_096 + number, location=f"store://{digest}")


def _secret(node: str, number: int) -> str:
    return _digest("secret", node, number)


def _digest(what: str, node: str, number: int) -> str:
    return hashlib.sha256(f"{what} of {node} in round {number}".encode()).hexdigest()


def _error(validator: str, model: str, number: int) -> int:
    """Return the mean absolute error, 1e-9, that a validator measures; each has data of its own."""
    level = LIARS_ERROR if model == LIAR else HONEST_ERROR
    return level + 10**9 * NODES.index(validator) + 10**8 * NODES.index(model) - 10**9 * number
