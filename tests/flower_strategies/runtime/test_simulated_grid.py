"""What a grid promises, wherever its nodes live."""

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode

from fedpact_flower.runtime import (
    FIRST_NODE_ID,
    GridClosed,
    Population,
    SimulatedGrid,
    UnknownNode,
    WorkerSetupFailed,
    open_grid,
)


def _stale(message: Message) -> Message:
    reply = Message(RecordDict(), reply_to=message)
    reply.metadata.__dict__["_reply_to_message_id"] = "an earlier one"
    return reply


def test_replies_come_in_the_order_of_the_messages(any_grid, ask):
    nodes = [FIRST_NODE_ID + partition for partition in (3, 0, 2, 1)]
    replies = ask(any_grid, nodes=nodes)
    assert [reply.metadata.src_node_id for reply in replies] == nodes
    assert [reply.content["answer"]["partition"] for reply in replies] == [3, 0, 2, 1]


def test_replies_refer_to_their_messages(any_grid):
    messages = [Message(RecordDict(), node, "query", group_id="7") for node in any_grid.get_node_ids()]
    replies = any_grid.send_and_receive(messages)
    assert [r.metadata.reply_to_message_id for r in replies] == [m.metadata.message_id for m in messages]
    assert len({r.metadata.message_id for r in replies} | {m.metadata.message_id for m in messages}) == 8
    assert {r.metadata.group_id for r in replies} == {"7"}


def test_a_node_keeps_its_state_between_messages(any_grid, ask):
    for expected in (1, 2, 3):
        assert [reply.content["answer"]["calls"] for reply in ask(any_grid)] == [expected] * 4


def test_a_client_that_raises_gives_an_error_reply_and_the_others_answer(any_grid, ask):
    replies = ask(any_grid, action="fail", records={"who": ConfigRecord({"partition": 2})})
    assert [reply.has_error() for reply in replies] == [False, False, True, False]
    assert replies[2].error.code == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert replies[2].error.reason == "LookupError: no such record"
    assert replies[2].metadata.src_node_id == FIRST_NODE_ID + 2


def test_an_unregistered_message_type_is_an_error_reply(any_grid, ask):
    assert all(
        "No query function registered" in reply.error.reason for reply in ask(any_grid, action="unheard_of")
    )


def test_a_message_to_an_unknown_node_sends_nothing(any_grid, ask):
    with pytest.raises(UnknownNode, match="no node 999"):
        ask(any_grid, nodes=[FIRST_NODE_ID, 999])
    assert [reply.content["answer"]["calls"] for reply in ask(any_grid)] == [1] * 4


def test_messages_can_be_pushed_and_pulled(any_grid):
    ids = any_grid.push_messages(Message(RecordDict(), node, "query") for node in any_grid.get_node_ids())
    pulled: list[Message] = []
    while len(pulled) < 4:
        pulled += any_grid.pull_messages(ids)
    assert {reply.metadata.reply_to_message_id for reply in pulled} == set(ids)
    assert any_grid.pull_messages(ids) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_pushed_arrays_are_those_at_the_time_of_the_push(workers):
    models = [ArrayRecord([np.arange(3) + partition]) for partition in range(3)]
    with open_grid(_echo(), Population(3), seed=1, workers=workers) as grid:
        ids = grid.push_messages(
            Message(RecordDict({"model": model}), node, "query")
            for node, model in zip(grid.get_node_ids(), models, strict=True)
        )
        for model in models:
            model["0"] = ArrayRecord([np.zeros(9)])["0"]
        pulled: list[Message] = []
        while len(pulled) < 3:
            pulled += grid.pull_messages(ids)
    assert [reply.content["model"].to_numpy_ndarrays()[0].tolist() for reply in pulled] == [
        [partition, partition + 1, partition + 2] for partition in range(3)
    ]


def test_no_time_is_no_reply(any_grid, ask):
    assert ask(any_grid, timeout=0.0) == []
    assert len(ask(any_grid)) == 4


def test_no_messages_are_no_replies(any_grid):
    assert any_grid.send_and_receive([]) == []


def test_a_closed_grid_says_so(any_grid, ask):
    any_grid.close()
    any_grid.close()
    with pytest.raises(GridClosed):
        ask(any_grid)


