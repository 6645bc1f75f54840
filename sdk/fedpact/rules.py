"""The rules of a round as pure functions: what the contract applies, for strategies without a ledger too."""

from fedpact_chaincode.contracts.privacy.records import Mechanism
from fedpact_chaincode.contracts.tasks.records import LearningKind, Rules
from fedpact_chaincode.rules.evidence import NOT_ASKED, UNAVAILABLE
from fedpact_chaincode.rules.judging import Evidence, Participant, Verdict, judge
from fedpact_chaincode.rules.lottery import (
    asked_of,
    commitment_of,
    draw_validators,
    first_seed,
    lot,
    next_seed,
)

__all__ = [
    "NOT_ASKED",
    "UNAVAILABLE",
    "Evidence",
    "LearningKind",
    "Mechanism",
    "Participant",
    "Rules",
    "Verdict",
    "asked_of",
    "commitment_of",
    "draw_validators",
    "first_seed",
    "judge",
    "lot",
    "next_seed",
]
