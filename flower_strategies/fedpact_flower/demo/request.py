"""The researcher's request: the cache is asked, providers are found, a task is funded, a team forms."""

from __future__ import annotations

import numpy as np

from fedpact.datasets import Dataset
from fedpact.records import CreateTask, Elimination, LearningKind, Request, Rules, Task
from fedpact.retrieval import DataRequest, Match, fingerprint
from fedpact_flower.demo.clock import SimulatedClock
from fedpact_flower.demo.members import Cast
from fedpact_flower.demo.preparation import YEAR_MS, profile_of
from fedpact_flower.demo.settings import DemoSettings

TASK = "progression"
REWARD = 600_000
"""Micro-credits a round, known before anyone joins."""

MORTGAGE = 100_000
MARGINS = {LearningKind.REGRESSION: 500_000_000, LearningKind.CLASSIFICATION: 200_000_000}
"""How much worse than the others a model must be to be dropped, relative to their level, 1e-9.

Wider than the default, because 15 patients and noised models tell honest hospitals apart by chance.
"""
DAY_MS = 24 * 3600 * 1000


def ask(cast: Cast, dataset: Dataset, settings: DemoSettings, name: str) -> Request:
    """Record a request; the same dataset and settings have the same fingerprint, whoever asks."""
    profile = profile_of(dataset, np.arange(0))
    request = DataRequest(
        category=dataset.category,
        kind=dataset.task_kind,
        target=dataset.target_name,
        terms=cast.researcher.data.hashed(profile),
        fields=frozenset(dataset.feature_names),
        parameters={"rounds": str(settings.rounds), "epsilon": str(settings.epsilon), "model": "linear"},
    )
    return cast.researcher.sharing.request(name, fingerprint(request), dataset.category, max_age_ms=YEAR_MS)


def find(cast: Cast, dataset: Dataset) -> list[Match]:
    """Find the providers: the most similar published profiles of the category."""
    profile = profile_of(dataset, np.arange(0))
    return cast.researcher.retrieval.search(profile, k=len(cast.hospitals), category=dataset.category)


def fund(
    cast: Cast, dataset: Dataset, request: Request, settings: DemoSettings, clock: SimulatedClock
) -> Task:
    """Publish the task; all rounds are paid into escrow."""
    kind = LearningKind(dataset.task_kind)
    terms = CreateTask(
        id=TASK,
        category=dataset.category,
        kind=kind,
        rounds=settings.rounds,
        deadline_ms=clock.peek() // 1_000_000 + DAY_MS,
        reward_per_round=REWARD,
        team_size=len(cast.hospitals),
        fingerprint=request.fingerprint,
        min_mortgage=MORTGAGE,
        privacy_required=True,
        rules=Rules(elimination=Elimination.GUARDED, margin_nano=MARGINS[kind]),
        request_id=request.id,
    )
    return cast.researcher.tasks.create(terms)


def team_up(cast: Cast, found: list[Match]) -> Task:
    """Form a team of the found providers, each with its own mortgage (Miao Alg. 1); the first one leads."""
    owners = {hospital.dataset_id: hospital for hospital in cast.hospitals}
    leader, *others = [owners[match.dataset_id] for match in found]
    leader.node.tasks.open_team(TASK, leader.dataset_id, mortgage=2 * MORTGAGE)
    for place, hospital in enumerate(others):
        hospital.node.tasks.apply(
            TASK, hospital.dataset_id, mortgage=MORTGAGE, preference=1 - place / (2 * len(others))
        )
    largest = max(hospital.node.data.get(hospital.dataset_id).rows for hospital in others)
    for hospital in others:
        rows = hospital.node.data.get(hospital.dataset_id).rows
        leader.node.tasks.assess(TASK, hospital.node.identity.id, ability=rows / largest)
    leader.node.tasks.form(TASK)
    cast.researcher.tasks.appoint(TASK, leader.node.identity.id)
    return leader.node.tasks.start(TASK)
