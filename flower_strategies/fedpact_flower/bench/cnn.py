"""The benchmark's network, trained on a client's share of MNIST."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from numpy.typing import NDArray
from torch import nn

from fedpact.datasets import MnistImages
from fedpact_flower.bench.settings import RoundRules

_CHANNELS, _HIDDEN, _CLASSES = (16, 32), 128, 10
_MEAN, _DEVIATION = 0.1307, 0.3081  # of MNIST's training pixels


def network() -> nn.Module:
    """Build a network of two convolutions, 5 x 5, and 128 hidden units: 215,370 parameters."""
    first, second = _CHANNELS
    return nn.Sequential(
        nn.Conv2d(1, first, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * 7 * 7, _HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, _CLASSES),
    )


@dataclass(frozen=True, eq=False)
class Trainer:
    """What a client computes, whether anybody records it or not.

    Attributes
    ----------
    rules : how it trains.
    images : uint8 [clients, images, 28, 28].
    labels : uint8 [clients, images].
    """

    rules: RoundRules
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @classmethod
    def of(cls, mnist: MnistImages, rules: RoundRules) -> Trainer:
        """Deal the training images at random, each client the same number."""
        order = np.random.default_rng(rules.seed).permutation(len(mnist.train_labels))
        dealt = order[: rules.clients * rules.images].reshape(rules.clients, rules.images)
        return cls(rules, mnist.train_images[dealt], mnist.train_labels[dealt])

    def initial(self) -> ArrayRecord:
        """Return the first global model."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rules.seed)
            return ArrayRecord(network().state_dict())

    def train(self, message: Message, context: Context) -> Message:
        """Answer a training message with the model after the client's own epochs."""
        partition = int(context.node_config["partition-id"])
        model = network()
        model.load_state_dict(message.content.array_records["arrays"].to_torch_state_dict())
        self._fit(model, partition)
        content = RecordDict(
            {
                "arrays": ArrayRecord(model.state_dict()),
                "metrics": MetricRecord({"num-examples": self.rules.images}),
            }
        )
        return Message(content, reply_to=message)

    def _fit(self, model: nn.Module, partition: int) -> None:
        pixels = torch.from_numpy(self.images[partition]).to(torch.float32).unsqueeze(1)
        inputs = (pixels / 255 - _MEAN) / _DEVIATION
        labels = torch.from_numpy(self.labels[partition]).to(torch.int64)
        optimiser = torch.optim.SGD(model.parameters(), lr=self.rules.learning_rate)
        for _ in range(self.rules.epochs):
            for rows in torch.randperm(len(labels)).split(self.rules.batch_size):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
                optimiser.step()
