"""A small federation on real data: softmax regression in numpy on the sets that scikit-learn ships."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contracts.tasks.records import LearningKind, Rules
from fedpact_chaincode.rules.evidence import NOT_ASKED
from fedpact_chaincode.rules.judging import Evidence, Participant, Verdict, judge

Array = NDArray[np.float64]
CLIENTS = 10
LEAST_ROWS = 10
REWARD = 1_000_000
_SOURCES = {"digits": load_digits, "breast-cancer": load_breast_cancer}


@dataclass(frozen=True)
class Setting:
    """A federation: which data, how they are spread (None: evenly; else Dirichlet), and who flips labels."""

    data: str
    alpha: float | None
    flippers: int
    seed: int
    steps: int = 5
    rate: float = 0.3


@cache
def loaded(name: str) -> tuple[Array, NDArray[np.int64]]:
    source = _SOURCES[name](return_X_y=True)
    features = (source[0] - source[0].mean(0)) / (source[0].std(0) + 1e-9)
    return np.hstack([features, np.ones((len(features), 1))]), source[1].astype(np.int64)


@cache
def spread(data: str, alpha: float | None, seed: int) -> tuple[list[NDArray[np.intp]], NDArray[np.intp]]:
    """Divide four fifths of the rows over the clients, each at least ten; the last fifth is for testing."""
    rng = np.random.default_rng(seed)
    labels = loaded(data)[1]
    order = rng.permutation(len(labels))
    test, rows = np.split(order, [len(labels) // 5])
    if alpha is None:
        return list(np.array_split(rows, CLIENTS)), test
    parts: list[list[int]] = [[] for _ in range(CLIENTS)]
    for label in np.unique(labels):
        chosen = rows[labels[rows] == label]
        cuts = (np.cumsum(rng.dirichlet([alpha] * CLIENTS))[:-1] * len(chosen)).astype(int)
        for part, own in zip(parts, np.split(chosen, cuts), strict=True):
            part.extend(own)
    for part in parts:
        while len(part) < LEAST_ROWS:
            part.append(max(parts, key=len).pop())
    return [np.array(part) for part in parts], test


class Federation:
    """Clients that train from the global model and score each other's models on their own rows.

    The last ones turn their labels round (label k becomes K - 1 - k), in training and in scoring.
    """

    def __init__(self, setting: Setting) -> None:
        features, labels = loaded(setting.data)
        self.setting = setting
        self.labels = int(labels.max()) + 1
        self.rows, test = spread(setting.data, setting.alpha, setting.seed)
        self.test = features[test], labels[test]
        self.data = []
        for client, rows in enumerate(self.rows):
            own = labels[rows]
            self.data.append((features[rows], self.labels - 1 - own if self.flips(client) else own))
        self.model = np.zeros((features.shape[1], self.labels))

    def flips(self, client: int) -> bool:
        return client >= CLIENTS - self.setting.flippers

    def trained(self, client: int) -> Array:
        features, labels = self.data[client]
        model, wanted = self.model.copy(), np.eye(self.labels)[labels]
        for _ in range(self.setting.steps):
            scores = features @ model
            odds = np.exp(scores - scores.max(1, keepdims=True))
            error = odds / odds.sum(1, keepdims=True) - wanted
            model -= self.setting.rate * (features.T @ error / len(features) + 1e-3 * model)
        return model

    def scores(self, models: list[Array], clients: list[int]) -> list[list[int]]:
        """Return the matrix of accuracies, 1e-9, rows by validator."""
        stacked = np.hstack(models)
        matrix = []
        for validator in clients:
            features, labels = self.data[validator]
            guesses = (features @ stacked).reshape(len(labels), len(models), self.labels).argmax(2)
            hits = (guesses == labels[:, None]).sum(0)
            matrix.append([int(hit) * NANO // len(labels) for hit in hits])
        return matrix

    def accuracy(self) -> float:
        features, labels = self.test
        return float(((features @ self.model).argmax(1) == labels).mean())


@dataclass(frozen=True)
class Run:
    """What became of a federation: rounds by dropped client, earnings, equal shares, accuracy, verdicts."""

    dropped: dict[int, int]
    earned: dict[int, int]
    shares: dict[int, int]
    accuracy: float
    verdicts: list[Verdict]

    def flippers_dropped(self, setting: Setting) -> int:
        return sum(client >= CLIENTS - setting.flippers for client in self.dropped)

    def honest_dropped(self, setting: Setting) -> int:
        return len(self.dropped) - self.flippers_dropped(setting)


def play(setting: Setting, rules: Rules, *, rounds: int = 12) -> Run:
    """Run a federation; `shares` is what equal shares among the participants of its rounds would be."""
    federation = Federation(setting)
    active = list(range(CLIENTS))
    run = Run({}, dict.fromkeys(active, 0), dict.fromkeys(active, 0), 0.0, [])
    for number in range(1, rounds + 1):
        models = [federation.trained(client) for client in active]
        verdict = judge(evidence(federation, active, federation.scores(models, active), number, rules))
        run.verdicts.append(verdict)
        for client, paid in zip(active, verdict.rewards, strict=True):
            run.earned[client] += paid
            run.shares[client] += REWARD // len(active)
        weights = [weight / NANO for weight in verdict.weights]
        federation.model = sum(
            (w * m for w, m in zip(weights, models, strict=True)), np.zeros_like(models[0])
        )
        for node in verdict.eliminated:
            run.dropped[int(node)] = number
        active = [client for client in active if client not in run.dropped]
    return replace(run, accuracy=federation.accuracy())


def evidence(
    federation: Federation, clients: list[int], scores: list[list[int]], number: int, rules: Rules
) -> Evidence:
    """Return one round's evidence; every client is an organisation of its own."""
    return Evidence(
        number=number,
        seed=f"{number:064x}",
        kind=LearningKind.CLASSIFICATION,
        rules=rules,
        participants=tuple(
            Participant(f"{client}", f"Org{client}MSP", len(federation.rows[client])) for client in clients
        ),
        scores=tuple(
            tuple(NOT_ASKED if model == validator else score for model, score in enumerate(row))
            for validator, row in enumerate(scores)
        ),
        reward=REWARD,
        team_size=CLIENTS,
    )


COLLUDERS = (8, 9)


def lie(kind: str, matrix: list[list[int]]) -> list[list[int]]:
    """Return the matrix as two colluding validators of ten would have it.

    `victim` scores client 0 with 0 and the partner with 1; `everybody` does so to all others; `partner` only
    praises; `invert` turns all scores round; `subtle` moves every score by 4 %.
    """
    told = [list(row) for row in matrix]
    for liar in COLLUDERS:
        partner = sum(COLLUDERS) - liar
        for model, true in enumerate(matrix[liar]):
            low = {"victim": 0 if model == 0 else true, "everybody": 0, "partner": true}
            low |= {"invert": NANO - true, "subtle": true * 96 // 100}
            high = min(NANO, true * 104 // 100) if kind == "subtle" else NANO
            told[liar][model] = high if model == partner else low[kind]
    return told
