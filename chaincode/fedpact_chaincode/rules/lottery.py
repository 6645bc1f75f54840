"""Draws that nobody can choose: seeds from commitments, ties by hash, validators by lot.

A participant commits to a secret with its update and reveals it with its scores; no update is taken once the
first score may be given. All secrets of a round together seed the next one. Who keeps its secret back can
turn a draw once, and pays for it with the round's reward (its scores are missing too).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def commitment_of(secret: str) -> str:
    """Return the commitment to a secret of 32 bytes, both hex: its SHA-256."""
    return hashlib.sha256(bytes.fromhex(secret)).hexdigest()


def first_seed(task_id: str, nodes: Sequence[str]) -> str:
    """Return the seed of a task's first round, from its id and its team, in whatever order, hex."""
    return _hash("first", task_id, *sorted(nodes))


def next_seed(seed: str, secrets: Sequence[str]) -> str:
    """Return the seed of the round after one with this seed and these revealed secrets, in any order, hex."""
    return _hash("next", seed, *sorted(secrets))


def lot(seed: str, *identity: str) -> str:
    """Return the lot that somebody drew, hex; the smallest wins a tie."""
    return _hash("lot", seed, *identity)


def draw_validators(
    seed: str, nodes: Sequence[str], organisations: Sequence[str], per_model: int
) -> tuple[tuple[int, ...], ...]:
    """Draw who validates each model: never its own organisation, other organisations evenly, loads evenly.

    Parameters
    ----------
    nodes, organisations : of the participants; everybody is a validator too.
    per_model : how many validators each model gets, if there are as many; 0 means all.

    Returns
    -------
    For each participant's model the positions of its validators, ascending. The same for any order of the
    participants. O(n^2 log n).
    """
    everyone = range(len(nodes))
    load = [0] * len(nodes)
    drawn: list[tuple[int, ...]] = [()] * len(nodes)
    for model in sorted(everyone, key=lambda position: lot(seed, nodes[position])):
        able = [other for other in everyone if organisations[other] != organisations[model]]
        if per_model == 0 or per_model >= len(able):
            drawn[model] = tuple(able)
            continue
        lots = {other: lot(seed, nodes[model], nodes[other]) for other in able}
        asked: dict[str, int] = {}
        chosen: list[int] = []
        for _ in range(per_model):
            best = min(
                (other for other in able if other not in chosen),
                key=lambda other: (asked.get(organisations[other], 0), load[other], lots[other]),
            )
            chosen.append(best)
            load[best] += 1
            asked[organisations[best]] = asked.get(organisations[best], 0) + 1
        drawn[model] = tuple(sorted(chosen))
    return tuple(drawn)


def asked_of(validators: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Return for each validator the positions of the models it is asked about, ascending."""
    asked: list[list[int]] = [[] for _ in validators]
    for model, chosen in enumerate(validators):
        for validator in chosen:
            asked[validator].append(model)
    return tuple(tuple(models) for models in asked)


def _hash(*parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in ("fedpact", *parts))
    return hashlib.sha256(text.encode()).hexdigest()
