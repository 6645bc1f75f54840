"""Tasks: what a requester asks for, under which rules, and pays into escrow before anyone joins (Miao 4.2).

    records.py       what is kept, and the error codes 400-449
    life.py          status, funding, reward and closing: the functions for other contracts
    transactions.py  what a requester does, and queries

Import from these modules: tasks and teams use each other's, so neither package loads them all.
"""
