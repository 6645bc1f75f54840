"""Proof of quality: who keeps a round's accounts, and whether the committee takes the final model (Lu III.D).

records.py    what is kept, and the error codes 600-649
sealing.py    the elected leader seals its round; the next in rank if it does not
committee.py  the members measure the final model, the task completes
"""

from fedpact_chaincode.contracts.elections import committee, sealing
from fedpact_chaincode.contracts.elections.records import contract

__all__ = ["committee", "contract", "sealing"]
