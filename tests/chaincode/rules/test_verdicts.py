"""Verdicts: the same in any order, complete sums, and every way in which a participant can fail."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact_chaincode.arithmetic import NANO
from fedpact_chaincode.contracts.tasks.records import Elimination, LearningKind, Rules, Variant
from fedpact_chaincode.rules.evidence import NOT_ASKED, UNAVAILABLE
from fedpact_chaincode.rules.judging import Evidence, Participant, Verdict, judge

BY_POSITION = (
    "totals",
    "qualities",
    "hardness",
    "evidence",
    "weights",
    "honesty",
    "contributions",
    "rewards",
)


def matrix(rows: list[list[int]], **changes: object) -> Evidence:
    """Return evidence of participants `n0`, `n1`, ... each of its own organisation, diagonal not asked."""
    people = tuple(Participant(f"n{i}", f"o{i}", 100) for i in range(len(rows)))
    scores = tuple(
        tuple(NOT_ASKED if i == j else score for j, score in enumerate(row)) for i, row in enumerate(rows)
    )
    plain = Evidence(
        number=2,
        seed="5" * 64,
        kind=LearningKind.CLASSIFICATION,
        rules=Rules(),
        participants=people,
        scores=scores,
        reward=1_000,
        team_size=len(rows),
        team_leader="n0",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def even(count: int, score: int = 900_000_000) -> list[list[int]]:
    return [[score] * count for _ in range(count)]


def with_participant(evidence: Evidence, position: int, **changes: object) -> Evidence:
    people = list(evidence.participants)
    people[position] = replace(people[position], **changes)  # type: ignore[arg-type]
    return replace(evidence, participants=tuple(people))


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    count = draw(st.integers(1, 7))
    kind = draw(st.sampled_from(LearningKind))
    top = NANO if kind is LearningKind.CLASSIFICATION else 10**18
    people = tuple(
        Participant(
            node=f"n{i}",
            organisation=f"o{draw(st.integers(0, 4))}",
            rows=draw(st.integers(0, 1000)),
            delivered=draw(st.integers(0, 5)) > 0,
            lazy=draw(st.integers(0, 9)) == 0,
        )
        for i in range(count)
    )
    people = tuple(replace(person, lazy=person.lazy and person.delivered) for person in people)
    score = st.integers(0, top) | st.sampled_from([0, top, UNAVAILABLE, NOT_ASKED])
    row = st.tuples(*[score] * count)
    scores = tuple(draw(row | st.none()) for _ in range(count))
    return Evidence(
        number=draw(st.integers(1, 4)),
        seed=draw(st.sampled_from(["1" * 64, "2" * 64])),
        kind=kind,
        rules=Rules(
            elimination=draw(st.sampled_from(Elimination)),
            rewards=draw(st.sampled_from(Variant)),
            margin_nano=draw(st.sampled_from([0, 50_000_000])),
        ),
        participants=people,
        scores=scores,
        reward=draw(st.integers(0, 10**9)),
        team_size=draw(st.integers(count, count + 3)) + 1,
        team_leader=draw(st.none() | st.sampled_from([person.node for person in people])),
    )


def permuted(evidence: Evidence, order: list[int]) -> Evidence:
    return replace(
        evidence,
        participants=tuple(evidence.participants[i] for i in order),
        scores=tuple(
            None if (row := evidence.scores[i]) is None else tuple(row[j] for j in order) for i in order
        ),
    )


@given(evidences(), st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_any_order_of_participants_gives_the_same_verdict(evidence: Evidence, random: Random) -> None:
    order = list(range(len(evidence.participants)))
    random.shuffle(order)
    plain, mixed = judge(evidence), judge(permuted(evidence, order))
    for name in Verdict.__slots__:
        there, here = getattr(mixed, name), getattr(plain, name)
        assert there == (tuple(here[i] for i in order) if name in BY_POSITION else here), name
    assert judge(evidence) == plain


@given(evidences())
@settings(max_examples=250, deadline=None)
def test_what_holds_of_every_verdict(evidence: Evidence) -> None:
    verdict = judge(evidence)
    people = {person.node: person for person in evidence.participants}
    out = {*verdict.eliminated, *verdict.missed, *verdict.lazy}
    assert sum(verdict.weights) in {0, NANO}
    assert sum(verdict.contributions) in {0, NANO}
    most = evidence.reward
    if evidence.rules.rewards is Variant.PAPER:
        most += -(-evidence.reward // evidence.team_size)
        assert sum(verdict.rewards) <= most
    else:
        assert sum(verdict.rewards) == (most if any(verdict.contributions) else 0)
    for position, node in enumerate(people):
        assert verdict.rewards[position] >= 0
        assert 0 < verdict.honesty[position] <= NANO
        if node in out:
            assert verdict.rewards[position] == verdict.contributions[position] == 0
        if node in verdict.eliminated or not people[node].delivered or people[node].lazy:
            assert verdict.weights[position] == 0
        quality = verdict.qualities[position]
        assert quality is None or quality >= 0
    assert verdict.ranking
    assert set(verdict.ranking) <= set(people)
    assert not set(verdict.ranking) & out or set(verdict.ranking) == set(people)
    candidates = [p for p in people.values() if p.delivered and not p.lazy]
    assert len(candidates) - len(verdict.eliminated) >= min(2, len(candidates))
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def test_the_total_is_the_sum_of_the_others_scores() -> None:
    verdict = judge(matrix([[0, 5, 7], [11, 0, 13], [17, 19, 0]]))
    assert verdict.totals == (28, 24, 20)


def test_a_hard_validation_set_is_held_against_nobody() -> None:
    rows = even(5)
    rows[3] = [300_000_000] * 5
    verdict = judge(matrix(rows))
    assert verdict.evidence == (0,) * 5
    assert verdict.honesty == (NANO,) * 5
    assert verdict.hardness[3] == 300_000_000
    assert verdict.level == 900_000_000
    assert verdict.eliminated == ()


def test_a_lower_error_is_better_in_a_regression() -> None:
    rows = [[40 * NANO, 41 * NANO, 42 * NANO, 43 * NANO, 95 * NANO] for _ in range(5)]
    verdict = judge(matrix(rows, kind=LearningKind.REGRESSION))
    assert verdict.eliminated == ("n4",)
    assert verdict.ranking == ("n0", "n1", "n2", "n3")
    assert verdict.rewards[0] > verdict.rewards[3] > verdict.rewards[4] == 0


def test_several_nodes_of_an_organisation_have_one_voice() -> None:
    """Four nodes of one organisation against one model; three other organisations find it good."""
    rows = [[900_000_000, 900_000_000, 900_000_000, *[880_000_000] * 4] for _ in range(7)]
    for lying in range(3, 7):
        rows[lying][0] = 0
    crowd = matrix(rows)
    for position in range(3, 7):
        crowd = with_participant(crowd, position, organisation="crowd")
    assert judge(crowd).eliminated == ()
    assert judge(matrix(rows)).eliminated == ("n0",), "as organisations of their own they would be most"


def test_what_an_organisation_says_of_its_own_models_does_not_count() -> None:
    rows = even(5)
    for row in rows:
        row[4] = 100_000_000
    rows[3][4] = NANO
    evidence = with_participant(matrix(rows), 3, organisation="o4")
    verdict = judge(evidence)
    assert verdict.eliminated == ("n4",)
    assert verdict.totals[4] == 300_000_000


def test_few_organisations_drop_nobody() -> None:
    rows = even(4)
    for row in rows:
        row[3] = 0
    evidence = matrix(rows, rules=Rules(min_validators=3))
    assert judge(evidence).eliminated == ("n3",)
    silent = replace(evidence, scores=(None, *evidence.scores[1:]))
    assert judge(silent).eliminated == ()


@pytest.mark.parametrize(("worst", "dropped"), [(856_000_000, ()), (854_000_000, ("n4",))])
def test_the_margin_is_relative_to_the_cohort(worst: int, dropped: tuple[str, ...]) -> None:
    rows = [[900_000_000] * 4 + [worst] for _ in range(5)]
    assert judge(matrix(rows)).eliminated == dropped


def test_two_always_remain() -> None:
    rows = [[900_000_000, 900_000_000, 0], [900_000_000, 900_000_000, 0], [900_000_000, 900_000_000, 0]]
    assert judge(matrix(rows)).eliminated == ("n2",)
    paper = Rules(elimination=Elimination.PAPER)
    assert judge(matrix([[0, 5], [7, 0]], rules=paper)).eliminated == ()


def test_ties_go_by_lot_and_another_seed_draws_others() -> None:
    rules = Rules(elimination=Elimination.PAPER)
    seeds = [f"{number:064x}" for number in range(20)]
    verdicts = [judge(matrix(even(4), rules=rules, seed=seed)) for seed in seeds]
    assert len({verdict.ranking[0] for verdict in verdicts}) > 1
    assert len({verdict.eliminated for verdict in verdicts}) > 1
    odd = [judge(matrix(even(4), reward=7, team_leader=None, seed=seed)).rewards for seed in seeds]
    assert all(sorted(paid) == [1, 2, 2, 2] for paid in odd)
    assert len(set(odd)) > 1


def test_who_delivers_nothing_is_missed_and_its_scores_still_count() -> None:
    rows = even(4)
    for row in rows:
        row[3] = 100_000_000
    evidence = with_participant(matrix(rows), 0, delivered=False)
    verdict = judge(evidence)
    assert verdict.missed == ("n0",)
    assert verdict.eliminated == ("n3",)
    assert verdict.weights[0] == verdict.rewards[0] == 0
    assert "n0" not in verdict.ranking


def test_who_does_not_validate_is_missed_but_its_model_is_used() -> None:
    evidence = matrix(even(4))
    verdict = judge(replace(evidence, scores=(None, *evidence.scores[1:])))
    assert verdict.missed == ("n0",)
    assert verdict.weights[0] == NANO // 4
    assert verdict.rewards[0] == 0
    assert (
        judge(with_participant(replace(evidence, scores=(None, *evidence.scores[1:])), 0, asked=False)).missed
        == ()
    )


def test_without_elimination_validation_is_voluntary() -> None:
    evidence = matrix(even(3), scores=(None, None, None), rules=Rules(elimination=Elimination.NONE))
    evidence = with_participant(evidence, 2, rows=200)
    verdict = judge(evidence)
    assert verdict.missed == ()
    assert verdict.level is None
    assert verdict.weights == (NANO // 4, NANO // 4, NANO // 2)
    assert verdict.contributions == verdict.weights


def test_a_copy_is_worth_nothing_and_no_missed_round() -> None:
    verdict = judge(with_participant(matrix(even(4)), 1, lazy=True))
    assert (verdict.lazy, verdict.missed) == (("n1",), ())
    assert verdict.weights[1] == verdict.rewards[1] == 0


def test_when_nobody_delivers_nobody_is_paid_and_somebody_leads() -> None:
    evidence = matrix(even(3), scores=(None, None, None))
    for position in range(3):
        evidence = with_participant(evidence, position, delivered=False)
    verdict = judge(evidence)
    assert verdict.missed == ("n0", "n1", "n2")
    assert sum(verdict.weights) == sum(verdict.rewards) == 0
    assert sorted(verdict.ranking) == ["n0", "n1", "n2"]


def test_models_that_nobody_compared_are_paid_as_the_cohort() -> None:
    rows = even(5)
    for row in rows:
        row[4] = NOT_ASKED
    verdict = judge(matrix(rows, team_leader=None))
    assert verdict.qualities[4] is None
    assert verdict.rewards == (200,) * 5
