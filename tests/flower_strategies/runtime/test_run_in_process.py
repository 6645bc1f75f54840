import os

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fedpact_flower.runtime import Rounds, run_in_process


@pytest.mark.parametrize("workers", [0, 2])
def test_fedavg_learns_the_digits(workers, digits):
    rounds = Rounds(
        initial_arrays=digits.initial,
        num_rounds=4,
        evaluate_fn=lambda _, arrays: MetricRecord({"accuracy": digits.accuracy(arrays)}),
    )
    result = run_in_process(FedAvg(), digits.app, 5, seed=1, rounds=rounds, workers=workers)
    central = {r: metrics["accuracy"] for r, metrics in result.evaluate_metrics_serverapp.items()}
    assert list(central) == [0, 1, 2, 3, 4]
    assert central[0] < 0.2
    assert central[4] > 0.92
    assert central[4] == digits.accuracy(result.arrays)
    assert result.evaluate_metrics_clientapp[4]["accuracy"] > 0.92


def test_a_server_app_runs_unchanged_with_its_run_config(digits):
    app = ServerApp()
    seen: dict[str, object] = {}

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        seen["rounds"] = context.run_config["num-server-rounds"]
        result = FedAvg(fraction_evaluate=0.0).start(grid, digits.initial, num_rounds=2)
        seen["accuracy"] = digits.accuracy(result.arrays)

    config = {"num-server-rounds": 2}
    assert run_in_process(app, digits.app, 3, seed=1, workers=2, run_config=config) is None
    assert seen["rounds"] == 2
    assert float(str(seen["accuracy"])) > 0.85


def test_a_strategy_with_a_phase_of_its_own_runs_on_workers(digits):
    class Validated(FedAvg):
        """Lets every node score every other node's model before it averages them."""

        def configure_train(self, server_round, arrays, config, grid):
            self.grid = grid
            return super().configure_train(server_round, arrays, config, grid)

        def aggregate_train(self, server_round, replies):
            replies = list(replies)
            models = {reply.metadata.src_node_id: reply.content["arrays"] for reply in replies}
            queries = [
                Message(
                    RecordDict({str(owner): model for owner, model in models.items() if owner != node}),
                    node,
                    "query.mutual_validate",
                    group_id=str(server_round),
                )
                for node in models
            ]
            self.scores = [dict(answer.content["scores"]) for answer in self.grid.send_and_receive(queries)]
            return super().aggregate_train(server_round, replies)

    def scores(workers: int) -> list[dict[str, float]]:
        strategy = Validated(fraction_evaluate=0.0)
        rounds = Rounds(initial_arrays=digits.initial, num_rounds=2)
        run_in_process(strategy, digits.app, 4, seed=3, rounds=rounds, workers=workers)
        return strategy.scores

    assert scores(0) == scores(2)
    assert [len(row) for row in scores(0)] == [3, 3, 3, 3]
    assert min(min(row.values()) for row in scores(0)) > 0.8


def test_a_server_function_returns_its_result_and_its_failure():
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Context) -> Message:
        answer = {"member": context.node_config["member"], "lr": context.run_config["lr"]}
        return Message(RecordDict({"answer": ConfigRecord(answer)}), reply_to=message)

    def ask_all(grid: Grid, context: Context) -> list[dict[str, object]]:
        messages = [Message(RecordDict(), node, "query") for node in grid.get_node_ids()]
        return [dict(reply.content["answer"]) for reply in grid.send_and_receive(messages)]

    set_up: list[int] = []
    answers = run_in_process(
        ask_all,
        app,
        3,
        seed=1,
        workers=0,
        node_config=lambda partition: {"member": f"site-{partition}"},
        run_config={"lr": 0.5},
        worker_setup=set_up.append,
    )
    assert answers == [{"member": f"site-{partition}", "lr": 0.5} for partition in range(3)]
    assert set_up == [0]

    def fail(grid: Grid, context: Context) -> None:
        raise LookupError(os.getpid())

    with pytest.raises(LookupError, match=str(os.getpid())):
        run_in_process(fail, app, 2, seed=1, workers=1)


def test_rounds_belong_to_strategies(digits):
    rounds = Rounds(initial_arrays=ArrayRecord([np.zeros(1)]), num_rounds=1)
    with pytest.raises(TypeError, match="needs rounds"):
        run_in_process(FedAvg(), digits.app, 2, seed=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="rounds are for a strategy"):
        run_in_process(ServerApp(), digits.app, 2, seed=1, rounds=rounds)  # type: ignore[call-overload]
