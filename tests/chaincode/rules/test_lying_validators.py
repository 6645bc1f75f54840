"""Two of ten validators lie together: what they can and cannot do to the others, and what they earn."""

from __future__ import annotations

import numpy as np
import pytest
from tests.chaincode.rules.federation import CLIENTS, COLLUDERS, Federation, Setting, evidence, lie

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contracts.tasks.records import Rules
from fedpact_chaincode.rules.judging import Verdict, judge

LIES = ["victim", "everybody", "partner", "invert", "subtle"]
GROSS = {"victim", "everybody", "invert"}
EVERYBODY = list(range(CLIENTS))


def rounds(data: str, alpha: float | None, kind: str) -> list[tuple[Verdict, Verdict]]:
    """Return verdicts on what really was scored, and on what the liars make of it; nobody else lies."""
    pairs = []
    for seed in range(3):
        federation = Federation(Setting(data, alpha, 0, seed))
        for number in range(1, 6):
            models = [federation.trained(client) for client in EVERYBODY]
            scores = federation.scores(models, EVERYBODY)
            told = lie(kind, scores)
            true, false = (
                judge(evidence(federation, EVERYBODY, matrix, number, Rules())) for matrix in (scores, told)
            )
            pairs.append((true, false))
            weights = [weight / NANO for weight in true.weights]
            federation.model = sum(
                (w * m for w, m in zip(weights, models, strict=True)), np.zeros_like(models[0])
            )
    return pairs


def paid(verdict: Verdict) -> int:
    return sum(verdict.rewards[liar] for liar in COLLUDERS)


@pytest.mark.parametrize("kind", LIES)
@pytest.mark.parametrize(
    ("data", "alpha"), [("digits", None), ("breast-cancer", None), ("breast-cancer", 0.1)]
)
def test_liars_neither_drop_anybody_nor_gain(data: str, alpha: float | None, kind: str) -> None:
    pairs = rounds(data, alpha, kind)
    assert all(not true.eliminated and not false.eliminated for true, false in pairs)
    before, after = (sum(paid(pair[side]) for pair in pairs) for side in (0, 1))
    if kind not in GROSS:  # praise and small lies stay within what honest validators differ by
        assert after <= before * 1.005
    elif alpha is not None:
        assert after < before
    else:
        assert after < before * 0.95
        honest = [np.mean([false.honesty[client] for _, false in pairs]) for client in range(8)]
        for liar in COLLUDERS:
            assert np.mean([false.honesty[liar] for _, false in pairs]) < 0.95 * min(honest)


@pytest.mark.parametrize("kind", LIES)
def test_where_honest_opinions_differ_most_lies_do_not_pay_in_the_long_run(kind: str) -> None:
    """Ten classes at Dirichlet 0.1: a single round may pay a liar more, many rounds do not."""
    pairs = rounds("digits", 0.1, kind)
    before, after = (sum(paid(pair[side]) for pair in pairs) for side in (0, 1))
    assert after <= before * 1.03
    victims = [
        set(false.eliminated) - set(true.eliminated) - {str(liar) for liar in COLLUDERS}
        for true, false in pairs
    ]
    assert sum(map(len, victims)) <= 1


def test_one_liar_among_three_organisations_drops_nobody() -> None:
    federation = Federation(Setting("digits", None, 0, 0))
    three = EVERYBODY[:3]
    scores = federation.scores([federation.trained(client) for client in three], three)
    scores[2] = [0, NANO, 0]
    assert judge(evidence(federation, three, scores, 5, Rules())).eliminated == ()


def test_unavailable_is_a_missed_round_only_where_most_say_so() -> None:
    federation = Federation(Setting("digits", None, 0, 0))
    scores = federation.scores([federation.trained(client) for client in EVERYBODY], EVERYBODY)
    for said_by, missed in [((8, 9), ()), ((1, 2, 3, 4), ()), ((1, 2, 3, 4, 5), ("0",))]:
        told = [list(row) for row in scores]
        for validator in said_by:
            told[validator][0] = -1
        verdict = judge(evidence(federation, EVERYBODY, told, 2, Rules()))
        assert verdict.missed == missed
        assert (verdict.weights[0] == 0) == bool(missed)
        assert (verdict.rewards[0] == 0) == bool(missed)
