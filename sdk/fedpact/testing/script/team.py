"""The script's second act: a request, a task, a team with mortgages."""

from __future__ import annotations

from fedpact.testing.script.cast import AGGREGATOR, LEADER, NODES, RESEARCHER, Cast
from fedpact.testing.script.founding import CATEGORY, dataset_of
from fedpact_chaincode.contracts.tasks.records import LearningKind
from fedpact_chaincode.contracts.tasks.transactions import CreateTask

TASK = "progression"
FINGERPRINT = "5a" * 32
ROUNDS = 2


def form(cast: Cast) -> None:
    """Ask, miss the cache, fund a task, form its team and start it."""
    asked = cast.acts(RESEARCHER).sharing.request("first", FINGERPRINT, CATEGORY, max_age_ms=10**6)
    terms = CreateTask(
        id=TASK,
        category=CATEGORY,
        kind=LearningKind.REGRESSION,
        rounds=ROUNDS,
        deadline_ms=cast.now_ms + 10**7,
        reward_per_round=101,
        team_size=len(NODES),
        min_mortgage=500,
        privacy_required=True,
        fingerprint=FINGERPRINT,
        request_id=asked.id,
    )
    cast.acts(RESEARCHER).tasks.create(terms)
    cast.acts(LEADER).tasks.open_team(TASK, dataset_of(LEADER), mortgage=1_000)
    for rank, node in enumerate(node for node in NODES if node != LEADER):
        preference = 0.5 + rank / 8
        cast.acts(node).tasks.apply(TASK, dataset_of(node), mortgage=500, preference=preference)
        cast.acts(LEADER).tasks.assess(TASK, node, ability=0.25)
    cast.acts(LEADER).tasks.form(TASK)
    cast.acts(LEADER).tasks.start(TASK)
    cast.acts(RESEARCHER).tasks.appoint(TASK, AGGREGATOR)
