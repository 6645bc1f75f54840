import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, RecordDict

from fedpact.records import Elimination, LearningKind, Rules
from fedpact_flower.mutual_validation import MutualValidation, MutualValidationConfig
from fedpact_flower.phases import ANSWER
from fedpact_flower.runtime import FIRST_NODE_ID, Rounds, run_in_process

NODES = 8


def run(strategy, digits, *, app=None, flippers=(), rounds=4, workers=0, seed=3, nodes=NODES):
    return run_in_process(
        strategy,
        app or digits.app(),
        nodes,
        seed=seed,
        rounds=Rounds(initial_arrays=digits.initial, num_rounds=rounds, timeout_s=120),
        workers=workers,
        node_config=lambda partition: {"flips": partition in flippers},
    )


def node(partition: int) -> str:
    return str(FIRST_NODE_ID + partition)


def test_honest_nodes_are_all_kept(digits):
    strategy = MutualValidation()
    result = run(strategy, digits)
    assert digits.held_out(result.arrays) > 0.85
    assert [verdict.eliminated for verdict in strategy.verdicts.values()] == [()] * 4


def test_label_flippers_are_eliminated_and_stay_out(digits):
    strategy = MutualValidation()
    result = run(strategy, digits, flippers=(2, 5))
    dropped = [name for verdict in strategy.verdicts.values() for name in verdict.eliminated]
    assert sorted(dropped) == [node(2), node(5)]
    assert strategy.conductor.plan.participants == tuple(node(p) for p in range(NODES) if p not in (2, 5))
    assert digits.held_out(result.arrays) > 0.85


def test_the_paper_drops_the_worst_every_round(digits):
    config = MutualValidationConfig(rules=Rules(elimination=Elimination.PAPER))
    strategy = MutualValidation(config)
    run(strategy, digits, flippers=(2,), rounds=3)
    assert [len(verdict.eliminated) for verdict in strategy.verdicts.values()] == [1, 1, 1]
    assert strategy.verdicts[1].eliminated == (node(2),)


def test_regression_scores_are_errors(digits):
    app = digits.app(evaluate=lambda arrays, context: 1 - digits.accuracy(arrays, context))
    strategy = MutualValidation(MutualValidationConfig(kind=LearningKind.REGRESSION))
    run(strategy, digits, app=app, flippers=(1,))
    assert [name for verdict in strategy.verdicts.values() for name in verdict.eliminated] == [node(1)]


def test_registered_rows_weigh_not_what_clients_claim(digits):
    rows = {node(0): 300, node(1): 100}
    strategy = MutualValidation(MutualValidationConfig(rows=rows))
    run(strategy, digits, rounds=1, nodes=2)
    assert strategy.verdicts[1].weights == (750_000_000, 250_000_000)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_do_not_depend_on_workers(digits, workers):
    here, there = MutualValidation(), MutualValidation()
    alone = run(here, digits, flippers=(4,), workers=0)
    forked = run(there, digits, flippers=(4,), workers=workers)
    assert here.verdicts == there.verdicts
    for name in alone.arrays:
        np.testing.assert_array_equal(alone.arrays[name].numpy(), forked.arrays[name].numpy())


def test_each_model_is_validated_by_as_many_as_the_rules_say(digits):
    strategy = MutualValidation(MutualValidationConfig(rules=Rules(validators_per_model=3)))
    run(strategy, digits, flippers=(6,))
    asked = [position for positions in strategy.conductor.plan.asks for position in positions]
    counts = {position: asked.count(position) for position in asked}
    assert set(counts.values()) == {3}
    assert node(6) not in strategy.conductor.plan.participants


def tampered(digits, kind, change):
    """The digits' app, in which node 1 changes its replies of one kind."""
    app = digits.app()

    def call(message, context):
        reply = app(message, context)
        if message.metadata.message_type == kind and context.node_config["partition-id"] == 1:
            return change(message, reply) or reply
        return reply

    return call


def fail(message, reply):
    raise RuntimeError("no power")


def two_models(message, reply):
    reply.content["more"] = reply.content["arrays"]


def other_shapes(message, reply):
    reply.content["arrays"] = ArrayRecord([np.zeros(3)])


def no_array(message, reply):
    reply.content["arrays"]["bias"] = Array("float32", (10,), "numpy.ndarray", b"garbage")


def not_finite(message, reply):
    reply.content["arrays"]["bias"] = Array(np.full(10, np.inf, np.float32))


def nothing(message, reply):
    return Message(RecordDict(), reply_to=message)


@pytest.mark.parametrize("change", [fail, two_models, other_shapes, no_array, not_finite, nothing])
def test_a_reply_without_a_usable_model_misses_the_round(digits, change):
    strategy = MutualValidation()
    result = run(strategy, digits, app=tampered(digits, "train", change), rounds=2, nodes=4)
    assert [verdict.missed for verdict in strategy.verdicts.values()] == [(node(1),)] * 2
    assert strategy.verdicts[1].weights[1] == 0
    assert digits.held_out(result.arrays) > 0.8


def too_short(message, reply):
    reply.content[ANSWER]["scores"] = [1]


def words(message, reply):
    reply.content[ANSWER]["scores"] = ["good", "bad"]


@pytest.mark.parametrize("change", [fail, nothing, too_short, words])
def test_a_reply_without_scores_misses_the_round(digits, change):
    strategy = MutualValidation()
    app = tampered(digits, "query.mutual_validate", change)
    run(strategy, digits, app=app, rounds=2, nodes=4)
    assert [verdict.missed for verdict in strategy.verdicts.values()] == [(node(1),)] * 2


def test_nothing_is_learned_where_nobody_answers(digits):
    def silent(message, context):
        raise RuntimeError("no power")

    strategy = MutualValidation()
    result = run(strategy, digits, app=silent, rounds=2, nodes=3)
    assert not result.arrays
    assert strategy.verdicts[2].missed == (node(0), node(1), node(2))


def test_who_sends_the_global_model_back_is_lazy(digits):
    def lazy(message, reply):
        reply.content["arrays"] = message.content["arrays"]

    strategy = MutualValidation()
    run(strategy, digits, app=tampered(digits, "train", lazy), rounds=2, nodes=4)
    assert strategy.verdicts[2].lazy == (node(1),)
    assert strategy.verdicts[2].weights[1] == 0


def test_of_two_equal_models_one_is_a_copy(digits):
    def copied(message, context):
        own = dict(context.node_config)
        if own["partition-id"] == 1:
            context.node_config = {**own, "partition-id": 2}
        try:
            return digits.app()(message, context)
        finally:
            context.node_config = own

    strategy = MutualValidation()
    run(strategy, digits, app=copied, rounds=1, nodes=4)
    [lazy] = strategy.verdicts[1].lazy
    assert lazy in {node(1), node(2)}
