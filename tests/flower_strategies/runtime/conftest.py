import os
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedpact_flower.runtime import Population, SimulatedGrid, open_grid


@pytest.fixture(scope="session")
def digits() -> SimpleNamespace:
    """Logistic regression on scikit-learn's digits, with random batches; numpy only."""
    from sklearn.datasets import load_digits

    features, labels = load_digits(return_X_y=True)
    features = (features / 16).astype(np.float32)
    held_out = np.arange(len(labels)) % 5 == 0
    test_x, test_y = features[held_out], labels[held_out]
    train_x, train_y = features[~held_out], labels[~held_out]
    app = ClientApp()

    def partition(context: Context) -> tuple[np.ndarray, np.ndarray]:
        first, step = context.node_config["partition-id"], context.node_config["num-partitions"]
        return train_x[first::step], train_y[first::step]

    def accuracy(arrays: ArrayRecord, x: np.ndarray, y: np.ndarray) -> float:
        weights, bias = arrays.to_numpy_ndarrays()
        return float(((x @ weights + bias).argmax(axis=1) == y).mean())

    @app.train()
    def train(message: Message, context: Context) -> Message:
        weights, bias = message.content["arrays"].to_numpy_ndarrays()
        x, y = partition(context)
        for batch in np.array_split(np.random.permutation(len(y)), max(1, len(y) // 8)):
            logits = x[batch] @ weights + bias
            slope = np.exp(logits - logits.max(axis=1, keepdims=True))
            slope /= slope.sum(axis=1, keepdims=True)
            slope[np.arange(len(batch)), y[batch]] -= 1
            weights = weights - 0.5 * x[batch].T @ slope / len(batch)
            bias = bias - 0.5 * slope.mean(axis=0)
        content = {"arrays": ArrayRecord([weights, bias]), "metrics": MetricRecord({"num-examples": len(y)})}
        return Message(RecordDict(content), reply_to=message)

    @app.evaluate()
    def evaluate(message: Message, context: Context) -> Message:
        x, y = partition(context)
        metrics = {"num-examples": len(y), "accuracy": accuracy(message.content["arrays"], x, y)}
        return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)

    @app.query("mutual_validate")
    def mutual_validate(message: Message, context: Context) -> Message:
        x, y = partition(context)
        scores = {owner: accuracy(model, x, y) for owner, model in message.content.array_records.items()}
        return Message(RecordDict({"scores": MetricRecord(scores)}), reply_to=message)

    return SimpleNamespace(
        app=app,
        initial=ArrayRecord([np.zeros((64, 10), np.float32), np.zeros(10, np.float32)]),
        accuracy=lambda arrays: accuracy(arrays, test_x, test_y),
    )


@pytest.fixture
def probe() -> ClientApp:
    """Answers questions about where and how a client runs; counts its calls in the context's state."""
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Context) -> Message:
        state = context.state
        seen = state["seen"]["calls"] + 1 if "seen" in state else 1
        state["seen"] = MetricRecord({"calls": seen})
        answer = {
            "pid": os.getpid(),
            "calls": seen,
            "partition": context.node_config["partition-id"],
            "draw": float(np.random.random()),
        }
        return Message(RecordDict({"answer": MetricRecord(answer)}), reply_to=message)

    @app.query("fail")
    def fail(message: Message, context: Context) -> Message:
        if context.node_config["partition-id"] == message.content["who"]["partition"]:
            raise LookupError("no such record")
        return Message(RecordDict(), reply_to=message)

    return app


@pytest.fixture
def ask() -> Callable[..., list[Message]]:
    """Send one query to all nodes (or some) of a grid."""

    def send(
        grid: SimulatedGrid,
        *,
        action: str = "",
        nodes: list[int] | None = None,
        records: dict[str, ConfigRecord | ArrayRecord] | None = None,
        group: str = "",
        timeout: float | None = 60.0,
    ) -> list[Message]:
        kind = f"query.{action}" if action else "query"
        nodes = grid.get_node_ids() if nodes is None else nodes
        content = RecordDict(dict(records or {}))
        messages = [Message(content, node, kind, group_id=group) for node in nodes]
        return grid.send_and_receive(messages, timeout=timeout)

    return send


@pytest.fixture(params=[0, 1, 2], ids=["in this process", "one worker", "two workers"])
def any_grid(request: pytest.FixtureRequest, probe: ClientApp) -> Iterator[SimulatedGrid]:
    """Four nodes of the probe app, on every kind of grid."""
    with open_grid(probe, Population(4), seed=11, workers=request.param) as grid:
        yield grid


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in ten seconds"
            os.sched_yield()

    return wait
