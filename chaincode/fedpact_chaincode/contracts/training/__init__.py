"""Training: rounds of updates, mutual validation and the verdict on them (BPCV-FL, 4.1; Lu III.D).

records.py       what is kept, and the error codes 500-599
turns.py         whose turn it is, and who stands in
opening.py       rounds open, and go over to scoring
recording.py     participants record updates and scores, each under its own identity
closing.py       anybody closes a round: verdict, payments, election
models.py        the aggregator records the global model; who was dropped appeals
transactions.py  the contract and its queries
"""