@pytest.mark.parametrize("workers", [0, 2])
def test_neither_side_sees_the_other_ones_changes(workers, ask):
    app = ClientApp()

    @app.query()
    def destroy(message: Message, context: Context) -> Message:
        model = message.content["model"]
        assert len(model) == 1, "another node emptied this record"
        context.state["kept"] = ArrayRecord([np.ones(2)])
        reply = Message(RecordDict({"kept": context.state["kept"]}), reply_to=message)
        model.clear()
        message.content["list"]["values"].append(4)
        return reply

    @app.query("recall")
    def recall(message: Message, context: Context) -> Message:
        return Message(RecordDict({"kept": context.state["kept"]}), reply_to=message)

    model, values = ArrayRecord([np.zeros(5)]), ConfigRecord({"values": [1, 2, 3]})
    with open_grid(app, Population(4), seed=1, workers=workers) as grid:
        for reply in ask(grid, records={"model": model, "list": values}):
            reply.content["kept"].clear()
        assert len(model) == 1
        assert values["values"] == [1, 2, 3]
        assert all(len(reply.content["kept"]) == 1 for reply in ask(grid, action="recall"))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda message: None, "TypeError: the client app returned NoneType, not a Message"),
        (lambda message: message, "is not a reply to the one it was given"),
        (_stale, "is not a reply to the one it was given"),
    ],
)
def test_only_a_reply_is_a_reply(workers, answer, reason, ask):
    app = ClientApp()
    app.query()(lambda message, context: answer(message))
    with open_grid(app, Population(1), seed=1, workers=workers) as grid:
        (reply,) = ask(grid)
        assert reason in reply.error.reason


@pytest.mark.parametrize("workers", [0, 1])
def test_a_client_that_exits_does_not_take_its_neighbours_along(workers, ask):
    app = ClientApp()

    @app.query()
    def leave(message: Message, context: Context) -> Message:
        if context.node_config["partition-id"] == 0:
            raise SystemExit(3)
        return Message(RecordDict(), reply_to=message)

    with open_grid(app, Population(2), seed=1, workers=workers) as grid:
        assert [reply.has_error() for reply in ask(grid)] == [True, False]


@pytest.mark.parametrize("workers", [0, 2])
def test_large_messages_pass_in_both_directions(workers, ask):
    model = ArrayRecord([np.arange(500_000, dtype=np.float64)])
    with open_grid(_echo(), Population(4), seed=1, workers=workers) as grid:
        for _ in range(2):
            replies = ask(grid, records={"model": model})
            assert [reply.content["model"]["0"].data == model["0"].data for reply in replies] == [True] * 4


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_setup_is_reported_with_its_reason(workers, probe):
    def setup(worker: int) -> None:
        raise OSError(f"no ledger for {worker}")

    with pytest.raises(WorkerSetupFailed, match="OSError: no ledger for 0"):
        open_grid(probe, Population(2), seed=1, workers=workers, worker_setup=setup)


def test_node_config_reaches_the_nodes_and_is_checked():
    app = ClientApp()

    @app.query()
    def tell(message: Message, context: Context) -> Message:
        return Message(RecordDict({"config": ConfigRecord(dict(context.node_config))}), reply_to=message)

    population = Population(2, node_config=lambda partition: {"member": f"hospital-{partition}"})
    with open_grid(app, population, seed=1, workers=2) as grid:
        messages = [Message(RecordDict(), node, "query") for node in grid.get_node_ids()]
        configs = [dict(reply.content["config"]) for reply in grid.send_and_receive(messages)]
    assert configs == [
        {"partition-id": partition, "num-partitions": 2, "member": f"hospital-{partition}"}
        for partition in (0, 1)
    ]
    with pytest.raises(TypeError, match="partition 0: 'key'"):
        Population(2, node_config=lambda _: {"key": object()}).contexts(run_id=1)
    with pytest.raises(ValueError, match="at least one node"):
        Population(0)


def test_worker_numbers_are_checked(probe):
    with pytest.raises(ValueError, match="at least one worker"):
        open_grid(probe, Population(1), seed=1, workers=-1)


def test_create_message_and_run_are_flowers(any_grid: SimulatedGrid):
    message = any_grid.create_message(RecordDict(), "query", FIRST_NODE_ID, group_id="3")
    (reply,) = any_grid.send_and_receive([message])
    assert reply.metadata.run_id == any_grid.run.run_id
    any_grid.set_run(any_grid.run)
    assert {node.node_id for node in any_grid.get_nodes()} == set(any_grid.get_node_ids())


def _echo() -> ClientApp:
    app = ClientApp()
    app.query()(lambda message, context: Message(message.content, reply_to=message))
    return app
