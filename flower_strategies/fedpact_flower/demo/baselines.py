"""What the federated model is compared with, and how models are scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fedpact.datasets import OwnerData, Part, Split
from fedpact_flower.demo.learning import Floats, Problem, accuracy, mean_absolute_error, train
from fedpact_flower.demo.members import Hospital
from fedpact_flower.demo.settings import DemoSettings
from fedpact_flower.demo.summary import LocalScore, Scores

PATIENCE = 10
"""Baselines take so many times the steps of the federation: they are to be as good as they can."""

Model = dict[str, Floats]


def scores(problem: Problem, model: Model, test: Part) -> Scores:
    """Score a model on a test set: MAE; or accuracy, and AUC where there are two classes."""
    predicted = problem.predict(model, test.features)
    if problem.is_regression:
        return {"mae": mean_absolute_error(predicted, test.target)}
    result = {"accuracy": accuracy(predicted, test.target)}
    if problem.classes == 2:
        from sklearn.metrics import roc_auc_score

        result["auc"] = float(roc_auc_score(test.target, predicted[:, 1]))
    return result


def outcomes(problem: Problem, owner: OwnerData, *, liar: bool) -> tuple[Floats, Floats]:
    """Return what a hospital trains on: its rows, with outcomes turned round if it lies."""
    target = owner.train.target
    return owner.train.features, problem.turned_round(target) if liar else target


def alone(
    problem: Problem, split: Split, hospitals: tuple[Hospital, ...], settings: DemoSettings
) -> list[LocalScore]:
    """Train every hospital's own model, without noise."""
    results = []
    for number, (hospital, owner) in enumerate(zip(hospitals, split.owners, strict=True)):
        liar = number == len(hospitals) - 1
        model = _trained(problem, outcomes(problem, owner, liar=liar), settings)
        results.append(LocalScore(hospital.node.identity.id, liar, scores(problem, model, split.test)))
    return results


def central(problem: Problem, split: Split, settings: DemoSettings) -> Scores:
    """Train one model on all rows of the honest hospitals in one place, without noise."""
    honest = split.owners[:-1]
    features = np.concatenate([owner.train.features for owner in honest])
    target = np.concatenate([owner.train.target for owner in honest])
    return scores(problem, _trained(problem, (features, target), settings), split.test)


def _trained(problem: Problem, data: tuple[Floats, Floats], settings: DemoSettings) -> Model:
    learning = replace(settings.learning, steps=settings.learning.steps * settings.rounds * PATIENCE)
    generator = np.random.default_rng(settings.seed)
    return train(problem, problem.initial(), data, learning, noise_multiplier=0.0, generator=generator)
