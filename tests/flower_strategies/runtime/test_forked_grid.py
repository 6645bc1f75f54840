"""What is special about nodes in worker processes."""

import gc
import os
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedpact_flower.runtime import ForkedGrid, Population, flower_internals, usable_cores


@pytest.fixture
def gate() -> Iterator[tuple[int, int]]:
    """A pipe on which a client can be kept waiting."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_node_stays_in_its_worker(probe, ask):
    with ForkedGrid(probe, Population(7), seed=1, workers=3) as grid:
        assert len(set(grid.worker_pids)) == 3
        for _ in range(2):
            pids = [reply.content["answer"]["pid"] for reply in ask(grid)]
            assert pids == [grid.worker_pids[partition % 3] for partition in range(7)]


def test_one_worker_a_core_but_never_more_than_nodes(probe):
    with ForkedGrid(probe, Population(50), seed=1) as grid:
        assert len(grid.worker_pids) == usable_cores()
    with ForkedGrid(probe, Population(2), seed=1, workers=5) as grid:
        assert len(grid.worker_pids) == 2


def test_each_worker_is_set_up_once_in_its_own_process(ask):
    sessions: dict[str, int] = {}
    app = ClientApp()

    @app.query()
    def which(message: Message, context: Context) -> Message:
        return Message(RecordDict({"session": MetricRecord(dict(sessions))}), reply_to=message)

    def setup(worker: int) -> None:
        assert not sessions
        sessions.update(worker=worker, pid=os.getpid())

    with ForkedGrid(app, Population(4), seed=1, workers=2, worker_setup=setup) as grid:
        seen = [dict(reply.content["session"]) for reply in ask(grid)]
        assert seen == [{"worker": i % 2, "pid": grid.worker_pids[i % 2]} for i in range(4)]
    assert sessions == {}


def test_nothing_is_pickled(monkeypatch, digits, ask):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was pickled")

    for name in ("dumps", "loads", "Pickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(ForkingPickler, "dumps", refuse)
    lock = threading.Lock()
    app = ClientApp()

    @app.query()
    def locked(message: Message, context: Context) -> Message:
        with lock:
            return Message(message.content, reply_to=message)

    with ForkedGrid(app, Population(3), seed=1, workers=2, worker_setup=lambda _: None) as grid:
        replies = ask(grid, records={"model": digits.initial, "config": ConfigRecord({"a": [1.5]})})
        assert [reply.content["model"] == digits.initial for reply in replies] == [True] * 3


@pytest.fixture
def encoded(monkeypatch) -> list[ArrayRecord]:
    """The array records that this process encodes, in order; they are encoded all the same."""
    record_list: list[ArrayRecord] = []
    encode = flower_internals.encode_arrays

    def listed(record: ArrayRecord) -> bytes:
        record_list.append(record)
        return encode(record)

    monkeypatch.setattr(flower_internals, "encode_arrays", listed)
    return record_list


@pytest.fixture
def addresses(ask):
    """Where in its worker's memory each node finds the bytes of its model."""
    app = ClientApp()

    @app.query()
    def where(message: Message, context: Context) -> Message:
        address = id(message.content["model"]["0"].data)
        return Message(RecordDict({"at": MetricRecord({"address": address})}), reply_to=message)

    with ForkedGrid(app, Population(6), seed=1, workers=2) as grid:
        yield lambda model: [reply.content["at"]["address"] for reply in ask(grid, records={"model": model})]


def test_equal_arrays_are_encoded_once_and_decoded_once_a_worker(encoded, addresses):
    model = ArrayRecord([np.arange(1000)])
    at = addresses(model)
    assert len(encoded) == 1
    assert at[0] == at[2] == at[4]
    assert at[1] == at[3] == at[5]
    copy = ArrayRecord({"0": Array(np.arange(1000))})
    assert addresses(copy) == at, "the workers still held an equal model"
    assert len(encoded) == 1


def test_workers_forget_what_is_no_longer_sent(encoded, addresses):
    first, second = ArrayRecord([np.zeros(1000)]), ArrayRecord([np.ones(1000)])
    sent = [first, second, first]
    for model in sent:
        addresses(model)
    assert [id(record) for record in encoded] == [id(model) for model in sent]


