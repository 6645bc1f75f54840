"""Which organisations can satisfy policies together, whatever their members' roles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple, Protocol

from fedpact.wire.policy_language import PolicyCode, PolicyError

__all__ = ["Gate", "Leaf", "choose_for", "named", "needs"]

MAX_NEEDS: Final = 1000
MAX_CANDIDATES: Final = 10 * MAX_NEEDS
MAX_EXHAUSTIVE: Final = 10


class Leaf(Protocol):
    """A signature by somebody of one organisation."""

    @property
    def mspid(self) -> str:
        """The organisation."""


class Gate(Protocol):
    """So many of the parts; a `Policy` is one, and an `OutOf`."""

    @property
    def needed(self) -> int:
        """How many."""

    @property
    def rules(self) -> Sequence[Gate | Leaf]:
        """The parts."""


class _All(NamedTuple):
    needed: int
    rules: Sequence[Gate | Leaf]


def named(rule: Gate | Leaf) -> frozenset[str]:
    """Return every organisation that a policy names."""
    if hasattr(rule, "mspid"):
        return frozenset({rule.mspid})
    return frozenset().union(*map(named, rule.rules))


def choose_for(policies: Sequence[Gate], available: Sequence[str]) -> tuple[str, ...] | None:
    """Pick a smallest set of organisations that can satisfy all of these policies together.

    Parameters
    ----------
    policies
        All of them are to be satisfied, by the same signatures.
    available
        MSP identifiers in order of preference.

    Returns
    -------
    tuple or None
        Those to ask, in the given order. Of several smallest sets, the most preferred one. Among
        more than ten organisations that matter, a set of which none can be spared, later ones
        spared first; it is a smallest one unless the policies weigh organisations differently.
        None when all of them together are not enough.
    """
    whole = _All(len(policies), policies)
    relevant = named(whole)
    chosen = [mspid for mspid in dict.fromkeys(available) if mspid in relevant]
    if not _reachable(whole, frozenset(chosen)):
        return None
    if len(chosen) <= MAX_EXHAUSTIVE:
        sizes = range(len(chosen) + 1)
        return next(
            found
            for size in sizes
            for found in combinations(chosen, size)
            if _reachable(whole, frozenset(found))
        )
    for mspid in reversed(tuple(chosen)):
        rest = [other for other in chosen if other != mspid]
        if _reachable(whole, frozenset(rest)):
            chosen = rest
    return tuple(chosen)


def needs(rule: Gate | Leaf) -> frozenset[frozenset[str]]:
    """Return the minimal sets of organisations that can satisfy a policy.

    Raises
    ------
    PolicyError
        TOO_COMPLEX when there are more than 1,000 sets.
    """
    if hasattr(rule, "mspid"):
        return frozenset({frozenset({rule.mspid})})
    # ways[k]: the minimal sets that satisfy k of the rules seen so far.
    ways: list[frozenset[frozenset[str]]] = [frozenset({frozenset()})] + [frozenset()] * rule.needed
    for part in rule.rules:
        sets = needs(part)
        for count in range(rule.needed, 0, -1):
            if len(ways[count - 1]) * len(sets) > MAX_CANDIDATES:
                raise _too_complex()
            joined = {before | now for before in ways[count - 1] for now in sets}
            ways[count] = _minimal(ways[count] | joined)
    return ways[rule.needed]


def _reachable(rule: Gate | Leaf, mspids: frozenset[str]) -> bool:
    if hasattr(rule, "mspid"):
        return rule.mspid in mspids
    return sum(_reachable(part, mspids) for part in rule.rules) >= rule.needed


def _minimal(sets: frozenset[frozenset[str]]) -> frozenset[frozenset[str]]:
    kept: list[frozenset[str]] = []
    for candidate in sorted(sets, key=len):
        if not any(smaller <= candidate for smaller in kept):
            kept.append(candidate)
    if len(kept) > MAX_NEEDS:
        raise _too_complex()
    return frozenset(kept)


def _too_complex() -> PolicyError:
    return PolicyError(
        PolicyCode.TOO_COMPLEX, f"more than {MAX_NEEDS} sets of organisations satisfy this policy"
    )
