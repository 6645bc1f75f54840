
from fedpact.records import RoundStatus, TaskStatus
from fedpact_flower.mutual_validation import MutualValidation
from fedpact_flower.runtime import Rounds, run_in_process


def play(federation, digits, strategy, *, workers=2, flippers=(), rounds=None, app=None):
    return run_in_process(
        strategy,
        app or digits.app(federation.member()),
        len(federation.nodes),
        seed=3,
        rounds=Rounds(
            initial_arrays=digits.initial, num_rounds=rounds or federation.task.rounds, timeout_s=120
        ),
        workers=workers,
        node_config=lambda partition: {"flips": partition in flippers},
    )


def test_a_task_from_its_start_to_its_completion(federation, digits):
    team = federation(6, rounds=3)
    strategy = MutualValidation(trail=team.trail())
    result = play(team, digits, strategy, flippers=(4,))
    task = team.requester.tasks.get("task")
    assert task.status is TaskStatus.COMPLETED
    assert digits.held_out(result.arrays) > 0.85
    rounds = team.requester.training.rounds("task")
    assert [found.status for found in rounds] == [RoundStatus.SEALED] * 3
    assert team.requester.audit.run().ok
