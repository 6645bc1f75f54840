"""What the round benchmark runs."""

from __future__ import annotations

from dataclasses import dataclass

TRAIN_IMAGES = 60_000
_LEAST_CLIENTS = 2
_BOUNDS = {
    "rounds": (1, 500),
    "images": (1, TRAIN_IMAGES),
    "epochs": (1, 1_000),
    "batch_size": (1, TRAIN_IMAGES),
    "workers": (1, 256),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRules:
    """One federation, whose rounds are run with and without a ledger in turns.

    Attributes
    ----------
    clients : nodes that train, 2 to 1,000; each has an identity and a dataset of its own.
    organisations : whose nodes they are; a majority of them endorses every transaction.
    rounds : timed rounds of either kind, after one of either kind to warm up.
    images : MNIST images of each client; no two clients share one.
    epochs, batch_size, learning_rate : of each client's stochastic gradient descent.
    stores_models : each client also puts its update, encrypted and signed, into the store of models.
    workers : processes that host the clients; None: one a core.
    seed : of the parts, the first model and the training; the ledger's keys are random.

    Raises
    ------
    ValueError
        Out of bounds.
    """

    clients: int = 50
    organisations: int = 5
    rounds: int = 5
    images: int = 1_200
    epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 0.05
    stores_models: bool = False
    workers: int | None = None
    seed: int = 7

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} lies between {low} and {high}")
        if not _LEAST_CLIENTS <= self.clients <= TRAIN_IMAGES // self.images:
            raise ValueError(
                f"{self.images} images each are enough for 2 to {TRAIN_IMAGES // self.images} clients"
            )
        if not 1 <= self.organisations <= self.clients:
            raise ValueError("organisations lies between 1 and the number of clients")


DEFAULT_RULES = RoundRules()
QUICK_RULES = RoundRules(clients=4, organisations=2, rounds=1, images=64)
"""For trying out that it works; its ratio says nothing, because hardly anything is trained."""
