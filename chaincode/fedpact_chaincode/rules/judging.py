"""The verdict on a round: everything that follows from its updates and scores, computed from them alone.

The contract closes rounds with it, strategies without a ledger use it, and the audit recomputes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedpact_chaincode.arithmetic import NANO, divide
from fedpact_chaincode.contracts.tasks.records import Elimination, LearningKind, Rules
from fedpact_chaincode.rules import elimination
from fedpact_chaincode.rules.contribution import honesty, rewards, shares, worth
from fedpact_chaincode.rules.elimination import Suspect, guard
from fedpact_chaincode.rules.evidence import Opinions, Row, disagreements, held_by_most, middle, opinions
from fedpact_chaincode.rules.lottery import lot
from fedpact_chaincode.rules.quality import Standing, rank


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant of a round.

    Attributes
    ----------
    node, organisation : its id and its organisation's mspid.
    rows : of its dataset as registered before the task.
    delivered : whether it recorded an update in time.
    lazy : whether that was a copy of another's, of an earlier one, or of the model it started from.
    asked : whether it was asked to validate anything.
    """

    node: str
    organisation: str
    rows: int
    delivered: bool = True
    lazy: bool = False
    asked: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ledger holds of a round.

    Attributes
    ----------
    number : of the round, from 1.
    seed : of the round's draws, hex.
    kind : classification (scores are accuracies) or regression (mean absolute errors).
    rules : of the task.
    reward : for the whole round, micro-credits.
    team_size : N of Miao eq. 10-11.
    team_leader : node id of who leads the team.
    participants : in any order; a participant's place here is its position in the verdict.
    scores : by validator (participant), a score for each participant's model, 1e-9, UNAVAILABLE or
        NOT_ASKED; None where the validator recorded none.
    """

    number: int
    seed: str
    kind: LearningKind
    rules: Rules
    participants: tuple[Participant, ...]
    scores: tuple[Row, ...]
    reward: int = 0
    team_size: int = 1
    team_leader: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a round; sequences are by position, qualities in 1e-9.

    Attributes
    ----------
    totals : sum of the scores a model got (BPCV eq. 6).
    qualities : accuracy or mean absolute error as the other organisations measured it, corrected for how
        hard each one's data is; None where nobody compared the model.
    level : of the cohort; None where nothing was scored.
    hardness : median of the scores that the participant's organisation gave; None where it compared nothing.
    evidence : how the model compares with the others in the opinion of most (`held_by_most`), 1e-9, higher is
        better.
    eliminated : dropped, worst first. `missed`: no update, none to be had, or no scores. `lazy`: copied.
    weights : of the models in the aggregate (Lu: by registered rows), 1e-9; they add up to 1e9 or to 0.
    honesty : of the participant as a validator, 0..1e9.
    contributions : W of Miao eq. 9-11, 1e-9; they add up to 1e9 or to 0.
    rewards : micro-credits.
    ranking : node ids in order of PoQ, the leader first: who keeps the round's accounts.
    """

    totals: tuple[int, ...]
    qualities: tuple[int | None, ...]
    level: int | None
    hardness: tuple[int | None, ...]
    evidence: tuple[int | None, ...]
    eliminated: tuple[str, ...]
    missed: tuple[str, ...]
    lazy: tuple[str, ...]
    weights: tuple[int, ...]
    honesty: tuple[int, ...]
    contributions: tuple[int, ...]
    rewards: tuple[int, ...]
    ranking: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Compute a round's verdict; the same for participants in any order. O(n^2 log n)."""
    return _Judgement(evidence).verdict()


