"""The hospitals' model: linear or softmax regression by differentially private gradient descent.

Every step clips each row's gradient to `clip` in L2, adds the gradients, and adds Gaussian noise of
standard deviation noise_multiplier * clip: one row more or less changes the sum by at most `clip`, so a
step is a Gaussian mechanism with that noise multiplier (Abadi et al. 2016, Alg. 1, without sampling),
and a round of T steps composes T of them. Features are scaled by the usual ranges that the catalogue
publishes, which are taken as public; values beyond them are cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedpact.datasets import Dataset
from fedpact_flower.demo.settings import Learning

Floats = NDArray[np.float64]
WEIGHTS = "weights"


@dataclass(frozen=True, eq=False)
class Problem:
    """What is learned, from public knowledge only.

    Attributes
    ----------
    low, high : float64 [d], published usual range of each feature.
    classes : number of classes; 1 for a regression.
    target_low, target_high : published range of a regression's outcome.
    logarithms : whether features and ranges are compared as logarithms.
    """

    low: Floats
    high: Floats
    classes: int
    target_low: float
    target_high: float
    logarithms: bool = False

    @classmethod
    def of(cls, dataset: Dataset, *, logarithms: bool = False) -> Problem:
        """Take the ranges from a dataset."""
        classes = 1 if dataset.task_kind == "regression" else int(dataset.target.max()) + 1
        low, high = usual_range(dataset)
        target = dataset.target
        return cls(low, high, classes, float(target.min()), float(target.max()), logarithms)

    @property
    def is_regression(self) -> bool:
        """Whether a number is predicted, not a class."""
        return self.classes == 1

    def initial(self) -> dict[str, Floats]:
        """Return the first global model: {weights: float64 [d + 1, classes]}, zeros."""
        return {WEIGHTS: np.zeros((len(self.low) + 1, self.classes))}

    def inputs(self, features: Floats) -> Floats:
        """Scale features [n, d] to [-1, 1] and append a constant: [n, d + 1]."""
        low, high = self.low, self.high
        if self.logarithms:
            features, low, high = np.log(features), np.log(low), np.log(high)
        span = np.where(high > low, high - low, 1.0)
        scaled = np.clip((features - low) / span * 2 - 1, -1, 1)
        return np.hstack([scaled, np.ones((len(features), 1))])

    def outputs(self, target: Floats) -> Floats:
        """Scale outcomes to [-1, 1], or encode classes: [n, classes]."""
        if self.is_regression:
            span = self.target_high - self.target_low
            return ((target - self.target_low) / span * 2 - 1)[:, None]
        return np.eye(self.classes)[target.astype(np.int64)]

    def turned_round(self, target: Floats) -> Floats:
        """Return the liar's outcomes: the range mirrored, the classes in reverse order."""
        return self.target_low + self.target_high - target

    def predict(self, model: dict[str, Floats], features: Floats) -> Floats:
        """Return predicted outcomes [n], or class probabilities [n, classes]."""
        raw = self.inputs(features) @ model[WEIGHTS]
        if not self.is_regression:
            return _softmax(raw)
        return (np.clip(raw[:, 0], -1, 1) + 1) / 2 * (self.target_high - self.target_low) + self.target_low


def usual_range(dataset: Dataset) -> tuple[Floats, Floats]:
    """Return the 2nd and 98th percentile of every feature, float64 [d] each."""
    return np.quantile(dataset.features, 0.02, axis=0), np.quantile(dataset.features, 0.98, axis=0)


def train(
    problem: Problem,
    model: dict[str, Floats],
    data: tuple[Floats, Floats],
    learning: Learning,
    *,
    noise_multiplier: float,
    generator: np.random.Generator,
) -> dict[str, Floats]:
    """Take differentially private gradient steps.

    Parameters
    ----------
    problem : what is learned.
    model : where to start.
    data : features [n, d] and target [n]; n is public.
    learning : number of steps, rate and clip.
    noise_multiplier : standard deviation of the noise over the clip; 0: none, and no privacy.
    generator : of the noise.

    Returns
    -------
    The model after the steps.
    """
    inputs, outputs = problem.inputs(data[0]), problem.outputs(data[1])
    weights = model[WEIGHTS].copy()
    norms = np.linalg.norm(inputs, axis=1)
    for _ in range(learning.steps):
        raw = inputs @ weights
        error = (raw if problem.is_regression else _softmax(raw)) - outputs
        # a row's gradient is the outer product of its input and its error
        size = norms * np.linalg.norm(error, axis=1)
        factor = np.minimum(1.0, learning.clip / np.maximum(size, 1e-12))
        total = inputs.T @ (error * factor[:, None])
        total += generator.normal(0.0, noise_multiplier * learning.clip, total.shape)
        weights -= learning.rate * total / len(inputs)
    return {WEIGHTS: weights}


def mean_absolute_error(predicted: Floats, target: Floats) -> float:
    """Return MAE (Lu eq. 6, BPCV eq. 8)."""
    return float(np.abs(predicted - target).mean())


def accuracy(probabilities: Floats, target: Floats) -> float:
    """Return the share of rows whose most probable class is right."""
    return float((probabilities.argmax(axis=1) == target).mean())


def noise_multiplier(epsilon: float, delta: float, releases: int) -> float:
    """Return the noise with which so many Gaussian releases spend exactly (epsilon, delta).

    By zero-concentrated differential privacy (Bun and Steinke 2016, Prop. 1.3 and 1.6), as the privacy
    contract accounts: releases / (2 sigma^2) = rho with rho + 2 sqrt(rho ln(1/delta)) = epsilon.
    Rounded up to 1e-6.
    """
    logarithm = math.log(1 / delta)
    rho = (math.sqrt(logarithm + epsilon) - math.sqrt(logarithm)) ** 2
    return math.ceil(math.sqrt(releases / (2 * rho)) * 1e6 + 1) / 1e6


def _softmax(raw: Floats) -> Floats:
    exponential = np.exp(raw - raw.max(axis=1, keepdims=True))
    result: Floats = exponential / exponential.sum(axis=1, keepdims=True)
    return result
