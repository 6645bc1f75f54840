import numpy as np
import pytest

from fedpact.records import Elimination, LearningKind, Rules
from fedpact_flower.mutual_validation import MutualValidation, MutualValidationConfig
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
