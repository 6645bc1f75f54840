"""What a strategy needs to know of its rounds, wherever they are kept.

`LocalTrail` keeps them in memory and applies the rules to what the clients returned; `LedgerTrail` keeps
them on a ledger, where every member records its own part and the contract applies the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fedpact.rules import Verdict
from fedpact_flower.arrays import Model


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a Flower node says it is, and its signature over the challenge."""

    node: str
    signature: bytes


Challenge = Callable[[bytes], Mapping[int, Claim]]
"""Puts a challenge of 32 bytes to every Flower node; returns the claims of those that answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A round that has been opened.

    Attributes
    ----------
    number : from 1.
    participants : members' ids; a participant's place here is its position everywhere.
    asks : positions of the models that each participant validates, by the validator's position.
    scores_needed : whether the round cannot be closed well without scores, whatever the strategy.
    awaits_updates : False for a round that was found past its training, left by an earlier server.
    """

    number: int
    participants: tuple[str, ...]
    asks: tuple[tuple[int, ...], ...]
    scores_needed: bool = True
    awaits_updates: bool = True


class Trail(Protocol):
    """The rounds of one task."""

    @property
    def task_id(self) -> str:
        """The task on the ledger; empty without one."""

    def now_ms(self) -> int:
        """Return the time that messages carry, milliseconds since 1970; 0 where nobody keeps time."""

    def enlist(self, flower_nodes: Sequence[int], challenge: Challenge) -> Mapping[str, int]:
        """Find out which Flower node is which member; members that cannot be found are missing."""

    def open(self, number: int, nodes: Sequence[str]) -> Plan | None:
        """Open a round; None if the task has ended.

        Parameters
        ----------
        number : from 1.
        nodes : members that can be reached.
        """

    def received(self, updates: Mapping[str, str]) -> None:
        """Take note of the models that came back: hash by member."""

    def updates(self, number: int) -> Mapping[str, str]:
        """Return the hash that each member recorded for its model; who recorded none is missing."""

    def begin_scoring(self, number: int) -> None:
        """End the updates' time, when it has come: from now on validators are heard."""

    def scored(self, node: str, scores: Sequence[int]) -> None:
        """Take note of the scores in a validator's reply, by position."""

    def verdict(self, number: int) -> Verdict:
        """Close the round, when all is in or its time has passed, and return what follows from it."""

    def record_global(self, number: int, model: Model) -> str:
        """Record the round's global model, unless one is recorded; return the recorded hash."""

    def sealers(self, number: int) -> Iterator[str]:
        """Yield who may seal the round, each when its turn has come, until the round is sealed.

        Raises
        ------
        RoundNotSealed
            Nobody did.
        """

    def committee(self, number: int) -> Sequence[str]:
        """Return who has to approve the final model: nobody, unless this was the task's last round."""

    def complete(self, number: int) -> None:
        """End the task after the committee has been asked."""
