"""Accounts and payments, in micro-credits (Miao et al., 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedpact_chaincode.contract import Nothing
from fedpact_chaincode.contracts.credit.records import Account, Entry, Supply
from fedpact_chaincode.contracts.credit.transactions import (
    AccountOf,
    Conservation,
    EntriesOf,
    EntryPage,
    Transfer,
)

if TYPE_CHECKING:
    from fedpact.consortium.session import Session


class Credit:
    """What members earn and pay. Credit is issued by the council (`council.propose(..., "issue_credit")`)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def transfer(
        self, target: str, amount: int, *, source: str | None = None, reference: str = ""
    ) -> Account:
        """Pay from the caller's account, or from one of its organisation's; return the source account."""
        message = Transfer(
            source=source or self._session.identity.id, target=target, amount=amount, reference=reference
        )
        return self._session.submit("credit:transfer", message, Account)

    def account(self, account: str | None = None) -> Account:
        """Return an account; default the caller's."""
        message = AccountOf(account=account or self._session.identity.id)
        return self._session.evaluate("credit:account", message, Account)

    def entries(self, account: str, *, start: int = 0) -> list[Entry]:
        """Return up to a hundred entries of an account, oldest first."""
        message = EntriesOf(account=account, start=start)
        return self._session.evaluate("credit:entries", message, EntryPage).entries

    def supply(self) -> Supply:
        """Return how much credit was ever issued."""
        return self._session.evaluate("credit:supply", Nothing(), Supply)

    def conservation(self) -> Conservation:
        """Add up every account and entry and compare with what was issued."""
        return self._session.evaluate("credit:conservation", Nothing(), Conservation)
