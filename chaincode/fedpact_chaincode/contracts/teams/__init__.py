"""Teams: who works on a task, what each answers with, and what becomes of it (Miao 4.1, BPCV 4.2).

    records.py       what is kept, and the error codes 450-499
    recruiting.py    a sponsor opens a team, nodes apply with a mortgage
    forming.py       assessment, choice of the members, start, the waiting list
    discipline.py    slashing, accusing the leader, leaving
    mortgages.py     deposit, punishment, compensation, release
    seats.py         who sits in a team: the functions for other contracts
    transactions.py  the contract

Import from these modules: tasks and teams use each other's, so neither package loads them all.
"""
