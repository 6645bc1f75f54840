"""One seed, one result: whatever the number of workers, and whatever else happens in a round."""

import random
import sys

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg, FedMedian, Krum, Strategy

from fedpact_flower.runtime import Population, Rounds, derive_seed, open_grid, run_in_process, seeded


def _bytes(arrays: ArrayRecord) -> dict[str, bytes]:
    return {name: array.data for name, array in arrays.items()}


@pytest.mark.parametrize(
    "strategy",
    [lambda: FedAvg(fraction_train=0.6), FedMedian, lambda: Krum(num_malicious_nodes=1)],
    ids=["FedAvg on a sample", "FedMedian", "Krum"],
)
def test_flowers_strategies_give_the_same_model_with_any_number_of_workers(strategy, digits):
    def run(workers: int, seed: int = 7) -> dict[str, bytes]:
        made: Strategy = strategy()
        rounds = Rounds(initial_arrays=digits.initial, num_rounds=2)
        result = run_in_process(made, digits.app, 6, seed=seed, rounds=rounds, workers=workers)
        metrics = repr(result.train_metrics_clientapp) + repr(result.evaluate_metrics_clientapp)
        return {**_bytes(result.arrays), "metrics": metrics.encode()}

    alone, one, two = (run(workers) for workers in (0, 1, 2))
    assert alone == one == two
    assert run(0, seed=8) != alone


def test_torch_trains_to_the_same_model_with_any_number_of_workers():
    torch = pytest.importorskip("torch")
    app = ClientApp()
    x = torch.linspace(-1, 1, 96 * 40).reshape(96, 40)
    y = (x.sum(dim=1, keepdim=True) > 0).float()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        assert torch.get_num_threads() == 1
        net = torch.nn.Sequential(torch.nn.Linear(40, 64), torch.nn.Dropout(0.2), torch.nn.Linear(64, 1))
        net.load_state_dict(message.content["arrays"].to_torch_state_dict())
        for batch in torch.randperm(96).split(16):
            net.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(net(x[batch]), y[batch]).backward()
            with torch.no_grad():  # by hand: importing torch.optim takes longer than all of this
                for weights in net.parameters():
                    weights.sub_(0.1 * weights.grad)
        content = {"arrays": ArrayRecord(net.state_dict()), "metrics": MetricRecord({"num-examples": 96})}
        return Message(RecordDict(content), reply_to=message)

    threads = torch.get_num_threads()
    with seeded(0, "initial model"):
        net = torch.nn.Sequential(torch.nn.Linear(40, 64), torch.nn.Dropout(0.2), torch.nn.Linear(64, 1))
    rounds = Rounds(initial_arrays=ArrayRecord(net.state_dict()), num_rounds=2)
    models = [
        _bytes(
            run_in_process(
                FedAvg(fraction_evaluate=0.0), app, 4, seed=5, rounds=rounds, workers=workers
            ).arrays
        )
        for workers in (0, 1, 2)
    ]
    assert models[0] == models[1] == models[2]
    assert models[0] != _bytes(rounds.initial_arrays)
    assert torch.get_num_threads() == threads


@pytest.fixture
def draws():
    """What the first three nodes draw from each generator, for a sequence of (action, group)."""
    app = ClientApp()

    def draw(message: Message, context: Context) -> Message:
        values = {"python": random.random(), "numpy": float(np.random.random())}
        if "torch" in sys.modules:
            values["torch"] = float(sys.modules["torch"].rand(1))
        return Message(RecordDict({"drawn": MetricRecord(values)}), reply_to=message)

    app.query()(draw)
    app.query("other")(draw)

    def play(*calls: tuple[str, str], workers: int = 0, seed: int = 1) -> list[list[dict[str, float]]]:
        with open_grid(app, Population(3), seed=seed, workers=workers) as grid:
            return [
                [
                    dict(reply.content["drawn"])
                    for reply in grid.send_and_receive(
                        Message(RecordDict(), node, kind, group_id=group) for node in grid.get_node_ids()
                    )
                ]
                for kind, group in calls
            ]

    return play


def test_nodes_groups_types_and_repetitions_draw_differently(draws):
    calls = [("query", "1"), ("query", "1"), ("query", "2"), ("query.other", "1")]
    rounds = draws(*calls)
    for generator in rounds[0][0]:
        drawn = [values[generator] for nodes in rounds for values in nodes]
        assert len(set(drawn)) == len(calls) * 3, generator
    assert rounds == draws(*calls, workers=2)
    assert rounds != draws(*calls, seed=2)


def test_a_further_phase_leaves_the_randomness_of_the_others_alone(draws):
    plain = draws(("query", "1"), ("query", "2"))
    with_phase = draws(("query", "1"), ("query.other", "1"), ("query", "2"), ("query.other", "2"))
    assert with_phase[::2] == plain


def test_the_callers_generators_are_left_as_they_were(digits):
    before = random.getstate(), np.random.get_state()
    rounds = Rounds(initial_arrays=digits.initial, num_rounds=1)
    for workers in (0, 1):
        run_in_process(FedAvg(), digits.app, 2, seed=7, rounds=rounds, workers=workers)
    assert random.getstate() == before[0]
    assert all(np.array_equal(now, then) for now, then in zip(np.random.get_state(), before[1], strict=True))


def test_generators_are_restored_after_an_exception():
    before = random.getstate()
    with pytest.raises(KeyError), seeded(1):
        random.random()
        raise KeyError
    assert random.getstate() == before


def test_seeds_are_pinned_and_their_labels_do_not_run_together():
    # printf "(7, 'client', 100)" | sha256sum
    pinned = "bf177d6b44d2267ce73e95a874cf80b05a599d1b043352661b5d1299f0c09f5e"
    assert derive_seed(7, "client", 100).hex() == pinned
    assert derive_seed(7, "ab", "c") != derive_seed(7, "a", "bc")
    assert derive_seed(7, "1") != derive_seed(7, 1)
    assert derive_seed(7) != derive_seed(-7)


@pytest.mark.parametrize("workers", [0, 2])
def test_numerical_libraries_compute_on_one_thread(workers, ask):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    app = ClientApp()

    @app.query()
    def threads(message: Message, context: Context) -> Message:
        most = max(library["num_threads"] for library in threadpoolctl.threadpool_info())
        return Message(RecordDict({"threads": MetricRecord({"most": most})}), reply_to=message)

    before = [library["num_threads"] for library in threadpoolctl.threadpool_info()]
    with open_grid(app, Population(2), seed=1, workers=workers) as grid:
        assert [reply.content["threads"]["most"] for reply in ask(grid)] == [1, 1]
    assert [library["num_threads"] for library in threadpoolctl.threadpool_info()] == before


def test_a_client_runs_after_the_server_used_its_threads(ask):
    torch = pytest.importorskip("torch")
    app = ClientApp()

    @app.query()
    def multiply(message: Message, context: Context) -> Message:
        product = torch.ones(300, 300) @ torch.ones(300, 300)
        values = np.ones((300, 300)) @ np.ones((300, 300))
        return Message(
            RecordDict({"values": ArrayRecord({"t": Array(product), "n": Array(values)})}), reply_to=message
        )

    (torch.rand(600, 600) @ torch.rand(600, 600)).exp()
    np.random.rand(600, 600) @ np.random.rand(600, 600)
    with open_grid(app, Population(2), seed=1, workers=2) as grid:
        for reply in ask(grid, timeout=30):
            assert {float(array.numpy().max()) for array in reply.content["values"].values()} == {300.0}
