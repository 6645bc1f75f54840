"""Credit: accounts in double entry, issued by the council, conserved by every transaction (Miao 4.4).

records.py       what is kept, and the error codes 300-349
book.py          how credit moves: the functions for other contracts
transactions.py  what members may do, and queries
"""

from fedpact_chaincode.contracts.credit.book import balance, earned, move, pay
from fedpact_chaincode.contracts.credit.records import (
    ACCOUNTS,
    ENTRIES,
    SUPPLY,
    Account,
    Entry,
    Reason,
    Supply,
    escrow_of,
    mortgage_of,
)
from fedpact_chaincode.contracts.credit.transactions import (
    AccountOf,
    Conservation,
    EntriesOf,
    EntryPage,
    Transfer,
    contract,
)

__all__ = [
    "ACCOUNTS",
    "ENTRIES",
    "SUPPLY",
    "Account",
    "AccountOf",
    "Conservation",
    "EntriesOf",
    "Entry",
    "EntryPage",
    "Reason",
    "Supply",
    "Transfer",
    "balance",
    "contract",
    "earned",
    "escrow_of",
    "mortgage_of",
    "move",
    "pay",
]
