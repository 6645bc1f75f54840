"""Federated rounds (BPCV-FL 4.1; Lu III.D; Miao 4.3).

records.py    what is kept, and the error codes 500-599
rounds.py     opening, updates, scores: what members record in parallel
evidence.py   what a verdict is computed from
closing.py    the verdict, its consequences, the global model
appeals.py    coming back after an elimination
queries.py    rounds as members read them
"""

from fedpact_chaincode.contracts.training import appeals, closing, opening, queries, recording
from fedpact_chaincode.contracts.training.records import contract

__all__ = ["appeals", "closing", "contract", "opening", "queries", "recording"]
