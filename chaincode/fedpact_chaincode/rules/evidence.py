"""What a round's scores say of its models: one organisation one weight, and no blame for a hard data set.

From here on higher is better: mean absolute errors are negated on the way in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedpact_chaincode.arithmetic import divide, median

UNAVAILABLE = -1
"""In a row of scores: the validator could not have the model, or it did not match its hash."""
NOT_ASKED = -2
"""In a row of scores: the validator was not asked about this model."""

MOST = (3, 5)
"""The share of the votes that has to be exceeded for evidence against a model."""

Row = Sequence[int] | None
_LEAST_COMPARED = 2


@dataclass(frozen=True, slots=True)
class Opinions:
    """Scores relative to their validator's median, by organisation.

    Attributes
    ----------
    relative : for each model, by organisation: its score less the median of that organisation's scores.
    scored, unavailable : for each model, how many organisations scored it, and how many could not have it.
    hardness : by organisation, the median of its scores: how well any model does on its data.
    level : the median of `hardness`; None where nothing was scored.
    """

    relative: tuple[Mapping[str, int], ...]
    scored: tuple[int, ...]
    unavailable: tuple[int, ...]
    hardness: Mapping[str, int]
    level: int | None


def opinions(
    organisations: Sequence[str], rows: Sequence[Row], *, counted: Sequence[bool], sign: int
) -> Opinions:
    """Reduce scores to one opinion per organisation and model.

    An organisation's opinion is the median of its validators' scores; it is "unavailable" where more of them
    say so than score the model. What it says of its own models does not count. One that scored a single
    model compares nothing and has no opinion.

    Parameters
    ----------
    organisations : of the participants; everybody is a validator too.
    rows : by validator, a score for each model (0 or more, 1e-9), UNAVAILABLE or NOT_ASKED; None where
        nothing was recorded.
    counted : by model, whether it takes part in the comparison.
    sign : 1 where a higher score is better, -1 where a lower one is.
    """
    given: dict[str, list[Sequence[int]]] = {}
    for organisation, row in zip(organisations, rows, strict=True):
        if row is not None:
            given.setdefault(organisation, []).append(row)
    relative: list[dict[str, int]] = [{} for _ in organisations]
    scored, unavailable = [0] * len(organisations), [0] * len(organisations)
    hardness: dict[str, int] = {}
    for organisation, own_rows in given.items():
        scores: dict[int, int] = {}
        for model, owner in enumerate(organisations):
            if owner == organisation or not counted[model]:
                continue
            said = [row[model] for row in own_rows if row[model] != NOT_ASKED]
            values = [value for value in said if value != UNAVAILABLE]
            if 2 * len(values) < len(said):
                unavailable[model] += 1
            elif values:
                scores[model] = sign * median(values)
                scored[model] += 1
        if len(scores) >= _LEAST_COMPARED:
            hardness[organisation] = centre = median(list(scores.values()))
            for model, score in scores.items():
                relative[model][organisation] = score - centre
    level = median(list(hardness.values())) if hardness else None
    return Opinions(tuple(relative), tuple(scored), tuple(unavailable), hardness, level)


def disagreements(
    organisations: Sequence[str], rows: Sequence[Row], said: Opinions, *, sign: int
) -> list[int | None]:
    """Return how far each validator is from the others: its mean distance to all other organisations' median.

    Returns
    -------
    1e-9, by validator; None where it compared nothing that others compared too. O(n^2 log n).
    """
    ordered = [sorted(opinions_of_model.values()) for opinions_of_model in said.relative]
    found: list[int | None] = []
    for organisation, row in zip(organisations, rows, strict=True):
        own = {
            model: sign * row[model]
            for model, by_organisation in enumerate(said.relative)
            if row is not None and organisation in by_organisation and row[model] >= 0
        }
        centre = median(list(own.values())) if own else 0
        distances = [
            abs(score - centre - _median_without(ordered[model], said.relative[model][organisation]))
            for model, score in own.items()
            if len(ordered[model]) > 1
        ]
        found.append(divide(sum(distances), len(distances)) if distances else None)
    return found


def middle(values: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Return the weighted median of some organisations' values; between two middle ones their mean."""
    ordered = sorted((value, weights[organisation]) for organisation, value in values.items())
    half, votes = sum(weight for _, weight in ordered), 0
    lower: int | None = None
    for value, weight in ordered:
        votes += 2 * weight
        if lower is None and votes >= half:
            lower = value
        if votes > half:
            return divide((value if lower is None else lower) + value, 2)
    raise ValueError("weighted median of nothing")


def held_by_most(values: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Return the smallest value that organisations with more than three fifths of the votes do not exceed.

    That a model is bad must be the opinion of most even if a fifth of them lie; a tie speaks against nobody.
    """
    majority, denominator = MOST
    ordered = sorted((value, weights[organisation]) for organisation, value in values.items())
    needed, votes = majority * sum(weight for _, weight in ordered), 0
    for value, weight in ordered:
        votes += denominator * weight
        if votes > needed:
            return value
    raise ValueError("opinion of nobody")


def _median_without(ordered: Sequence[int], value: int) -> int:
    """Return the median of a sorted sequence without one occurrence of a value in it."""
    gap = bisect_left(ordered, value)
    middle_, odd = divmod(len(ordered) - 1, 2)
    at = [position + (position >= gap) for position in (middle_ - 1 + odd, middle_)]
    return divide(ordered[at[0]] + ordered[at[1]], 2)
