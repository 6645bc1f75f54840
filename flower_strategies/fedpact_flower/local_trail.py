"""A trail in memory: the same rules without a ledger, on what the clients return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fedpact.rules import (
    Evidence,
    LearningKind,
    Participant,
    Rules,
    Verdict,
    asked_of,
    draw_validators,
    first_seed,
    judge,
    lot,
    next_seed,
)
from fedpact_flower.arrays import Model
from fedpact_flower.trail import Challenge, Plan

TASK = "local"


class LocalTrail:
    """Keeps the rounds of one run in this process.

    Nothing is proven here: clients' answers are taken as they come. Every Flower node is a member of its own
    organisation, called by its number. Who is eliminated stays out.

    Parameters
    ----------
    kind : classification or regression.
    rules : how rounds are closed.
    rows : registered number of records by member; members that are missing count as one.
    seed : of the draws of validators and of ties.
    """

    task_id = ""

    def __init__(
        self,
        kind: LearningKind,
        rules: Rules | None = None,
        *,
        rows: Mapping[str, int] | None = None,
        seed: int = 0,
    ) -> None:
        self._kind = kind
        self._rules = rules or Rules()
        self._rows = dict(rows or {})
        self._first = f"{TASK}-{seed}"
        self._seed = ""
        self._plan = Plan(0, (), ())
        self._eliminated: set[str] = set()
        self._updates: dict[str, str] = {}
        self._scores: dict[str, tuple[int, ...]] = {}
        self._earlier: set[str] = set()

    def now_ms(self) -> int:
        """Return 0: nobody keeps time here."""
        return 0

    def enlist(self, flower_nodes: Sequence[int], challenge: Challenge) -> Mapping[str, int]:
        """Call every Flower node by its number."""
        return {str(node): node for node in flower_nodes}

    def open(self, number: int, nodes: Sequence[str]) -> Plan | None:
        """Open a round for everybody who has not been eliminated."""
        participants = tuple(sorted((node for node in nodes if node not in self._eliminated), key=int))
        self._seed = next_seed(self._seed, []) if self._seed else first_seed(self._first, participants)
        validators = draw_validators(self._seed, participants, participants, self._rules.validators_per_model)
        self._plan = Plan(number, participants, asked_of(validators))
        self._updates, self._scores = {}, {}
        return self._plan

    def received(self, updates: Mapping[str, str]) -> None:
        """Keep the hashes of the models that came back."""
        self._updates = dict(updates)

    def updates(self, number: int) -> Mapping[str, str]:
        """Return the hashes of the models that came back."""
        return self._updates

    def begin_scoring(self, number: int) -> None:
        """Do nothing: scores are taken at any time."""

    def scored(self, node: str, scores: Sequence[int]) -> None:
        """Keep a validator's scores; a row of the wrong length counts as none."""
        if len(scores) == len(self._plan.participants):
            self._scores[node] = tuple(scores)

    def verdict(self, number: int) -> Verdict:
        """Judge the round on what came back."""
        plan, copied = self._plan, self._copied()
        participants = tuple(
            Participant(
                node=node,
                organisation=node,
                rows=self._rows.get(node, 1),
                delivered=node in self._updates,
                lazy=node in copied,
                asked=bool(asked),
            )
            for node, asked in zip(plan.participants, plan.asks, strict=True)
        )
        verdict = judge(
            Evidence(
                number=number,
                seed=self._seed,
                kind=self._kind,
                rules=self._rules,
                participants=participants,
                scores=tuple(self._scores.get(node) for node in plan.participants),
                team_size=len(participants),
            )
        )
        self._eliminated.update(verdict.eliminated)
        return verdict

    def record_global(self, number: int, model: Model) -> str:
        """Remember the round's models: who hands one of them in again has not trained."""
        self._earlier = {model.digest, *self._updates.values()}
        return model.digest

    def sealers(self, number: int) -> Iterator[str]:
        """Yield nobody: there is nothing to seal."""
        return iter(())

    def committee(self, number: int) -> Sequence[str]:
        """Return nobody."""
        return ()

    def complete(self, number: int) -> None:
        """Do nothing: nobody was asked."""

    def _copied(self) -> set[str]:
        """Return who handed in an earlier model, or another's; whose it was is decided by lot."""
        originals: dict[str, str] = {}
        for node in sorted(self._updates, key=lambda node: lot(self._seed, node)):
            originals.setdefault(self._updates[node], node)
        return {
            node
            for node, update in self._updates.items()
            if update in self._earlier or originals[update] != node
        }