class _Judgement:
    """One verdict in the making; each attribute is by position unless it says otherwise."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.people = evidence.participants
        self.organisations = [person.organisation for person in self.people]
        self.lots = [lot(evidence.seed, person.node) for person in self.people]
        self.sign = 1 if evidence.kind is LearningKind.CLASSIFICATION else -1
        self.available, self.said = self._available()
        self.honesty, self.votes = self._honesty()
        self.compared = [
            held_by_most(by_organisation, self.votes) if by_organisation else None
            for by_organisation in self.said.relative
        ]
        self.qualities = [self._quality(by_organisation) for by_organisation in self.said.relative]
        self.totals, self.counts = self._totals()
        self.eliminated = self._eliminated()
        self.survives = [
            available and position not in self.eliminated for position, available in enumerate(self.available)
        ]
        excused = evidence.rules.elimination is Elimination.NONE
        self.silent = [
            person.asked and row is None and not excused
            for person, row in zip(self.people, evidence.scores, strict=True)
        ]
        self.earns = [
            survives and not silent for survives, silent in zip(self.survives, self.silent, strict=True)
        ]

    def verdict(self) -> Verdict:
        weights = self._weights()
        contributions = self._contributions(weights)
        people, said = self.people, self.said
        missed = [
            person.node
            for person, available, silent in zip(people, self.available, self.silent, strict=True)
            if silent or not (available or person.lazy)
        ]
        return Verdict(
            totals=tuple(self.totals),
            qualities=tuple(self.qualities),
            level=None if said.level is None else self.sign * said.level,
            hardness=tuple(
                self.sign * said.hardness[organisation] if organisation in said.hardness else None
                for organisation in self.organisations
            ),
            evidence=tuple(self.compared),
            eliminated=tuple(people[position].node for position in self.eliminated),
            missed=tuple(sorted(missed)),
            lazy=tuple(sorted(person.node for person in people if person.lazy)),
            weights=tuple(weights),
            honesty=tuple(self.honesty),
            contributions=tuple(contributions),
            rewards=tuple(self._rewards(contributions)),
            ranking=tuple(self._ranking()),
        )

    def _available(self) -> tuple[list[bool], Opinions]:
        """Return which models count: delivered, no copies, not found missing by most organisations."""
        counted = [person.delivered and not person.lazy for person in self.people]
        said = self._opinions(counted)
        least = self.evidence.rules.min_validators
        missing = [
            least <= unavailable > scored
            for unavailable, scored in zip(said.unavailable, said.scored, strict=True)
        ]
        if any(missing):
            counted = [count and not gone for count, gone in zip(counted, missing, strict=True)]
            said = self._opinions(counted)
        return counted, said

    def _opinions(self, counted: Sequence[bool]) -> Opinions:
        return opinions(self.organisations, self.evidence.scores, counted=counted, sign=self.sign)

    def _honesty(self) -> tuple[list[int], Mapping[str, int]]:
        """Return each validator's honesty, and each organisation's vote: the mean of its validators'."""
        distances = disagreements(self.organisations, self.evidence.scores, self.said, sign=self.sign)
        cohort = [distance for distance in distances if distance is not None]
        if not cohort or self.said.level is None:
            return [NANO] * len(self.people), dict.fromkeys(self.organisations, NANO)
        tolerance = guard(cohort, self.said.level, self.evidence.rules)
        found = [NANO if d is None else honesty(d, cohort, tolerance) for d in distances]
        by_organisation: dict[str, list[int]] = {}
        for organisation, row, value in zip(self.organisations, self.evidence.scores, found, strict=True):
            if row is not None:
                by_organisation.setdefault(organisation, []).append(value)
        return found, {name: divide(sum(values), len(values)) for name, values in by_organisation.items()}

    def _quality(self, by_organisation: Mapping[str, int]) -> int | None:
        if not by_organisation or self.said.level is None:
            return None
        quality = max(0, self.sign * (self.said.level + middle(by_organisation, self.votes)))
        return min(NANO, quality) if self.evidence.kind is LearningKind.CLASSIFICATION else quality

    def _totals(self) -> tuple[list[int], list[int]]:
        totals, counts = [0] * len(self.people), [0] * len(self.people)
        for organisation, row in zip(self.organisations, self.evidence.scores, strict=True):
            for model, score in enumerate(row or ()):
                if score >= 0 and self.organisations[model] != organisation:
                    totals[model] += score
                    counts[model] += 1
        return totals, counts

    def _eliminated(self) -> list[int]:
        rules = self.evidence.rules
        candidates = [position for position, available in enumerate(self.available) if available]
        suspects = [
            Suspect(
                evidence=self.compared[position],
                organisations=len(self.said.relative[position]),
                total=self.sign * self.totals[position],
                scores=self.counts[position],
                lot=self.lots[position],
            )
            for position in candidates
        ]
        dropped: list[int] = []
        if rules.elimination is Elimination.PAPER:
            dropped = elimination.paper(suspects)
        elif rules.elimination is Elimination.GUARDED and self.evidence.number > rules.warmup_rounds:
            dropped = elimination.guarded(suspects, self.said.level, rules)
        return [candidates[index] for index in dropped]

    def _weights(self) -> list[int]:
        return self._spread(NANO, [person.rows for person in self.people], self.survives)

    def _contributions(self, weights: Sequence[int]) -> list[int]:
        """Return W: worth times honesty; where nothing was scored, by weight in the aggregate."""
        level = self.said.level
        if level is None:
            return self._spread(NANO, weights, self.earns)
        usual = self.sign * level
        worths = [
            worth(usual if quality is None else quality, usual, self.evidence.kind) * honest
            for quality, honest in zip(self.qualities, self.honesty, strict=True)
        ]
        return self._spread(NANO, worths, self.earns)

    def _rewards(self, contributions: Sequence[int]) -> list[int]:
        evidence = self.evidence
        leader = [
            position
            for position, person in enumerate(self.people)
            if person.node == evidence.team_leader and self.earns[position]
        ]
        return rewards(
            evidence.reward,
            contributions,
            self.lots,
            leader=leader[0] if leader else None,
            team_size=evidence.team_size,
            variant=evidence.rules.rewards,
        )

    def _ranking(self) -> list[str]:
        """Return who leads, in order: those who did their part by PoQ; if nobody did, all by lot."""
        able = [position for position, earns in enumerate(self.earns) if earns]
        if not able:
            return [node for _, node in sorted(zip(self.lots, (p.node for p in self.people), strict=True))]
        usual = self.sign * (self.said.level or 0)
        qualities = [usual if (quality := self.qualities[p]) is None else quality for p in able]
        standings = [
            Standing(quality, self.people[position].rows, self.lots[position])
            for position, quality in zip(able, qualities, strict=True)
        ]
        return [self.people[able[index]].node for index in rank(standings, self.evidence.kind)]

    def _spread(self, amount: int, weights: Sequence[int], among: Sequence[bool]) -> list[int]:
        """Divide an amount by weight among some; all zero counts as all equal."""
        chosen = [position for position, included in enumerate(among) if included]
        parts = [0] * len(weights)
        if chosen:
            divided = shares(amount, [weights[p] for p in chosen], [self.lots[p] for p in chosen])
            for position, part in zip(chosen, divided, strict=True):
                parts[position] = part
        return parts
