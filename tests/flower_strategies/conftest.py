"""Federations with a real embedded ledger, and a small numpy client on real data."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from sklearn.datasets import load_digits

import fedpact
from fedpact.consortium.session import Session
from fedpact.models import ModelStore
from fedpact.records import CreateTask, Form, LearningKind, NodeKind, Rules, Task
from fedpact_flower.client import Evaluate, Member, recorded_client, serve, validator
from fedpact_flower.ledger_trail import LedgerTrail

START_MS = 1_750_000_000_000
DAY_MS = 86_400_000


class SteppedClock:
    """Moves by a step whenever it is read, and to any later time when it is told."""

    def __init__(self, now_ms: int = START_MS, step_ms: int = 0) -> None:
        self.now_ms = now_ms
        self.step_ms = step_ms

    def __call__(self) -> int:
        self.now_ms += self.step_ms
        return self.now_ms * 1_000_000

    def peek(self) -> int:
        return self.now_ms * 1_000_000

    def follow(self, time_ms: int) -> None:
        self.now_ms = max(self.now_ms, time_ms)


@dataclass
class Federation:
    """A running task: the members' node identities by partition, and everybody's sessions."""

    consortium: fedpact.Consortium
    ledger: fedpact.Ledger
    clock: SteppedClock
    task: Task
    nodes: list[fedpact.Identity]
    requester: Session
    opened: ExitStack

    def session(self, partition: int) -> Session:
        """A node's own session in this process."""
        return fedpact.connect(self.ledger, identity=self.nodes[partition], clock_ns=self.clock)

    def trail(self) -> LedgerTrail:
        return LedgerTrail(self.session(0), self.task.id, wait_until=self.clock.follow)

    def member(
        self, *, store: Callable[[fedpact.Identity], ModelStore] | None = None, **settings: Any
    ) -> Member:
        """What the nodes' app needs; each worker process opens its own sessions through the socket."""
        address, clock = self.ledger.local_address(), SteppedClock()

        @cache
        def open_session(partition: int) -> Session:
            identity = self.nodes[partition]
            models = None if store is None else store(identity)
            session = fedpact.connect(address, identity=identity, models=models, clock_ns=clock)
            return self.opened.enter_context(session)

        def session_of(context: Context) -> Session:
            return open_session(int(context.node_config["partition-id"]))

        return Member(session_of=session_of, follow=clock.follow, **settings)

    def node_id(self, partition: int) -> str:
        return self.nodes[partition].id


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Callable[..., Federation]]:
    """`federation(members, rounds=..., rules=..., ...)`: a consortium whose task has just started."""
    opened = ExitStack()
    count = itertools.count()

    def found(
        members: int,
        *,
        rounds: int = 2,
        kind: LearningKind = LearningKind.CLASSIFICATION,
        rules: Rules | None = None,
        epsilon: float | None = None,
        **terms: Any,
    ) -> Federation:
        organisations = {f"Org{n}MSP": f"Organisation {n}" for n in range(members)}
        clock = SteppedClock(step_ms=10)
        consortium, ledger = fedpact.found(
            tmp_path / f"consortium{next(count)}",
            organisations,
            rules=fedpact.FoundingRules(batch_timeout_ms=1),
            seed=b"federation".ljust(32, b"."),
            not_before=datetime(2024, 1, 1, tzinfo=UTC),
            clock_ns=clock.peek,
        )
        opened.callback(ledger.close)

        @cache
        def session(mspid: str, name: str, role: str) -> Session:
            return fedpact.connect(
                ledger,
                identity=consortium.enrol(mspid, name, role=role),
                retrieval_key=consortium.retrieval_key,
                clock_ns=clock,
            )

        admins = [session(mspid, "admin", "admin") for mspid in organisations]
        nodes = [session(mspid, "node", "member") for mspid in organisations]
        requester = session("Org0MSP", "researcher", "member")
        admins[0].council.found(organisations)

        def issue(account: str, amount: int) -> None:
            name = f"credit-{account.replace('/', '-')}"
            motion = admins[0].council.propose(name, "issue_credit", account, amount=amount)
            for admin in admins:
                if admin.council.vote(motion.id).status != "open":
                    return

        issue(requester.identity.id, 10_000_000)
        datasets = []
        for node in nodes:
            node.council.register_node(NodeKind.PROVIDER)
            issue(node.identity.id, 10_000)
            profile = {"pixel": 0.5, "digit": 0.5}
            dataset = node.data.publish("digits", profile, category="digits", form=Form.IMAGE, rows=100)
            node.sharing.grant(dataset.id, "Org0MSP", "digits", expires_ms=clock.now_ms + DAY_MS)
            if epsilon is not None:
                node.privacy.grant(dataset.id, "Org0MSP", epsilon=epsilon)
            datasets.append(dataset)
        task = requester.tasks.create(
            CreateTask(
                id="task",
                category="digits",
                kind=kind,
                rounds=rounds,
                deadline_ms=clock.now_ms + DAY_MS,
                reward_per_round=1_000_000,
                team_size=members,
                min_mortgage=1_000,
                fingerprint="f" * 64,
                rules=rules or Rules(),
                **terms,
            )
        )
        leader = nodes[0]
        leader.tasks.open_team(task.id, datasets[0].id, mortgage=2_000)
        for node, dataset in zip(nodes[1:], datasets[1:], strict=True):
            node.tasks.apply(task.id, dataset.id, mortgage=1_000, preference=1.0)
            leader.tasks.assess(task.id, node.identity.id, ability=1.0)
        leader.tasks.form(task.id)
        task = leader.tasks.start(task.id)
        identities = [node.identity for node in nodes]
        return Federation(consortium, ledger, clock, task, identities, requester, opened)

    with opened:
        yield found


