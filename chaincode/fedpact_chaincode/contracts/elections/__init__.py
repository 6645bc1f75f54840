"""Elections: who keeps a round's accounts, and whether the committee approves the final model (Lu III.D).

records.py       what is kept, and the error codes 600-649
sealing.py       the elected leader, or who stands in for it, seals a round
committee.py     the members measure the final model; approval completes the task
transactions.py  the contract
"""
