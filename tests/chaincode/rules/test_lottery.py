"""Draws: the same for any order, fair enough, and changed by every secret."""

from __future__ import annotations

import hashlib
from collections import Counter
from random import Random

import pytest

from fedpact_chaincode.rules.lottery import (
    asked_of,
    commitment_of,
    draw_validators,
    first_seed,
    lot,
    next_seed,
)

SEED = "7" * 64


def people(count: int, per_organisation: int = 1) -> tuple[list[str], list[str]]:
    organisations = [f"o{i // per_organisation}" for i in range(count)]
    return [f"{organisation}/n{i}" for i, organisation in enumerate(organisations)], organisations


def test_a_commitment_is_the_hash_of_the_secret() -> None:
    secret = "ab" * 32
    assert commitment_of(secret) == hashlib.sha256(bytes.fromhex(secret)).hexdigest()


def test_seeds_do_not_depend_on_order_but_on_every_part() -> None:
    assert first_seed("t", ["a", "b"]) == first_seed("t", ["b", "a"]) != first_seed("u", ["a", "b"])
    assert first_seed("t", ["a", "b"]) != first_seed("t", ["a", "b", "c"])
    one, two = "1" * 64, "2" * 64
    assert next_seed(SEED, [one, two]) == next_seed(SEED, [two, one])
    assert (
        len({next_seed(SEED, []), next_seed(SEED, [one]), next_seed(SEED, [one, two]), next_seed(one, [])})
        == 4
    )
    assert lot(SEED, "ab", "c") != lot(SEED, "a", "bc")


@pytest.mark.parametrize(("count", "each", "per_model"), [(10, 1, 3), (12, 3, 4), (7, 1, 5), (50, 2, 5)])
def test_validators_are_others_evenly_drawn(count: int, each: int, per_model: int) -> None:
    nodes, organisations = people(count, each)
    drawn = draw_validators(SEED, nodes, organisations, per_model)
    for model, chosen in enumerate(drawn):
        assert len(chosen) == per_model == len(set(chosen))
        assert organisations[model] not in {organisations[validator] for validator in chosen}
        others = len(set(organisations)) - 1
        assert len({organisations[validator] for validator in chosen}) == min(per_model, others)
    load = Counter(validator for chosen in drawn for validator in chosen)
    assert max(load.values()) - min(load[validator] for validator in range(count)) <= 2
    asked = asked_of(drawn)
    assert {(v, m) for m, chosen in enumerate(drawn) for v in chosen} == {
        (v, m) for v, models in enumerate(asked) for m in models
    }


def test_all_others_validate_where_there_are_too_few() -> None:
    nodes, organisations = people(4, 2)
    assert draw_validators(SEED, nodes, organisations, 0) == ((2, 3), (2, 3), (0, 1), (0, 1))
    assert draw_validators(SEED, nodes, organisations, 3) == draw_validators(SEED, nodes, organisations, 0)
    assert draw_validators(SEED, nodes[:2], organisations[:2], 2) == ((), ())


def test_the_draw_is_the_same_for_any_order_and_another_for_another_seed() -> None:
    nodes, organisations = people(9)
    drawn = draw_validators(SEED, nodes, organisations, 3)
    named = {nodes[m]: {nodes[v] for v in chosen} for m, chosen in enumerate(drawn)}
    order = list(range(9))
    Random(3).shuffle(order)
    mixed = [nodes[i] for i in order]
    again = draw_validators(SEED, mixed, [organisations[i] for i in order], 3)
    assert {mixed[m]: {mixed[v] for v in chosen} for m, chosen in enumerate(again)} == named
    assert draw_validators("8" * 64, nodes, organisations, 3) != drawn
