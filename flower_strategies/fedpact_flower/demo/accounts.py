"""What the ledger says happened: read back from it, not remembered."""

from __future__ import annotations

from collections.abc import Mapping

from fedpact.records import RoundState
from fedpact_flower.demo.members import RESEARCH, Cast
from fedpact_flower.demo.request import TASK
from fedpact_flower.demo.settings import DemoSettings
from fedpact_flower.demo.summary import (
    CreditFlow,
    Elimination,
    Leader,
    PrivacySpent,
    RoundFacts,
    Scores,
)

NANO = 10**9


def states(cast: Cast, history: Mapping[int, Scores]) -> list[RoundState]:
    """Read every round of the history from the ledger, once."""
    return [cast.researcher.training.round(TASK, number) for number in history]


def rounds(states: list[RoundState], history: Mapping[int, Scores]) -> list[RoundFacts]:
    """Return every round that was closed, with the global model's scores on the test set."""
    facts = []
    for state in states:
        verdict = state.verdict
        if verdict is None:
            continue
        rows = {row.node: row.scores for row in state.scores}
        facts.append(
            RoundFacts(
                number=state.number,
                participants=state.participants,
                matrix=[
                    [score / NANO if score >= 0 else None for score in rows.get(node, ())]
                    or [None] * len(state.participants)
                    for node in state.participants
                ],
                scores=history[state.number],
                eliminated=list(verdict.eliminated),
                rewards=list(verdict.rewards),
            )
        )
    return facts


def eliminations(facts: list[RoundFacts]) -> list[Elimination]:
    """Return who was dropped, in order of rounds."""
    return [Elimination(node, item.number) for item in facts for node in item.eliminated]


def leaders(states: list[RoundState]) -> list[Leader]:
    """Return who was elected in each round, and who sealed it."""
    return [
        Leader(state.number, state.election.ranking[0], state.election.sealed_by or "")
        for state in states
        if state.election is not None
    ]


def credit(cast: Cast) -> CreditFlow:
    """Return every node's account, and whether the books balance."""
    names = [hospital.node.identity.id for hospital in cast.hospitals]
    accounts = {name: cast.researcher.credit.account(name) for name in names}
    researcher = cast.researcher.credit.account()
    conservation = cast.researcher.credit.conservation()
    return CreditFlow(
        balances={name: account.balance for name, account in accounts.items()}
        | {researcher.id: researcher.balance},
        earned={name: account.earned for name, account in accounts.items()},
        issued=conservation.issued,
        conserved=conservation.conserved,
    )


def privacy(cast: Cast, settings: DemoSettings, noise_multiplier: float) -> PrivacySpent:
    """Return what of every hospital's budget was spent, as the contract accounts for it."""
    spent = {
        hospital.mspid: cast.researcher.privacy.budget(hospital.dataset_id, RESEARCH).spent_nano / NANO
        for hospital in cast.hospitals
    }
    return PrivacySpent(settings.epsilon, settings.delta, noise_multiplier, spent)