def test_workers_hold_only_what_the_last_exchange_needed(ask):
    app = ClientApp()

    @app.query()
    def census(message: Message, context: Context) -> Message:
        alive = sum(isinstance(thing, ArrayRecord) for thing in gc.get_objects())
        return Message(RecordDict({"alive": MetricRecord({"records": alive})}), reply_to=message)

    with ForkedGrid(app, Population(1), seed=1, workers=1) as grid:
        counts = []
        for size in range(1, 6):
            (reply,) = ask(grid, records={"model": ArrayRecord([np.arange(size)])})
            counts.append(reply.content["alive"]["records"])
        assert len(set(counts)) == 1


def test_each_model_travels_once_to_each_validator_in_mutual_validation(encoded, digits):
    with ForkedGrid(digits.app, Population(6), seed=1, workers=2) as grid:
        nodes = grid.get_node_ids()
        rng = np.random.default_rng(3)
        models = {node: ArrayRecord([rng.normal(size=(64, 10)), rng.normal(size=10)]) for node in nodes}
        messages = []
        for node in nodes:
            others = RecordDict({str(owner): model for owner, model in models.items() if owner != node})
            messages.append(Message(others, node, "query.mutual_validate", group_id="1"))
        replies = grid.send_and_receive(messages)
    assert len(encoded) == 6
    for node, reply in zip(nodes, replies, strict=True):
        assert set(reply.content["scores"]) == {str(owner) for owner in nodes if owner != node}
        assert all(0.0 <= score <= 1.0 for score in reply.content["scores"].values())


def test_a_timeout_leaves_out_the_slow_node_and_drops_its_late_reply(gate, ask):
    read_end, write_end = gate
    app = ClientApp()

    @app.query()
    def echo(message: Message, context: Context) -> Message:
        if message.content and context.node_config["partition-id"] == 0:
            os.read(read_end, 1)
        context.state["count"] = MetricRecord({"n": context.state.get("count", {"n": 0})["n"] + 1})
        return Message(RecordDict({"count": context.state["count"]}), reply_to=message)

    with ForkedGrid(app, Population(4), seed=1, workers=2) as grid:
        wait_here = {"wait": ConfigRecord({"here": True})}
        messages = [Message(RecordDict(dict(wait_here)), node, "query") for node in grid.get_node_ids()]
        in_time = grid.send_and_receive(messages, timeout=1.0)
        sent = [message.metadata.message_id for message in messages]
        assert [r.metadata.src_node_id for r in in_time] == [grid.get_node_ids()[i] for i in (1, 3)]
        assert [r.metadata.src_node_id for r in ask(grid, timeout=1.0)] == [
            grid.get_node_ids()[i] for i in (1, 3)
        ], "the worker is still busy"
        os.write(write_end, b"x")
        counts = [reply.content["count"]["n"] for reply in ask(grid)]
        assert counts == [2, 3, 1, 3], "begun messages are finished, those not begun are withdrawn"
        assert grid.pull_messages(sent) == [], "late replies are dropped"


def test_closing_does_not_wait_for_a_client_that_hangs(gate, ask, eventually):
    app = ClientApp()
    app.query()(lambda message, context: os.read(gate[0], 1))  # type: ignore[arg-type,return-value]
    grid = ForkedGrid(app, Population(1), seed=1, workers=1)
    (pid,) = grid.worker_pids
    assert ask(grid, timeout=0.1) == []
    grid.close()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    assert grid.worker_pids == ()


def test_two_grids_do_not_disturb_each_other(probe, ask):
    with ForkedGrid(probe, Population(2), seed=1, workers=2) as first:
        with ForkedGrid(probe, Population(2), seed=1, workers=2) as second:
            assert len(ask(first)) == len(ask(second)) == 2
        assert [reply.content["answer"]["calls"] for reply in ask(first)] == [2, 2]


def test_a_grid_can_be_opened_in_a_thread_that_ends(probe, ask):
    opened: list[ForkedGrid] = []
    thread = threading.Thread(
        target=lambda: opened.append(ForkedGrid(probe, Population(2), seed=1, workers=2))
    )
    thread.start()
    thread.join()
    with opened[0] as grid:
        assert len(ask(grid)) == 2