class Digits:
    """Softmax regression on scikit-learn's digits by full-batch gradient descent; numpy only.

    A node whose `node_config` says `flips` learns 9 - label, and validates with the same labels.
    """

    def __init__(self) -> None:
        features, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(5).permutation(len(labels))
        self.x, self.y = (features[order] / 16).astype(np.float32), labels[order]
        self.initial = ArrayRecord(
            {"weights": Array(np.zeros((64, 10), np.float32)), "bias": Array(np.zeros(10, np.float32))}
        )

    def part(self, context: Context) -> tuple[np.ndarray, np.ndarray]:
        config = context.node_config
        first, step = int(config["partition-id"]), int(config["num-partitions"])
        x, y = self.x[300 + first :: step], self.y[300 + first :: step]
        return x, 9 - y if config.get("flips") else y

    def trained(self, arrays: Mapping[str, np.ndarray], context: Context) -> dict[str, np.ndarray]:
        x, y = self.part(context)
        weights, bias = arrays["weights"], arrays["bias"]
        for _ in range(20):
            logits = x @ weights + bias
            slope = np.exp(logits - logits.max(axis=1, keepdims=True))
            slope /= slope.sum(axis=1, keepdims=True)
            slope[np.arange(len(y)), y] -= 1
            weights = weights - 2.0 * (x.T @ slope) / len(y)
            bias = bias - 2.0 * slope.mean(axis=0)
        return {"weights": weights, "bias": bias}

    def accuracy(self, arrays: Mapping[str, np.ndarray], context: Context) -> float:
        return self._accuracy(arrays, *self.part(context))

    def held_out(self, record: ArrayRecord) -> float:
        arrays = {name: array.numpy() for name, array in record.items()}
        return self._accuracy(arrays, self.x[:300], self.y[:300])

    def _accuracy(self, arrays: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
        return float(((x @ arrays["weights"] + arrays["bias"]).argmax(axis=1) == y).mean())

    def reply(self, message: Message, arrays: Mapping[str, np.ndarray]) -> Message:
        record = ArrayRecord({name: Array(array) for name, array in arrays.items()})
        metrics = MetricRecord({"num-examples": 100})
        return Message(RecordDict({"arrays": record, "metrics": metrics}), reply_to=message)

    def train(self, message: Message, context: Context) -> Message:
        arrays = {name: array.numpy() for name, array in message.content["arrays"].items()}
        return self.reply(message, self.trained(arrays, context))

    def app(self, member: Member | None = None, *, evaluate: Evaluate | None = None) -> ClientApp:
        """A client app; with a member it acts on the ledger."""
        app = ClientApp()
        if member is None:
            app.train()(self.train)
            app.query("mutual_validate")(validator(evaluate or self.accuracy))
        else:
            app.train(mods=[recorded_client(member)])(self.train)
            serve(app, member, evaluate or self.accuracy)
        return app


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits()
