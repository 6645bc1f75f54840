"""What the demonstration reports: one object, printed whole by `fedpact demo --json`."""

from __future__ import annotations

import msgspec

from fedpact import Finding

Scores = dict[str, float]


class Elimination(msgspec.Struct, frozen=True):
    """Who was dropped, and when."""

    node: str
    round: int


class Leader(msgspec.Struct, frozen=True):
    """Who was elected in a round, and who sealed it."""

    round: int
    node: str
    sealed_by: str


class LocalScore(msgspec.Struct, frozen=True):
    """The model that one hospital would have alone; `liar` marks the one that turns its outcomes round."""

    node: str
    liar: bool
    scores: Scores


class CreditFlow(msgspec.Struct, frozen=True):
    """Micro-credits: what each account holds, what each node earned, and whether nothing was lost."""

    balances: dict[str, int]
    earned: dict[str, int]
    issued: int
    conserved: bool


class PrivacySpent(msgspec.Struct, frozen=True):
    """Of each dataset's budget towards the researcher: granted and spent epsilon, at the given delta."""

    epsilon: float
    delta: float
    noise_multiplier: float
    spent: dict[str, float]


class LedgerFacts(msgspec.Struct, frozen=True):
    """The ledger that is left behind."""

    url: str
    height: int
    transactions: int
    state_hash: str


class AuditFacts(msgspec.Struct, frozen=True):
    """The audit's outcome and how much it checked."""

    ok: bool
    findings: list[Finding]
    checked: dict[str, int]


class RoundFacts(msgspec.Struct, frozen=True):
    """One round.

    Attributes
    ----------
    number : from 1.
    participants : nodes, in the order of rows and columns of the matrix.
    matrix : scores of each validator (row) for each model (column); None where it gave none.
    scores : of the global model on the common test set.
    eliminated : nodes dropped in this round.
    rewards : micro-credits paid to each participant.
    """

    number: int
    participants: list[str]
    matrix: list[list[float | None]]
    scores: Scores
    eliminated: list[str]
    rewards: list[int]


class DemoSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the demonstration.

    Attributes
    ----------
    federated, central : scores on the common test set: of the delivered model, and of one trained on all
        honest rows in one place without noise.
    local : of every hospital's own model, trained without noise.
    found : datasets that retrieval named, with their similarity.
    cache_hit : the second, identical request was answered without training.
    """

    dataset: str
    seed: int
    metric: str
    federated: Scores
    local: list[LocalScore]
    central: Scores
    rounds: int
    history: list[RoundFacts]
    found: dict[str, float]
    readings_anchored: int
    eliminated: list[Elimination]
    leaders: list[Leader]
    credit: CreditFlow
    privacy: PrivacySpent
    cache_hit: bool
    ledger: LedgerFacts
    audit: AuditFacts
    report: str
    seconds: float
